from pathlib import Path

import numpy as np
import pytest

from creation.donor.layout import INSIDE
from creation.donor.loader import load_donor
from creation.fit.camera import plate_camera, project
from creation.fit.face import FittedFace, fit_face
from creation.fit.lids import Eye
from creation.fit.rotation import rotation, yaw_pitch_roll
from creation.fit.units import sized_shapes, unit_scales
from creation.raster import raster
from creation.vision.rings import (
    COUNT,
    LEFT_EYE,
    LEFT_IRIS,
    LIPS_INNER,
    RIGHT_EYE,
    outline,
)
from renderer.arkit import UNITS

AVATARS = Path(__file__).parents[2] / "assets" / "avatars"
SIDE = 1080


@pytest.fixture(scope="module")
def mira():
    return load_donor("mira", AVATARS)


@pytest.fixture(scope="module")
def theo():
    return load_donor("theo", AVATARS)


def weights(**named):
    """Return unit weights by name; a name without a side is of both."""
    return np.array(
        [named.get(u, named.get(u.removesuffix("Left").removesuffix("Right"), 0.0))
         for u in UNITS]
    )  # fmt: skip


def landmarks_of(donor, *, expression=None, identity=None, turn=(0.0, 0.0, 0.0)):
    """Return the landmarks ``[478, 3]`` of a posed donor in a plate of SIDE pixels."""
    expression = np.zeros(len(UNITS)) if expression is None else expression
    shapes = sized_shapes(donor, unit_scales(donor, 1.0))
    vertices = donor.neutral + np.tensordot(expression, shapes, 1)
    if identity is not None:
        vertices += np.tensordot(identity, donor.identities, 1)
    spots = donor.landmarks.of(vertices)
    middle = spots.mean(0)
    spots = (spots - middle) @ rotation(np.array(turn)).T + middle
    xy, depth = project(spots, donor.camera)
    return np.concatenate([xy - [420, 0], depth[:, None]], 1)


@pytest.fixture(scope="module")
def neutral_fit(mira):
    return fit_face(landmarks_of(mira), mira, SIDE)


@pytest.fixture(scope="module")
def other_fit(mira, theo):
    """Return theo's face as mira's surface."""
    return fit_face(landmarks_of(theo), mira, SIDE)


def test_a_donor_fitted_to_itself_does_not_change(mira, neutral_fit):
    assert neutral_fit.lips_shut
    assert neutral_fit.residual_px < 0.1
    xy, _ = project(neutral_fit.photo, neutral_fit.camera)
    own, _ = project(mira.neutral, mira.camera)
    off = np.abs(xy + np.array([420, 0]) - own).max(1)
    inside = mira.part(*INSIDE)
    assert off[~inside].max() < 0.5
    assert off[inside].max() < 3.0  # teeth hang as those of a middle person
    np.testing.assert_allclose(neutral_fit.rotation, 0, atol=0.1)


def test_a_turn_is_found(mira):
    turn = np.radians([4.0, -3.0, 9.0])  # about x, y and z
    fitted = fit_face(landmarks_of(mira, turn=turn), mira, SIDE)
    expected = yaw_pitch_roll(rotation(turn))
    np.testing.assert_allclose(fitted.rotation, expected, atol=0.7)
    assert fitted.rotation[0] > 5  # looks to the right of the picture


def test_an_expression_is_found_and_taken_off_at_rest(mira):
    truth = weights(jawOpen=0.4, mouthSmile=0.5)
    fitted = fit_face(landmarks_of(mira, expression=truth), mira, SIDE)
    assert not fitted.lips_shut
    jaw = fitted.expression[UNITS.index("jawOpen")]
    assert jaw == pytest.approx(0.4, abs=0.08)
    smile = fitted.expression[UNITS.index("mouthSmileLeft")]
    assert smile == pytest.approx(0.15 * 0.5, abs=0.03)  # the rest of it stays
    assert gap(fitted, fitted.photo) > 4 * gap(fitted, fitted.rest)


def gap(fitted: FittedFace, vertices) -> float:
    """Return the distance of the lips' middles, in pixels."""
    spots = project(fitted.donor.landmarks.of(vertices), fitted.camera)[0]
    return float(np.linalg.norm(spots[13] - spots[14]))


def test_an_identity_is_found_from_another_donor(theo, other_fit):
    landmarks = landmarks_of(theo)
    spots, _ = project(other_fit.spots, other_fit.camera)
    face = np.ptp(landmarks[:, 1])
    off = np.linalg.norm(spots - landmarks[:, :2], axis=1)[: LEFT_IRIS[0] - 5]
    assert np.median(off) < 0.004 * face
    assert np.percentile(off, 95) < 0.03 * face


def test_a_shifted_and_enlarged_picture_gives_the_same_face(mira):
    truth = weights(mouthSmile=0.4, browInnerUp=0.5)
    identity = np.zeros(len(mira.identities))
    identity[[4, 15, 40]] = 0.8
    landmarks = landmarks_of(mira, expression=truth, identity=identity)
    here = fit_face(landmarks, mira, SIDE)
    moved = landmarks * 0.6 + [30.0, -18.0, 0]
    there = fit_face(moved, mira, 700)
    one, _ = project(here.posed(weights(jawOpen=0.5)), here.camera)
    other, _ = project(there.posed(weights(jawOpen=0.5)), there.camera)
    assert np.abs(one * 0.6 + [30.0, -18.0] - other).max() < 3
    np.testing.assert_allclose(here.rotation, there.rotation, atol=1)


