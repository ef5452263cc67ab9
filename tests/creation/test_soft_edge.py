"""Edges of lids in keyframes are as soft as those of a photo."""

import numpy as np
import pytest

from creation.keys.lids import soft_edge
from creation.keys.samples import Samples

ROWS, COLUMNS = 24, 30
EDGE = 12  # row at which a lid ends


@pytest.fixture
def samples():
    """Return samples without more of them at edges."""
    count = ROWS * COLUMNS
    y, x = np.mgrid[:ROWS, :COLUMNS]
    at = np.stack([x, y], -1).reshape(-1, 2) + 0.5
    triangle = np.zeros(count, np.int32)
    shares = np.zeros((count, 3), np.float32)
    return Samples(triangle, shares, at, np.arange(count), (ROWS, COLUMNS))


@pytest.fixture
def picture():
    light = np.full((ROWS, COLUMNS, 3), 0.6, np.float32)
    light[EDGE:] = 0.02
    return light


def steps(picture):
    return np.abs(np.diff(picture[..., 0], axis=0))


def test_a_lid_over_an_eyeball_has_a_soft_edge(samples, picture):
    ball = samples.at[:, 1] > EDGE

    soft = soft_edge(picture, samples, ball, samples.at, 1.0)

    assert steps(soft).max() < 0.7 * steps(picture).max()
    assert soft[: EDGE - 4] == pytest.approx(picture[: EDGE - 4], abs=0.01)
    assert soft[EDGE + 4 :] == pytest.approx(picture[EDGE + 4 :], abs=0.01)


def test_a_lid_over_the_other_lid_has_a_soft_edge(samples, picture):
    shown = samples.at.copy()
    shown[samples.at[:, 1] > EDGE, 1] += 8
    ball = np.zeros(len(shown), bool)

    soft = soft_edge(picture, samples, ball, shown, 1.0)

    assert steps(soft).max() < 0.7 * steps(picture).max()


def test_what_lies_on_one_lid_stays_sharp(samples, picture):
    ball = np.zeros(len(samples.at), bool)

    assert soft_edge(picture, samples, ball, samples.at, 1.0) == pytest.approx(picture)


def test_an_eye_as_in_the_photo_keeps_its_edges(samples, picture):
    ball = samples.at[:, 1] > EDGE

    assert soft_edge(picture, samples, ball, samples.at, 0.0) == pytest.approx(picture)
