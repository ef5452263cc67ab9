"""Light on eyeballs: shade that stays, and catchlights that follow the iris."""

import numpy as np
import pytest

from creation.keys.eye_light import EyeLight, catchlight, fit_white, lid_shade

HEIGHT, WIDTH = 30, 80


@pytest.fixture
def opening():
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return ((x - 40) / 38) ** 2 + ((y - 15) / 13) ** 2 < 1


def test_a_lid_shades_the_eye_below_it(opening):
    shade = lid_shade(opening, 76)
    rows = np.flatnonzero(opening[:, 40])
    assert shade[rows[0], 40] < 0.5
    assert shade[rows[len(rows) // 2], 40] > 0.9
    assert (np.diff(shade[rows[: len(rows) // 2], 40]) >= -1e-3).all()


def test_the_light_across_an_eye_is_found_without_lashes(opening):
    x = (np.arange(WIDTH) + 0.5 - 40) / 76
    white = np.array([0.5, 0.45, 0.4])
    light = white * np.exp(-1.2 * x)[None, :, None] * lid_shade(opening, 76)[..., None]
    light[:, 20:24] = 0.005  # a lash
    light[:, 34:46] = 0.01  # the iris
    chosen = opening & ~((np.arange(WIDTH) >= 34) & (np.arange(WIDTH) < 46))

    factors = fit_white(light.astype(np.float32), opening, chosen, x, 76)

    assert np.exp(factors[0]) == pytest.approx(white, rel=0.1)
    assert factors[1] == pytest.approx(-1.2, abs=0.2)
    assert np.abs(factors[2]).max() < 0.4


def test_a_catchlight_is_taken_out_and_follows_the_iris(opening):
    plain = np.full((HEIGHT, WIDTH, 3), 0.05, np.float32)
    photo = plain.copy()
    photo[10:13, 42:45] = 0.8

    mask, light = catchlight(photo, plain, opening)

    assert mask[10:13, 42:45].all()
    assert mask.sum() < 100
    eye = EyeLight(
        *(40.0, 76.0, np.zeros((3, 3)), light),
        *(np.zeros(2), np.array([40.0, 15.0]), 12.0),
    )
    still = eye.catchlights(np.array([[43.5, 11.5]]), eye.centre)
    turned = eye.catchlights(
        np.array([[51.5, 11.5]]), eye.centre + np.array([10.0, 0.0])
    )
    assert still[0] == pytest.approx(0.75, abs=0.05)
    assert turned[0] == pytest.approx(0.75, abs=0.05)
    gone = eye.catchlights(np.array([[43.5, 11.5]]), eye.centre + np.array([10.0, 0.0]))
    assert gone[0] == pytest.approx(0, abs=0.05)
