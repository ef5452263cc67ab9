"""Tests of `renderer.yuv`: colours, boxes and I420."""

import pytest
import torch

from renderer.yuv import (
    Box,
    Canvas,
    Planes,
    even_box,
    rgb_to_planes,
    rgb_to_ycbcr,
)


def test_black_white_and_grey_have_limited_range_values():
    result = rgb_to_ycbcr(torch.tensor([[0.0] * 3, [1.0] * 3, [0.5] * 3]))

    assert torch.allclose(result[:, 0], torch.tensor([16.0, 235.0, 125.5]), atol=0.01)
    assert torch.allclose(result[:, 1:], torch.full((3, 2), 128.0), atol=0.01)


def test_red_has_the_bt601_values():
    assert rgb_to_ycbcr(torch.tensor([1.0, 0, 0])).round().tolist() == [81, 90, 240]


@pytest.mark.parametrize("size", [(512, 512), (854, 480), (640, 360), (2, 2)])
def test_i420_has_three_planes_without_padding(size):
    width, height = size
    canvas = Canvas(rgb_to_planes(torch.zeros(1, 3, height, width)))

    assert canvas.i420.shape == (1, width * height * 3 // 2)
    assert canvas.i420[0, : width * height].unique().tolist() == [16]
    assert canvas.i420[0, width * height :].unique().tolist() == [128]


def test_paste_changes_only_its_box():
    canvas = Canvas(rgb_to_planes(torch.zeros(1, 3, 12, 16)))
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
