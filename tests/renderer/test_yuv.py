"""Tests of `renderer.yuv`: colours, boxes and I420."""

import numpy as np
import pytest
import torch

from renderer.portrait.planes import Canvas, Planes
from renderer.yuv import (
    Box,
    even_box,
    i420_to_rgb,
    rgb_to_planes,
    to_codes,
)
from tests.renderer.colours import rgb_to_ycbcr


def i420_of(rgb):
    """Return an image ``[3, H, W]`` as I420."""
    return np.concat([to_codes(plane).ravel() for plane in rgb_to_planes(rgb)])


def test_black_white_and_grey_have_limited_range_values():
    for grey, code in ((0.0, 16.0), (1.0, 235.0), (0.5, 125.5)):
        luma, chroma = rgb_to_planes(np.full((3, 2, 2), grey, np.float32))
        assert luma == pytest.approx(np.full((2, 2), code), abs=0.01)
        assert chroma == pytest.approx(np.full((2, 1, 1), 128.0), abs=0.01)


def test_red_has_the_bt601_values():
    red = np.zeros((3, 2, 2), np.float32)
    red[0] = 1.0
    luma, chroma = rgb_to_planes(red)
    assert luma.round().tolist() == [[81, 81], [81, 81]]
    assert chroma.round().ravel().tolist() == [90, 240]


def test_colours_are_those_of_the_definition():
    colours = np.random.default_rng(2).random((50, 3), np.float32)
    for colour, expected in zip(colours, rgb_to_ycbcr(colours), strict=True):
        luma, chroma = rgb_to_planes(colour[:, None, None].repeat(2, 1).repeat(2, 2))
        assert luma == pytest.approx(np.full((2, 2), expected[0]), abs=0.01)
        assert chroma.ravel() == pytest.approx(expected[1:], abs=0.01)


@pytest.mark.parametrize("size", [(512, 512), (854, 480), (640, 360), (2, 2)])
def test_i420_has_three_planes_without_padding(size):
    width, height = size
    i420 = i420_of(np.zeros((3, height, width), np.float32))

    assert i420.shape == (width * height * 3 // 2,)
    assert np.unique(i420[: width * height]).tolist() == [16]
    assert np.unique(i420[width * height :]).tolist() == [128]


def test_i420_of_even_squares_gives_their_colours_again():
    rgb = np.random.default_rng(1).random((3, 3, 4), np.float32)
    rgb = rgb.repeat(2, 1).repeat(2, 2)

    again = np.moveaxis(i420_to_rgb(i420_of(rgb), 8, 6), -1, 0)

    assert np.abs(again - rgb).max() < 0.01  # half a code of luma and of chroma


def test_paste_changes_only_its_box():
    background = i420_of(np.zeros((3, 12, 16), np.float32))
    canvas = Canvas(torch.from_numpy(background), 16, 12)
    box = Box(4, 2, 6, 8)
    part = Planes(torch.full((2, 8, 6), 200.0), torch.full((2, 2, 4, 3), 50.0))

    out = canvas.paste(part, box)

    luma = out[:, :192].view(2, 12, 16)
    chroma = out[:, 192:].view(2, 2, 6, 8)
    assert (luma == 200).sum() == 2 * 48
    assert (box.luma(luma) == 200).all()
    assert (chroma == 50).sum() == 2 * 2 * 12
    assert (box.chroma(chroma) == 50).all()


def test_boxes_are_even_and_inside_the_image():
    assert even_box(3.2, 5.0, 9.1, 10.9, 100, 100) == Box(2, 4, 8, 8)
    assert even_box(-5, -5, 200, 200, 64, 48) == Box(0, 0, 64, 48)
    assert Box(6, 8, 2, 2).relative_to(Box(4, 2, 20, 20)) == Box(2, 6, 2, 2)
