"""Keyframes made from a photo, against those that the studio rendered."""

from dataclasses import replace

import numpy as np
import pytest

from creation.donor.layout import INSIDE
from creation.donor.loader import load_donor
from creation.fit.camera import project
from creation.fit.face import fit_face
from creation.keys.closeups import closeup_box
from creation.keys.head import Head, lip_line, unit
from creation.keys.mouth import is_hole
from creation.keys.samples import Samples
from creation.plate import frame_plate
from creation.vision import find_faces, landmarks
from creation.vision.rings import CHIN
from lite_gateway.offline.expressions import VISEMES
from renderer.face import face
from renderer.portrait.layout import FEATHER_PX
from renderer.portrait.model import head_rotations, unit_weights
from tests.creation import people
from tests.creation.truth import ASSETS, GOALS, compare, subject

NOSE_BASE = 2  # landmark between the nostrils
SIX = {"mouth": (0, 10, 28), "eyeRight": (1, 12, 15)}


@pytest.fixture(scope="module")
def theo(networks):
    return subject("theo", "mira")


# Measured, minus 1.5 dB for mouths and 1 for eyes. `GOALS` has what is aimed at.
@pytest.mark.parametrize(
    ("name", "least"), [("mouth", 29.3), ("eyeRight", 24.5)], ids=["mouth", "eye"]
)
def test_keyframes_are_near_the_truth(theo, name, least):
    ratios, _ = compare(theo, name, SIX[name])

    assert np.mean(ratios) > least
    assert least < GOALS[name]


def test_at_rest_the_photo_is_shown(theo):
    [ratio], _ = compare(theo, "mouth", (0,))

    assert ratio > 37.0  # measured 38.2


def test_teeth_of_a_smile_are_near_the_truth(theo):
    [ratio], _ = compare(theo, "mouth", (16,))

    assert ratio > 30.0  # measured 30.6; without the donor's relief 29.4


def test_an_eye_at_rest_has_the_lashes_and_lids_of_the_photo(theo):
    [ratio], _ = compare(theo, "eyeRight", (0,))

    assert ratio > 29.5  # measured 30.2; with an eyeball that is made 28.4


def visible(head, weights, *parts):
    """Return the pixels of parts that an expression shows."""
    name = "mouth" if "teeth" in parts else "eyeRight"
    view = head.view(head.posed(weights), closeup_box(head, name), 0.5)
    return int(head.is_part(view.mesh.triangle, *parts).sum())


def weights(**units):
    row = np.zeros(56)
    for name, weight in units.items():
        row[unit(name)] = weight
    return row


def test_a_full_blink_leaves_no_more_than_a_hundredth_of_the_eye(theo):
    both = weights(eyeBlinkLeft=1, eyeBlinkRight=1)

    opened = visible(theo.head, weights(), "eyes")

    assert visible(theo.head, both, "eyes") <= 0.012 * opened


@pytest.mark.parametrize("number", [0, 39])  # rest, and lips that press
def test_keyframes_of_closed_lips_show_no_teeth(theo, number):
    row = theo.painter.source.pictures.weights("mouth")[number]

    assert visible(theo.head, row, *INSIDE) <= 12  # of four samples per pixel


def test_the_mouth_of_p_b_and_m_shows_no_teeth(theo):
    row = unit_weights(face(**VISEMES["PP"])[None])[0].numpy().astype(float)

    assert visible(theo.head, row, *INSIDE) <= 48  # twelve pixels


def test_teeth_that_bite_the_lip_leave_no_gap(theo):
    head = theo.head
    row = unit_weights(face(**VISEMES["FF"])[None])[0].numpy().astype(float)
    view = head.view(head.posed(row), closeup_box(head, "mouth"), 0.5)
    samples = Samples.of(view, head.triangles, head.part_of_triangle)

    hole = is_hole(samples, theo.painter.between_lips(samples, view))

    assert visible(head, row, "teeth") > 400
    assert hole.sum() <= 120  # pixels at the corners; measured 75


def test_the_nose_is_the_photos_also_where_its_edge_hides_skin(theo):
    painter, source = theo.painter, theo.painter.source
    green = np.zeros_like(source.gains.gain)
    green[:, 1] = 4.0
    made = replace(source, gains=replace(source.gains, gain=green))
    box = closeup_box(theo.head, "mouth")
    nose = int(theo.plate.landmarks[NOSE_BASE, 1]) - box[1]
    for number in SIX["mouth"][1:]:
        picture = replace(painter, source=made).paint("mouth", number, box).picture
        of_made = picture[..., 1] - picture[..., ::2].max(-1) > 0.1
        assert of_made[nose + FEATHER_PX :].sum() > 300  # lips that parted
        assert not of_made[: nose + FEATHER_PX].any()


def test_collar_and_neck_stay_where_they_are_when_the_jaw_opens(theo):
    wide, box = 4, closeup_box(theo.head, "mouth")
    rest, true = (theo.true("mouth", number, box) for number in (0, wide))
    made = theo.made("mouth", wide, box)
    still = np.abs(true - rest).max(-1) < 0.02
    still[: int(theo.plate.landmarks[CHIN, 1]) - box[1]] = False
    still[-FEATHER_PX:] = still[:, :FEATHER_PX] = still[:, -FEATHER_PX:] = False

    off = np.abs(made - true).max(-1)[still]

    assert still.sum() > 8000
    assert (off > 0.06).mean() < 0.05  # measured 0.03; moved along with the jaw: 0.15


def test_teeth_stay_behind_the_skin_of_a_short_chin(networks):
    photo = people.photo("dan")
    plate = frame_plate(photo, landmarks(photo, find_faces(photo)[0]).points)
    donor = load_donor("mira", ASSETS)
    head = Head.of(plate, fit_face(plate.in_square(), donor, plate.height))
    view = head.view(head.posed(weights(jawOpen=0.75)), closeup_box(head, "mouth"))
    inside = head.is_part(view.mesh.triangle, *INSIDE)
    line = lip_line(donor)
    below = int(view.xy[line.below, 1].max()) - view.box[1]

    assert inside[:below].sum() > 500
    assert not inside[below + 2 :].any()


@pytest.mark.parametrize("yaw", [-0.2, 0.2])
def test_a_turned_head_folds_no_triangle_that_faces_the_camera(theo, yaw):
    head = theo.head
    rotation = head_rotations(face(headYaw=yaw)[None])[0].numpy().astype(float)
    rest = head.fitted.rest
    weight = head.donor.skull[:, None]
    turned = rest + weight * ((rest - head.fitted.pivot) @ rotation.T)
    before, after = (project(v, head.fitted.camera)[0] for v in (rest, turned))
    seen = np.unique(head.photo_view.mesh.triangle)
    corners = head.triangles[seen[seen >= 0]]
    corners = corners[(head.front[corners] > 0.35).all(1)]  # of 1; 0.2 rad turn 0.2

    assert len(corners) > 5000
    assert (areas(after, corners) * areas(before, corners) > 0).all()


def areas(xy, triangles):
    a, b, c = (xy[triangles[:, k]] for k in range(3))
    ab, ac = b - a, c - a
    return ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0]
