"""Rim of an eye: lids and lashes over an eyeball stay when it turns."""

import numpy as np
import pytest

from creation.keys.eye_rim import EyeRim
from creation.keys.samples import FINE

HEIGHT, WIDTH, LEFT = 40, 60, 100
TOP, BOTTOM = 10, 30
RADIUS = 12.0  # of the iris, pixels


def opening(top, bottom):
    """Return an eye that is seen in some rows, with fine samples."""
    fine = np.zeros((HEIGHT * FINE, WIDTH * FINE), bool)
    fine[top * FINE : bottom * FINE, 10:-10] = True
    return fine


@pytest.fixture
def rim():
    plain = np.full((HEIGHT, WIDTH, 3), 0.5, np.float32)
    photo = plain.copy()
    photo[TOP : TOP + 3] *= 0.2  # lashes
    known = np.ones((HEIGHT, WIDTH), np.float32)
    inside = np.zeros((HEIGHT, WIDTH), np.float32)
    inside[TOP + 5 : BOTTOM - 2] = 1
    return EyeRim.of(photo, plain, opening(TOP, BOTTOM), known, inside, LEFT, RADIUS)


def test_an_eyeball_gets_the_edge_of_the_photo(rim):
    factor = rim.at(opening(TOP, BOTTOM), LEFT)[:, WIDTH // 2]

    assert factor[TOP + 1] == pytest.approx(0.2, abs=0.05)
    assert factor[(TOP + BOTTOM) // 2] == pytest.approx(1, abs=0.02)


def test_the_edge_stays_with_the_upper_lid(rim):
    factor = rim.at(opening(TOP + 4, BOTTOM), LEFT)[:, WIDTH // 2]

    assert factor[TOP + 5] == pytest.approx(0.2, abs=0.1)
    assert factor[TOP + 10] == pytest.approx(1, abs=0.05)


def test_what_hides_an_unsure_part_goes_on_along_the_lid():
    plain = np.full((HEIGHT, WIDTH, 3), 0.5, np.float32)
    photo = 0.4 * plain
    known = np.ones((HEIGHT, WIDTH), np.float32)
    photo[:, 28:32], known[:, 28:32] = 0.01, 0  # the edge of an iris
    inside = np.zeros((HEIGHT, WIDTH), np.float32)

    rim = EyeRim.of(photo, plain, opening(TOP, BOTTOM), known, inside, LEFT, RADIUS)

    factor = rim.at(opening(TOP, BOTTOM), LEFT)
    assert factor[TOP + 2, 30] == pytest.approx(0.4, abs=0.05)


def test_an_eye_that_is_not_seen_has_no_rim(rim):
    empty = np.zeros((HEIGHT * FINE, WIDTH * FINE), bool)
    light = np.ones((HEIGHT, WIDTH, 3), np.float32)
    known = np.ones((HEIGHT, WIDTH), np.float32)

    assert EyeRim.of(light, light, empty, known, known, LEFT, RADIUS) is None
    assert (rim.at(empty, LEFT) == 1).all()


def test_a_lid_changes_no_light_far_from_its_edge():
    plain = np.full((HEIGHT, WIDTH, 3), 0.5, np.float32)
    photo = plain.copy()
    photo[TOP + 9 : TOP + 11] = 0.1  # something on the eyeball
    known = np.ones((HEIGHT, WIDTH), np.float32)

    rim = EyeRim.of(photo, plain, opening(TOP, BOTTOM), known, 0 * known, LEFT, 9.0)

    factor = rim.at(opening(TOP, BOTTOM), LEFT)[:, WIDTH // 2]
    assert factor[TOP + 9 : TOP + 11] == pytest.approx(1, abs=0.01)


def test_a_lid_makes_no_eyeball_blue():
    plain = np.full((HEIGHT, WIDTH, 3), 0.5, np.float32)
    photo = plain * np.array([0.2, 0.2, 1.0], np.float32)
    known = np.ones((HEIGHT, WIDTH), np.float32)

    rim = EyeRim.of(photo, plain, opening(TOP, BOTTOM), known, 0 * known, LEFT, RADIUS)

    red, _, blue = rim.at(opening(TOP, BOTTOM), LEFT)[TOP + 1, WIDTH // 2]
    assert blue <= red + 1e-3
