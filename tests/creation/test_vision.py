"""
Networks that find faces, landmarks and people, beside MediaPipe's own runtime.

`tests/creation/record_mediapipe.py` has recorded ``mediapipe.npz`` from pictures of the
shipped avatars, which are rendered.
"""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from creation.vision import find_faces, landmarks, person_mask, rings
from creation.vision.crop import Square
from creation.vision.detector import Detector
from creation.vision.landmarker import FacePoints, Landmarker
from creation.vision.person_mask import PersonMask
from creation.vision.weights import loaded

pytestmark = pytest.mark.usefixtures("networks")
NAMES = ("mira", "theo")
# Largest difference of any value. The runtimes add up in another order.
MAX_PIXELS = 0.001
MAX_LOGITS = 0.001
MAX_PROBABILITY = 0.001


@cache
def recorded() -> dict[str, np.ndarray]:
    with np.load(Path(__file__).parent / "mediapipe.npz") as archive:
        return dict(archive)


def recorded_input(name: str) -> torch.Tensor:
    picture = recorded()[f"{name}.input"].astype(np.float32) / 255
    return torch.from_numpy(picture).permute(2, 0, 1)[None]


def difference(output: torch.Tensor, name: str) -> float:
    assert output.numel() == recorded()[name].size
    return float(np.abs(output.detach().numpy().ravel() - recorded()[name]).max())


@pytest.mark.parametrize("name", NAMES)
def test_the_detector_gives_the_boxes_and_scores_of_mediapipe(name):
    logits, boxes = loaded(Detector)(recorded_input(f"{name}.detector") * 2 - 1)
    assert difference(logits, f"{name}.detector.scores") < MAX_LOGITS
    assert difference(boxes, f"{name}.detector.boxes") < MAX_PIXELS


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("field", FacePoints._fields)
def test_the_landmarker_gives_the_points_of_mediapipe(name, field):
    points = loaded(Landmarker)(recorded_input(f"{name}.landmarker"))
    limit = MAX_LOGITS if field == "presence" else MAX_PIXELS
    assert difference(getattr(points, field), f"{name}.landmarker.{field}") < limit


@pytest.mark.parametrize("name", NAMES)
def test_the_mask_is_that_of_mediapipe(name):
    mask = loaded(PersonMask)(recorded_input(f"{name}.mask"))
    assert difference(mask, f"{name}.mask.probability") < MAX_PROBABILITY


def test_a_batch_gives_what_its_pictures_give_alone():
    pictures = [recorded_input(f"{name}.landmarker") for name in NAMES]
    together = loaded(Landmarker)(torch.cat(pictures))
    for number, picture in enumerate(pictures):
        alone = loaded(Landmarker)(picture)
        for several, one in zip(together, alone, strict=True):
            assert torch.allclose(several[number], one[0], atol=MAX_PIXELS)


@pytest.mark.parametrize("name", NAMES)
def test_the_landmarks_of_a_picture_are_those_of_the_face_mesh(name, plates):
    """
    Faces have 433 pixels. MediaPipe cuts the face out half a pixel of the network's
    input further up and to the left, 1.2 pixels of the picture, and does not average.
    """
    [face] = find_faces(plates[name])
    found = landmarks(plates[name], face)
    theirs = recorded()[f"{name}.landmarks"]
    shifted = found.points - theirs
    assert np.abs(shifted[:, :2].mean(0)).max() < 1.6
    apart = np.linalg.norm((shifted - shifted.mean(0))[:, :2], axis=1)
    assert apart.mean() < 1.7
    assert apart.max() < 7.5
    assert np.abs(shifted[:, 2]).mean() < 1.5
    assert found.presence > 0.99


@pytest.mark.parametrize("name", NAMES)
def test_a_mirrored_picture_gives_mirrored_landmarks(name, plates):
    mirrored = plates[name][:, ::-1]
    [face], [other] = find_faces(plates[name]), find_faces(mirrored)
    points = landmarks(plates[name], face).points
    back = landmarks(mirrored, other).points[rings.MIRROR]
    back[:, 0] = mirrored.shape[1] - back[:, 0]
    assert np.linalg.norm((back - points)[:, :2], axis=1).mean() < 1.2


def test_landmarks_follow_a_face_that_is_moved_turned_and_smaller(plates):
    square = Square(960, 480, 900, 0.2)
    moved = square.cut(plates["mira"], 600)[0].permute(1, 2, 0).numpy()
    [face], [small] = find_faces(plates["mira"]), find_faces(moved)
    points = landmarks(plates["mira"], face).points
    back = square.to_picture(landmarks(moved, small).points[:, :2], 600)
    assert np.linalg.norm(back - points[:, :2], axis=1).mean() < 2.5


def test_the_eyes_are_on_the_side_that_is_theirs(plates):
    [face] = find_faces(plates["theo"])
    points = landmarks(plates["theo"], face).points
    right, left = (
        points[list(eye)].mean(0) for eye in (rings.RIGHT_EYE, rings.LEFT_EYE)
    )
    assert np.allclose(face.keypoints[:2], [right[:2], left[:2]], atol=25)
    assert right[0] < points[4, 0] < left[0]  # the tip of the nose between them
    assert points[4, 2] < right[2]  # and nearer
    for iris, eye in ((rings.RIGHT_IRIS, right), (rings.LEFT_IRIS, left)):
        assert np.linalg.norm(points[iris[0], :2] - eye[:2]) < 12


def test_small_faces_of_a_large_picture_are_found_with_all_others(plates):
    picture = np.full((1200, 2400, 3), 0.5, np.float32)
    for x, name in ((150, "mira"), (1900, "theo")):
        small = Square(960, 480, 900).cut(plates[name], 300)[0].permute(1, 2, 0)
        picture[700:1000, x : x + 300] = small.numpy()
    centres = sorted(sum(face.box[::2]) / 2 for face in find_faces(picture))
    assert np.allclose(centres, [150 + 148, 1900 + 150], atol=25)


def test_a_picture_without_a_face_has_none():
    noise = np.random.default_rng(1).random((300, 500, 3), np.float32)
    assert find_faces(noise) == []
    assert find_faces(np.zeros((20, 20, 3), np.float32)) == []


def test_the_mask_holds_the_person_and_not_the_corners(plates):
    mask = person_mask(plates["mira"])
    assert mask.shape == (1080, 1920)
    assert mask.dtype == np.float32
    assert 0 <= mask.min() <= mask.max() <= 1
    assert mask[300:1000, 900:1000].min() > 0.95
    assert max(mask[:200, :200].max(), mask[:200, -200:].max()) < 0.05


def test_the_mirror_is_its_own_inverse_and_keeps_the_rings():
    assert (rings.MIRROR[rings.MIRROR] == np.arange(rings.COUNT)).all()
    assert {*rings.MIRROR[list(rings.OVAL)]} == {*rings.OVAL}
    for ring in (rings.LIPS_OUTER, rings.LIPS_INNER, rings.LIP_POINTS):
        assert {*rings.MIRROR[list(ring)]} == {*ring}
    for right, left in (
        (rings.RIGHT_EYE, rings.LEFT_EYE),
        (rings.RIGHT_BROW, rings.LEFT_BROW),
        (rings.RIGHT_EYE_POINTS, rings.LEFT_EYE_POINTS),
        (rings.RIGHT_IRIS, rings.LEFT_IRIS),
    ):
        assert {*rings.MIRROR[list(right)]} == {*left}
