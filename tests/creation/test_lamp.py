"""Shading of a keyframe: what the donor's lamp alone does stays with the donor."""

from types import SimpleNamespace

import numpy as np
import pytest

from creation.donor.loader import load_donor
from creation.fit.face import fit_face
from creation.images import blur, linear
from creation.keys.closeups import closeup_box, make_painter
from creation.keys.donor_pictures import DonorPictures
from creation.keys.head import Head
from creation.keys.lamp import newly_lit
from creation.keys.samples import Samples
from creation.plate import frame_plate
from creation.vision import find_faces, landmarks
from creation.vision.rings import MOUTH_CORNERS, TEMPLES
from tests.creation import people
from tests.creation.truth import ASSETS

SMILE = 2  # number of the keyframe that the preview's EE is nearest to
ROWS, COLUMNS = 80, 160
STRIPE = slice(30, 50)  # rows and columns


def samples() -> Samples:
    none = np.zeros((0, 3), np.float32)
    return Samples(
        none[:, 0].astype(int), none, none[:, :2], none[:, 0], (ROWS, COLUMNS)
    )


def newly_lit_in(rest: float, change: float, rim: float = 0.03) -> np.ndarray:
    """Return the share for skin of light 1, with a stripe of ``rest`` that changes."""
    donor_rest = np.ones((ROWS, COLUMNS, 3), np.float32)
    donor_rest[STRIPE, STRIPE] = rest
    donor = donor_rest.copy()
    donor[STRIPE, STRIPE] *= change
    every = (ROWS * COLUMNS, 3)
    fields = SimpleNamespace(
        donor=donor.reshape(every), donor_rest=donor_rest.reshape(every),
        rim=np.full(every[0], rim, np.float32),
    )  # fmt: skip
    return newly_lit(fields, samples(), np.ones(every[0], bool))


def test_skin_that_the_lamp_reaches_is_found_and_what_is_around_it():
    lit = newly_lit_in(rest=0.5, change=1.6)
    assert lit[STRIPE, STRIPE].min() > 0.99
    assert lit[40, 55] > 0.5
    assert lit[:, 100:].max() == 0


@pytest.mark.parametrize(
    ("rest", "change", "rim"),
    [(1.0, 1.6, 0.03), (0.5, 1.05, 0.03), (0.5, 0.6, 0.03), (0.5, 1.6, 0.005)],
    ids=["lit already", "hardly changed", "darker", "lip"],
)
def test_other_skin_keeps_its_shading(rest, change, rim):
    assert newly_lit_in(rest, change, rim).max() == 0


def test_a_smile_leaves_no_bright_stripe_on_a_cheek_that_is_lit(networks):
    photo = people.photo("ana")
    [face, *_] = find_faces(photo)
    plate = frame_plate(photo, landmarks(photo, face).points)
    donor = load_donor("theo", ASSETS)  # its left cheek lies in shadow
    head = Head.of(plate, fit_face(plate.in_square(), donor, plate.height))
    painter = make_painter(head, DonorPictures.of(donor))
    box = closeup_box(head, "mouth")

    picture = painter.paint("mouth", SMILE, box).picture

    light = blur(linear(picture).mean(-1), 2.0)
    corner, temple = plate.landmarks[[MOUTH_CORNERS[1], TEMPLES[1]], :2] - box[:2]
    beside = np.array([0.12, 0.6]) * (temple[0] - corner[0]) + corner[0]
    left, right = beside.astype(int)
    cheek = light[int(corner[1]) - 30 : int(corner[1]) + 10, left:right]
    level = np.median(cheek, 1, keepdims=True)
    assert (cheek / level).max() < 1.1  # with the stripe 1.29
