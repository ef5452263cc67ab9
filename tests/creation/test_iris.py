"""Circle of an iris, found where its landmarks are aside; and the clear cornea."""

import numpy as np
import pytest

from creation.donor.loader import load_donor
from creation.fit.eyeballs import corneas, eyeball_vertices, iris_vertices
from creation.keys.iris import Circle, iris_circle
from lite_gateway.config import shipped_avatars

HEIGHT, WIDTH = 50, 90
CENTRE, RADIUS = np.array([46.0, 24.0]), 16.0


@pytest.fixture
def eye():
    """Return the light of an iris behind lids, and where the eyeball is seen."""
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    seen = ((x - 45) / 40) ** 2 + ((y - 25) / 14) ** 2 < 1
    iris = np.hypot(x - CENTRE[0], y - CENTRE[1]) < RADIUS
    light = np.where(iris, 0.04, 0.4)
    light[10:14, 40:44] = 0.9  # a catchlight
    light = np.where(seen, light, 0.3)
    return np.repeat(light[..., None], 3, 2).astype(np.float32), seen


@pytest.mark.parametrize("aside", [(0.0, 0.0), (3.0, 1.0), (-3.0, -1.0)])
def test_a_circle_is_found_where_landmarks_are_aside(eye, aside):
    found = iris_circle(*eye, Circle(CENTRE + aside, 1.05 * RADIUS))

    assert found.centre[0] == pytest.approx(CENTRE[0], abs=1.0)
    assert found.centre[1] == pytest.approx(CENTRE[1], abs=1.5)
    assert found.radius == pytest.approx(RADIUS, abs=0.8)


def test_without_an_edge_the_landmarks_are_kept(eye):
    light, seen = eye
    guess = Circle(CENTRE, RADIUS)

    assert iris_circle(light, np.zeros_like(seen), guess) == guess
    even = iris_circle(np.full_like(light, 0.3), seen, guess)
    assert even.centre == pytest.approx(CENTRE, abs=0.01)


@pytest.mark.parametrize("name", ["mira", "theo"])
def test_the_cornea_lies_in_front_of_the_iris(name):
    donor = load_donor(name, shipped_avatars())
    clear = corneas(donor)
    irises = iris_vertices(donor, np.flatnonzero(~clear))
    for iris, ball in eyeball_vertices(donor).items():
        front = donor.neutral[ball & clear, 1].min()
        behind = donor.neutral[irises[iris], 1]
        assert 0.2 < (ball & clear).sum() / ball.sum() < 0.8
        assert (behind - front > 0.001).all()  # metres
        assert ball[irises[iris]].all()
