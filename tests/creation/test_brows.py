"""Brows: where they are in a photo, and that they stay whole when an eye shuts."""

import numpy as np
import pytest

from creation.donor.loader import load_donor
from creation.fit.face import fit_face
from creation.images import blur, linear
from creation.keys.brows import Brows
from creation.keys.closeups import closeup_box, make_painter
from creation.keys.donor_pictures import DonorPictures
from creation.keys.head import Head
from creation.plate import frame_plate
from creation.vision import find_faces, landmarks
from creation.vision.rings import LEFT_BROW, LEFT_EYE, outline
from tests.creation import people
from tests.creation.truth import ASSETS

SHUT = 15  # keyframe of a full blink


@pytest.fixture(scope="module")
def cho(networks):
    """Return the plate of a person whose brows end below their landmarks."""
    photo = people.photo("cho")
    return frame_plate(photo, landmarks(photo, find_faces(photo)[0]).points)


def tail(plate):
    """Return columns of the left brow's tail, and in each the row of its hair."""
    brow = plate.landmarks[list(LEFT_BROW), :2]
    eye = plate.landmarks[outline(LEFT_EYE), :2]
    low, high = brow[:, 0].min(), brow[:, 0].max()
    columns = np.arange(int(low + 0.6 * (high - low)), int(low + 0.85 * (high - low)))
    top, bottom = int(brow[:, 1].min()), int(eye[0, 1] - 0.03 * plate.face_height)
    light = blur(linear(plate.picture).mean(-1), 1.0)
    return columns, top + light[top:bottom, columns].argmin(0)


def test_a_brow_is_found_where_it_leaves_its_landmarks(cho):
    columns, rows = tail(cho)

    assert (Brows.of(cho).whole[rows, columns] > 0.5).mean() > 0.9


def test_shadows_and_lashes_are_no_brow(cho):
    eye = cho.landmarks[outline(LEFT_EYE), :2]
    mask = Brows.of(cho).whole
    low, high = eye.min(0).astype(int), eye.max(0).astype(int)

    assert mask[low[1] : high[1], low[0] : high[0]].max() < 0.1
    assert mask.mean() < 0.02


def test_a_brow_stays_whole_when_the_eye_below_it_shuts(cho):
    donor = load_donor("mira", ASSETS)
    head = Head.of(cho, fit_face(cho.in_square(), donor, cho.height))
    box = closeup_box(head, "eyeLeft")
    painter = make_painter(head, DonorPictures.of(donor))
    shut = linear(painter.paint("eyeLeft", SHUT, box).picture).mean(-1)
    columns, rows = tail(cho)
    inside = columns < box[2] - 2
    columns, rows = columns[inside] - box[0], rows[inside] - box[1]
    photo = linear(cho.picture).mean(-1)[box[1] : box[3], box[0] : box[2]]

    def contrast(light):
        return np.median((light / blur(light, 8.0))[rows, columns])

    assert contrast(photo) < 0.8
    assert contrast(shut) < contrast(photo) + 0.12