def test_landmarks_of_shut_lips_leave_the_photo_as_it_is_at_rest(neutral_fit):
    assert not neutral_fit.expression.any()
    np.testing.assert_array_equal(neutral_fit.rest, neutral_fit.photo)


def test_lips_that_touch_in_the_photo_touch_at_rest(neutral_fit):
    spots, _ = project(neutral_fit.spots, neutral_fit.camera)
    upper, lower = (spots[[n]][0] for n in (13, 14))
    assert abs(lower[1] - upper[1]) < 0.03 * np.ptp(spots[list(LIPS_INNER), 0])


@pytest.mark.parametrize(
    ("unit", "ring"),
    [("eyeBlinkRight", outline(RIGHT_EYE)), ("eyeBlinkLeft", outline(LEFT_EYE))],
)
def test_a_blink_closes_the_eye_at_the_weight_at_which_the_donors_closes(
    mira, theo, other_fit, unit, ring
):
    fitted, lids = other_fit, landmarks_of(theo)[list(ring), :2]
    eye = Eye.around(lids, fitted.rest, mira, fitted.camera)
    opened = eye.visible(fitted.rest)
    assert opened > 300
    assert eye.visible(fitted.posed(weights(**{unit: 1.0}))) <= 0.012 * opened
    ring_of_donor = project(mira.landmarks.of(mira.neutral), mira.camera)[0]
    donor_eye = Eye.around(ring_of_donor[list(ring)], mira.neutral, mira, mira.camera)
    row = UNITS.index(unit)
    own = eye.closed_at(fitted.rest, fitted.shapes[row])
    assert own == pytest.approx(
        donor_eye.closed_at(mira.neutral, mira.shapes[row]), abs=0.04
    )


def test_an_eyeball_seen_beside_the_lids_does_not_lengthen_the_blink(
    mira, theo, other_fit
):
    # Hair over the corner of an eye makes fits whose eyeball comes through the skin.
    fitted, row = other_fit, UNITS.index("eyeBlinkRight")
    lids = landmarks_of(theo)[list(outline(RIGHT_EYE)), :2]
    eye = Eye.around(lids, fitted.rest, mira, fitted.camera)
    at = project(fitted.rest, fitted.camera)[0]
    beside = mira.part("eyes") & (at[:, 1] < lids[:, 1].min() - 4)
    through = fitted.rest - np.outer(beside, [0, 0.03, 0])  # towards the camera
    closed = through + 1.5 * fitted.shapes[row]
    drawn = raster(*project(closed, fitted.camera), mira.triangles, eye.box)
    assert mira.part("eyes")[mira.triangles[drawn.triangle, 0]].sum() > 20
    assert eye.closed_at(through, fitted.shapes[row]) == pytest.approx(
        eye.closed_at(fitted.rest, fitted.shapes[row]), abs=0.1
    )


def test_eyeballs_are_moved_as_a_whole(mira, other_fit):
    for sign in (-1, 1):
        ball = mira.part("eyes") & (np.sign(mira.neutral[:, 0]) == sign)
        before, after = mira.neutral[ball][::50], other_fit.photo[ball][::50]
        one = np.linalg.norm(before[:, None] - before, axis=-1)
        other = np.linalg.norm(after[:, None] - after, axis=-1)
        # Identities may enlarge an eye. A warp would bend it.
        scale = (one * other).sum() / (one * one).sum()
        assert np.abs(other - scale * one).max() < 0.001


def test_the_size_of_units_does_not_depend_on_the_donor(theo, other_fit):
    """From either donor the same photo opens its mouth about as wide."""
    own_fit = fit_face(landmarks_of(theo), theo, SIDE)
    opened = [
        gap(fitted, fitted.posed(weights(jawOpen=0.7)))
        for fitted in (own_fit, other_fit)
    ]
    assert opened[0] == pytest.approx(opened[1], rel=0.1)


def test_jaw_scales_the_mouth_and_not_the_brows(mira, neutral_fit):
    small = fit_face(landmarks_of(mira), mira, SIDE, jaw=0.5)
    for unit, ratio in (("jawOpen", 0.5), ("mouthPucker", 0.5), ("browInnerUp", 1.0)):
        row = UNITS.index(unit)
        sizes = [np.abs(f.shapes[row]).max() for f in (small, neutral_fit)]
        assert sizes[0] / sizes[1] == pytest.approx(ratio, rel=0.05)


def test_the_camera_shows_the_donor_as_large_as_the_photo(mira):
    landmarks = landmarks_of(mira)
    half = plate_camera(landmarks * 0.5, mira, SIDE // 2)
    spots, _ = project(mira.landmarks.of(mira.neutral), half)
    assert len(spots) == COUNT
    np.testing.assert_allclose(spots, landmarks[:, :2] / 2, atol=0.1)
