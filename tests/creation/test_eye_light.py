"""Light on eyeballs: shade that stays, and reflections that move with it."""

import numpy as np
import pytest

from creation.keys.eye_light import (
    EyeLight,
    above,
    catchlight_mask,
    fit_white,
    lid_shade,
)

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


@pytest.fixture
def lit(opening):
    """Return an eye with a catchlight above its iris' centre, and a glow below it."""
    plain = np.full((HEIGHT, WIDTH, 3), 0.05, np.float32)
    photo = plain.copy()
    photo[10:13, 42:45] = 0.8
    photo[18:21, 34:37] = 0.3
    mask = catchlight_mask(photo, plain, opening)
    none = np.zeros_like(plain)
    eye = EyeLight(
        *(40.0, 76.0, np.zeros((3, 3)), none, none, np.zeros(2)),
        *(np.zeros(2), np.array([40.0, 15.0]), 12.0),
    )
    return mask, eye.with_reflections(above(photo, plain, mask))


def light_at(eye, x, y, turned):
    move = np.array([turned, 0.0])
    return eye.catchlights(np.array([[x, y]]), eye.centre + move)[0]


def test_catchlight_and_glow_are_taken_out(lit):
    mask, _ = lit

    assert mask[10:13, 42:45].all()
    assert mask[18:21, 34:37].all()
    assert mask.sum() < 200


def test_a_catchlight_follows_half_the_move_of_the_iris(lit):
    _, eye = lit

    assert light_at(eye, 43.5, 11.5, 0) == pytest.approx(0.75, abs=0.05)
    assert light_at(eye, 48.5, 11.5, 10) == pytest.approx(0.75, abs=0.05)
    assert light_at(eye, 43.5, 11.5, 10) == pytest.approx(0, abs=0.05)
    assert light_at(eye, 53.5, 11.5, 10) == pytest.approx(0, abs=0.05)


def test_a_glow_turns_with_the_iris_and_fades_away_from_the_lamp(lit):
    _, eye = lit
    still = light_at(eye, 35.5, 19.5, 0)

    assert still == pytest.approx(0.25, abs=0.03)
    away, towards = (light_at(eye, 35.5 + x, 19.5, x) for x in (-8, 8))
    assert (away < 0.8 * still).all()
    assert (away > 0.2 * still).all()
    assert (towards > 1.1 * still).all()


def test_without_a_lamp_nothing_is_reflected(lit):
    _, eye = lit
    dark = eye.with_reflections(np.zeros((HEIGHT, WIDTH, 3), np.float32))

    assert (light_at(dark, 43.5, 11.5, 5) == 0).all()
