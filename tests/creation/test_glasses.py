"""Glasses: found in photos, and stiff whatever the face below them does."""

import numpy as np
import pytest

from creation.donor.loader import load_donor
from creation.face_view import FaceView
from creation.fit.camera import project
from creation.fit.face import fit_face
from creation.glasses import glasses_frame, has_glasses
from creation.images import sample
from creation.keys.head import Head, unit
from creation.plate import frame_plate
from creation.vision import Landmarks, find_faces, landmarks
from tests.creation import people
from tests.creation.spectacles import LOOKS, with_glasses
from tests.creation.truth import ASSETS

WITHOUT = (*people.PEOPLE, "teeth", "laugh", "bystander", "hair_cut", "face_150px")
MOVES = {
    "blink": ("eyeBlinkLeft", "eyeBlinkRight"),
    "brows": ("browInnerUp", "browOuterUpLeft", "browOuterUpRight"),
    "smile": ("mouthSmileLeft", "mouthSmileRight", "cheekSquintLeft"),
    "jaw": ("jawOpen",),
}
TURN = 0.2  # rad, the largest of the renderer


@pytest.fixture(scope="module")
def faces(networks):
    """Return pictures and landmarks by name."""
    found = {}
    for name in (*WITHOUT, "glasses"):
        photo = people.photo(name)
        found[name] = photo, landmarks(photo, find_faces(photo)[0])
    return found


@pytest.mark.parametrize("name", WITHOUT)
def test_brows_shadows_and_fringes_are_no_glasses(faces, name):
    view = FaceView(*faces[name])
    assert not has_glasses(view)
    assert not glasses_frame(view).any()


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("name", people.PEOPLE)
def test_frames_of_any_colour_are_found(faces, name, look):
    photo, marks = faces[name]
    photo = with_glasses(photo, marks.points, LOOKS[look])
    assert has_glasses(FaceView(photo, marks))


@pytest.mark.parametrize("look", ["thin", "thick", "blue"])
@pytest.mark.parametrize("name", ["ana", "cho", "eva"])
def test_a_frame_is_followed_around_both_eyes(faces, name, look):
    photo, marks = faces[name]
    view = FaceView(with_glasses(photo, marks.points, LOOKS[look]), marks)
    painted = np.abs(view.colours - FaceView(photo, marks).colours).max(-1) > 0.2
    around = np.abs(np.arange(384) - view.points[168, 1]) < 0.4 * view.eye_distance
    low, high = view.points[[33, 263], 0]
    painted = painted[around][:, int(low) : int(high)]
    found = glasses_frame(view)[around][:, int(low) : int(high)]
    assert found[painted].mean() > 0.85


@pytest.fixture(scope="module")
def heads(faces):
    """Return the head of a person with glasses, and without them."""
    photo, marks = faces["glasses"]
    plate = frame_plate(photo, marks.points)
    donor = load_donor("mira", ASSETS)
    fitted = fit_face(plate.in_square(), donor, plate.height)
    plain, marks = faces["dan"]
    bare = frame_plate(plain, marks.points)
    return Head.of(plate, fitted), Head.of(bare, fitted)


def on_frame(head, frame):
    """Return the vertices of skin that a frame hides."""
    xy, _ = project(head.fitted.photo, head.fitted.camera)
    shown = head.photo_view.shows(head.photo_view.xy, head.photo_view.depth)
    skin = np.isin(np.arange(len(xy)), head.drawn) & head.donor.part("skin") & shown
    return np.flatnonzero(skin & (sample(frame[..., None], xy)[:, 0] > 0.95))


def moved_px(head, vertices, names):
    weights = np.zeros(len(head.fitted.shapes))
    weights[[unit(name) for name in names]] = 1
    before, _ = project(head.fitted.rest[vertices], head.fitted.camera)
    after, _ = project(head.posed(weights)[vertices], head.fitted.camera)
    return np.percentile(np.linalg.norm(after - before, axis=1), 97)


@pytest.mark.parametrize("name", MOVES)
def test_a_frame_stays_where_it_is_when_the_face_moves(heads, name):
    stiff, bare = heads
    vertices = on_frame(stiff, stiff.frame)
    assert len(vertices) > 100
    moved = moved_px(stiff, vertices, MOVES[name])
    assert moved < 0.01 * stiff.plate.face_height
    assert moved < 0.4 * moved_px(bare, vertices, MOVES[name])


def bent_px(head, vertices):
    """Return how far a frame is from flat when the head is turned, root mean square."""
    fitted = head.fitted
    cos, sin = np.cos(TURN), np.sin(TURN)
    turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    turned = (fitted.photo[vertices] - fitted.pivot) @ turn.T + fitted.pivot
    at, _ = project(fitted.photo[vertices], fitted.camera)
    then, _ = project(turned, fitted.camera)
    table = np.concatenate([at, np.ones((len(at), 1))], 1)
    flat = table @ np.linalg.lstsq(table, then, rcond=None)[0]
    return float(np.sqrt(((then - flat) ** 2).sum(1).mean()))


def test_a_frame_stays_straight_when_the_head_turns(heads):
    stiff, bare = heads
    vertices = on_frame(stiff, stiff.frame)
    marks = stiff.plate.landmarks
    at, _ = project(stiff.fitted.photo[vertices], stiff.fitted.camera)
    front = (at[:, 0] > marks[33, 0]) & (at[:, 0] < marks[263, 0])
    assert bent_px(stiff, vertices[front]) < 0.6 * bent_px(bare, vertices[front])


def test_eyes_still_shut_behind_a_frame(heads):
    stiff, _ = heads
    weights = np.zeros(len(stiff.fitted.shapes))

    def open_px():
        view = stiff.view(stiff.posed(weights), stiff.photo_view.box, 2.0)
        return stiff.is_part(view.mesh.triangle, "eyes").sum()

    before = open_px()
    weights[[unit(name) for name in MOVES["blink"]]] = 1
    assert before > 300
    assert open_px() < 0.012 * before


def test_a_photo_in_the_same_place_shows_the_same_face(heads):
    stiff, bare = heads
    assert bare.frame is None
    one, _ = project(stiff.fitted.photo, stiff.fitted.camera)
    other, _ = project(bare.fitted.photo, bare.fitted.camera)
    assert one == pytest.approx(other, abs=1e-6)


def test_landmarks_alone_say_nothing_of_glasses(faces):
    _, marks = faces["dan"]
    grey = np.full((720, 720, 3), 0.5, np.float32)
    assert not has_glasses(FaceView(grey, Landmarks(marks.points, 1.0)))
