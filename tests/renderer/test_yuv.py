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
    rgb_to_ycbcr,
    to_codes,
)


def i420_of(rgb):
    """Return an image ``[3, H, W]`` as I420."""
    return np.concat([to_codes(plane).ravel() for plane in rgb_to_planes(rgb)])


def test_black_white_and_grey_have_limited_range_values():
    result = rgb_to_ycbcr(np.array([[0.0] * 3, [1.0] * 3, [0.5] * 3], np.float32))

    assert result[:, 0] == pytest.approx([16.0, 235.0, 125.5], abs=0.01)
    assert result[:, 1:] == pytest.approx(np.full((3, 2), 128.0), abs=0.01)


def test_red_has_the_bt601_values():
    assert rgb_to_ycbcr(np.array([1.0, 0, 0])).round().tolist() == [81, 90, 240]


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
