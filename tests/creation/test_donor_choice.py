"""Choice of the donor whose face is most like that in a photo."""

import numpy as np
import pytest

from creation.donor.loader import NAMES
from creation.fit.donor_choice import likest_donor, shape_distance
from creation.vision import find_faces, landmarks
from tests.creation import people
from tests.creation.truth import ASSETS


@pytest.mark.parametrize("name", NAMES)
def test_a_donor_is_most_like_itself(name, networks, plates):
    found = landmarks(plates[name], find_faces(plates[name])[0]).points

    assert likest_donor(found, ASSETS).name == name


def test_a_bearded_man_is_more_like_theo(networks):
    photo = people.photo("ben")
    found = landmarks(photo, find_faces(photo)[0]).points

    assert likest_donor(found, ASSETS).name == "theo"


def test_place_turn_and_size_in_the_photo_change_no_distance():
    rng = np.random.default_rng(1)
    one, other = rng.normal(size=(2, 478, 2))
    angle = 0.4
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])

    assert shape_distance(3 * one @ turn + [50, -7], one) == pytest.approx(0, abs=1e-6)
    assert shape_distance(2 * one @ turn + 9, other) == pytest.approx(
        shape_distance(one, other)
    )
    assert shape_distance(one, other) > 0.5
