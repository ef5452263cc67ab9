"""Brows: where they are in a photo, and that they stay whole when an eye shuts."""

from dataclasses import replace

import numpy as np
import pytest

from creation.donor.loader import load_donor
from creation.fit.face import fit_face
from creation.images import blur, grown, linear
from creation.keys.brows import Brows
from creation.keys.closeups import closeup_box, make_painter
from creation.keys.donor_pictures import DonorPictures
from creation.keys.frame import find_frame
from creation.keys.head import Head, unit
from creation.keys.lid_line import LidLine
from creation.plate import frame_plate
from creation.vision import find_faces, landmarks
from creation.vision.rings import LEFT_BROW, LEFT_EYE, outline
from tests.creation import people
from tests.creation.truth import ASSETS

SHUT = 15  # keyframe of a full blink


def plate_of(name):
    photo = people.photo(name)
    return frame_plate(photo, landmarks(photo, find_faces(photo)[0]).points)


@pytest.fixture(scope="module")
def cho(networks):
    """Return the plate of a person whose brows end below their landmarks."""
    return plate_of("cho")


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


def contrast(light, rows, columns):
    return np.median((light / blur(light, 8.0))[rows, columns])


def fitted_to(plate):
    return fit_face(plate.in_square(), load_donor("mira", ASSETS), plate.height)


@pytest.fixture(scope="module")
def cho_fitted(cho):
    return fitted_to(cho)


def painter_of(plate, fitted):
    return make_painter(Head.of(plate, fitted), DonorPictures.of(fitted.donor))


@pytest.fixture(scope="module")
def cho_painter(cho, cho_fitted):
    return painter_of(cho, cho_fitted)


def shut_eye(painter):
    """Return the light of the left eye's close-up when it is shut, and its box."""
    box = closeup_box(painter.head, "eyeLeft")
    return linear(painter.paint("eyeLeft", SHUT, box).picture), box


def in_box(plate, box):
    return linear(plate.picture).mean(-1)[box[1] : box[3], box[0] : box[2]]


def test_a_brow_stays_whole_when_the_eye_below_it_shuts(cho, cho_painter):
    shut, box = shut_eye(cho_painter)
    columns, rows = tail(cho)
    inside = columns < box[2] - 2
    at = rows[inside] - box[1], columns[inside] - box[0]
    photo = contrast(in_box(cho, box), *at)

    assert photo < 0.8
    assert contrast(shut.mean(-1), *at) < photo + 0.12


def test_hair_of_a_brow_is_not_drawn_out_over_a_closed_lid(cho_painter):
    head, source = cho_painter.head, cho_painter.source
    photo = source.photo.copy()
    photo[head.brows.tails > 0.1] = 0, 1, 0
    green, (left, top, right, bottom) = shut_eye(
        replace(cho_painter, source=replace(source, photo=photo))
    )
    below = ~grown(head.brows.whole > 0.1, 8)[top:bottom, left:right]

    # Measured 0.003; 0.26 with hair that stays where the skin below it is drawn out.
    assert (green[..., 1] - green[..., ::2].max(-1))[below].max() < 0.05


def test_a_brow_hardly_holds_the_lid_below_it(cho_painter, cho_fitted):
    head = cho_painter.head
    edge, blink = LidLine.of(head, "eyeRight").vertices, unit("eyeBlinkRight")
    held, free = (
        np.linalg.norm(fitted.shapes[blink, edge], axis=1)
        for fitted in (head.fitted, cho_fitted)
    )

    assert (held / free).min() > 0.93  # measured 0.943; without regard to lids 0.912


@pytest.fixture(scope="module")
def glasses(networks):
    """Return the plate of a person whose landmarks of the brows lie on a frame."""
    return plate_of("glasses")


def below_frame(plate):
    """Return columns of the left brow below its landmarks, and the row of its hair."""
    brow = plate.landmarks[list(LEFT_BROW), :2]
    eye = plate.landmarks[outline(LEFT_EYE), :2]
    low, high = brow[:, 0].min(), brow[:, 0].max()
    columns = np.arange(int(low + 0.3 * (high - low)), int(low + 0.8 * (high - low)))
    top = int(brow[:, 1].mean() + 0.03 * plate.face_height)
    bottom = int(eye[:, 1].min() - 0.02 * plate.face_height)
    light = blur(linear(plate.picture).mean(-1), 1.0)
    return columns, top + light[top:bottom, columns].argmin(0)


def test_a_brow_is_found_below_a_frame_that_has_its_landmarks(glasses):
    columns, rows = below_frame(glasses)
    eye = glasses.landmarks[outline(LEFT_EYE), :2]
    low, high = eye.min(0).astype(int), eye.max(0).astype(int)

    found = Brows.of(glasses, find_frame(glasses)).whole

    # Measured 0.66: in some columns the shade of the eye's socket is darker than hair.
    assert (found[rows, columns] > 0.5).mean() > 0.5
    assert found[low[1] : high[1], low[0] : high[0]].max() < 0.1


def test_a_brow_behind_a_lens_stays_whole_when_the_eye_below_it_shuts(glasses):
    shut, box = shut_eye(painter_of(glasses, fitted_to(glasses)))
    columns, rows = below_frame(glasses)
    at = rows - box[1], columns - box[0]
    photo = contrast(in_box(glasses, box), *at)

    assert photo < 0.8
    # Measured 0.41 after 0.26 in the photo; 0.76 if only landmarks are held.
    assert contrast(shut.mean(-1), *at) < photo + 0.2


def test_a_frame_away_from_brows_changes_nothing(cho):
    frame = np.zeros(cho.picture.shape[:2], np.float32)

    assert (Brows.of(cho, frame).whole == Brows.of(cho).whole).all()
