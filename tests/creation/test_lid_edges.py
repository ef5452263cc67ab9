"""Landmarks of upper lids are moved to the edges of the lids in the photo."""

import numpy as np
import pytest

from creation.images import blur, encode
from creation.lid_edges import with_lid_edges
from creation.vision.rings import LEFT_EYE, RIGHT_EYE

WIDE = 80.0  # pixels of each drawn eye
CENTRES = {RIGHT_EYE: (100.0, 100.0), LEFT_EYE: (300.0, 100.0)}
HEIGHT, ROWS, COLUMNS = 0.16, 200, 400  # of a lid above the corners, of the width
SKIN, LINE, BALL = 0.5, 0.02, 0.35


def arc(across):
    """Return the height of an upper lid above the corners of its eye."""
    return HEIGHT * 4 * across * (1 - across)


def drawn(thickness, below, line=LINE, roll=0.0):
    """
    Return a picture with two eyes, and landmarks that lie ``below`` their lids.

    The dark line of the lashes is ``thickness`` high, of the width; the edge of the lid
    is in the middle between its top and its darkest row, its lower third.
    """
    y, x = np.mgrid[:ROWS, :COLUMNS] + 0.5
    light = np.full((ROWS, COLUMNS), SKIN, np.float32)
    marks = np.zeros((478, 3))
    turn = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    for ring, centre in CENTRES.items():
        local = (np.stack([x, y], -1) - centre) @ turn / WIDE
        across, down = local[..., 0] + 0.5, local[..., 1]
        row = down + arc(across)  # below the edge of the upper lid
        eye = (across > 0) & (across < 1)
        opening = eye & (row > 0) & (down < arc(across) / 2)
        light[opening] = BALL
        depth = np.clip((row + thickness / 2) / thickness, 0, 1)
        dark = np.clip(1 - np.abs(depth - 0.7) / 0.3, 0, 1)
        shade = np.clip(2 * depth, 0, 1) * (depth < 1)
        least = np.where(dark > 0, dark, shade) * eye
        light = light + (line - light) * least
        outer_first = ring is RIGHT_EYE
        t = np.linspace(0, 1, 9)
        t = t if outer_first else 1 - t
        lower = np.stack([t - 0.5, arc(t) / 2], -1)
        upper = np.stack([t - 0.5, below - arc(t)], -1)[1:-1]
        marks[list(ring), :2] = np.concatenate([lower, upper]) * WIDE @ turn.T + centre
    picture = encode(blur(np.repeat(light[..., None], 3, -1), 1.0))
    return np.asarray(picture, np.float32), marks


def offsets(marks, roll=0.0):
    """Return how far landmarks of both lids lie below their edges, of the width."""
    turn = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    found = []
    for ring, centre in CENTRES.items():
        local = (marks[list(ring[9:]), :2] - centre) @ turn / WIDE
        found.append((local[:, 1] + arc(local[:, 0] + 0.5))[1:-1])
    return np.array(found)


@pytest.mark.parametrize("roll", [0.0, 0.4])
@pytest.mark.parametrize(("thickness", "below"), [(0.12, 0.05), (0.06, -0.02)])
def test_landmarks_beside_the_edge_are_moved_to_it(thickness, below, roll):
    picture, marks = drawn(thickness, below, roll=roll)
    before = np.abs(offsets(marks, roll)).mean()

    moved = with_lid_edges(picture, marks)

    assert np.abs(offsets(moved, roll)).mean() < 0.5 * before
    lids = [*RIGHT_EYE[9:], *LEFT_EYE[9:]]
    others = np.setdiff1d(np.arange(478), lids)
    assert (moved[others] == marks[others]).all()


def test_a_lid_without_a_dark_line_keeps_its_landmarks():
    picture, marks = drawn(0.1, 0.04, line=0.3)

    assert (with_lid_edges(picture, marks) == marks).all()


def test_a_dark_patch_above_a_lid_moves_its_landmarks_little():
    picture, marks = drawn(0.06, 0.0)
    picture[:90] = 0.05

    moved = with_lid_edges(picture, marks)

    assert np.abs(moved - marks).max() < 0.065 * WIDE
