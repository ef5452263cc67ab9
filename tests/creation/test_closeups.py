"""Pages of keyframes, as the loader of packages reads them."""

import numpy as np
import pytest

from creation.keys.closeups import CloseupKeys, tiled
from creation.keys.keyframe import Keyframe


@pytest.mark.parametrize("columns", [1, 2, 3, 5])
def test_keyframes_lie_row_by_row(columns):
    pictures = np.random.default_rng(3).random((5, 16, 20, 3)).astype(np.float32)
    none = np.zeros((4, 5), np.int32), np.zeros((4, 5, 3), np.float32)
    frames = tuple(Keyframe(p, *none, np.zeros((4, 5, 2))) for p in pictures)
    keys = CloseupKeys("mouth", (0, 0, 20, 16), np.zeros((5, 56)), np.eye(56), frames)

    page = tiled(keys, columns)

    assert page.shape == (-(-5 // columns) * 16, columns * 20, 3)
    for number, picture in enumerate(pictures):
        top, left = number // columns * 16, number % columns * 20
        assert (page[top : top + 16, left : left + 20] == picture).all()
