"""Close-ups of a package whose background is not the photo's."""

import numpy as np
import pytest

from creation.keys.closeups import CloseupKeys, tiled, with_alpha
from creation.keys.keyframe import Keyframe
from renderer.portrait.layout import CLOSEUP_CELL_PX

ROWS, COLUMNS = 32, 64
LEFT = 100  # column of the plate at which the box begins


def closeup(moved_px: float) -> CloseupKeys:
    """Return two keyframes of a box: one at rest, one whose skin has moved."""
    cells = ROWS // CLOSEUP_CELL_PX, COLUMNS // CLOSEUP_CELL_PX
    y, x = np.indices(cells) * CLOSEUP_CELL_PX + CLOSEUP_CELL_PX / 2
    none = np.full(cells, -1)
    frames = (
        Keyframe(
            np.full((ROWS, COLUMNS, 3), 0.5, np.float32),
            none,
            np.zeros((*cells, 3), np.float32),
            np.stack([x + LEFT - moved, y], -1),
        )
        for moved in (0, moved_px)
    )
    box = (LEFT, 0, LEFT + COLUMNS, ROWS)
    return CloseupKeys("mouth", box, np.zeros((2, 0)), np.zeros((0, 0)), tuple(frames))


def test_a_box_is_transparent_where_its_skin_was_in_the_photo():
    alpha = np.zeros((ROWS, 300), np.float32)
    alpha[:, : LEFT + 24] = 1  # the person; then the wall

    page = tiled(with_alpha(closeup(moved_px=8), alpha), 1)

    assert page.shape == (2 * ROWS, COLUMNS, 4)
    assert page[..., :3] == pytest.approx(0.5)
    rest, moved = page[:ROWS, :, 3], page[ROWS:, :, 3]
    for cover, edge in ((rest, 24), (moved, 32)):
        assert cover[:, : edge - 1] == pytest.approx(1)
        assert cover[:, edge + 1 :] == pytest.approx(0)


def test_a_box_within_the_person_needs_no_alpha():
    alpha = np.ones((ROWS, 300), np.float32)
    assert tiled(with_alpha(closeup(moved_px=8), alpha), 1).shape[2] == 3
