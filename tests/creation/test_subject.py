"""Person of a photo: what is refused, what is warned of, and which way is up."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from creation.arrays import Picture
from creation.picture import read_picture
from creation.refusals import RefusedPhoto
from creation.subject import find_subject
from creation.vision import find_faces, landmarks, rings
from tests.creation import people

pytestmark = pytest.mark.usefixtures("networks")


@pytest.fixture(scope="module")
def portraits(plates) -> dict[str, Picture]:
    """Heads and shoulders of the avatars, ``[540, 540, 3]``: faces of 216 pixels."""
    return {
        name: np.asarray(
            Image.fromarray((plate[:, 420:1500] * 255).astype(np.uint8)).resize(
                (540, 540), Image.Resampling.BOX
            ),
            np.float32,
        )
        / 255
        for name, plate in plates.items()
    }


@pytest.fixture(scope="module")
def points(networks, portraits) -> dict[str, np.ndarray]:
    """Landmarks ``[478, 2]`` of the portraits."""
    return {
        name: landmarks(picture, find_faces(picture)[0]).points[:, :2]
        for name, picture in portraits.items()
    }


def refusal(picture: Picture) -> str:
    with pytest.raises(RefusedPhoto) as caught:
        find_subject(picture)
    assert re.fullmatch(r"[A-Z][^\n]{20,160}\.", str(caught.value))
    return caught.value.code


def warned(picture: Picture) -> set[str]:
    return {warning.code for warning in find_subject(picture).warnings}


def painted(
    picture: Picture, paint: Callable[[ImageDraw.ImageDraw], object]
) -> Picture:
    image = Image.fromarray((picture * 255).astype(np.uint8))
    paint(ImageDraw.Draw(image))
    return np.asarray(image, np.float32) / 255


def lenses(at: np.ndarray, **colours: object) -> Callable[[ImageDraw.ImageDraw], None]:
    size = np.linalg.norm(at[263] - at[33])
    reach = np.array([0.3, 0.28]) * size

    def paint(draw: ImageDraw.ImageDraw) -> None:
        for one, other in ((33, 133), (362, 263)):
            middle = (at[one] + at[other]) / 2
            box = [*(middle - reach), *(middle + reach)]
            draw.ellipse(box, width=round(0.045 * size), **colours)
        bridge = [tuple(at[133]), tuple(at[168]), tuple(at[362])]
        draw.line(bridge, fill=(30, 25, 25), width=round(0.05 * size))

    return paint


@pytest.mark.parametrize("name", ["mira", "theo"])
def test_a_good_photo_has_a_subject_without_warnings(plates, name):
    subject = find_subject(plates[name])
    assert subject.warnings == []
    assert subject.picture.shape == plates[name].shape
    assert subject.mask.shape == plates[name].shape[:2]
    assert subject.landmarks.presence > 0.99


@pytest.mark.parametrize("name", people.PEOPLE)
def test_photos_of_random_people_are_taken(name):
    assert warned(people.photo(name)) <= {"small_face"}


@pytest.mark.parametrize(("name", "code"), people.REFUSED.items())
def test_photos_that_show_too_little_are_refused(name, code):
    assert refusal(people.photo(name)) == code


@pytest.mark.parametrize(
    ("name", "code"),
    {
        "bystander": None,
        "glasses": "glasses",
        "hair_cut": "hair_cut",
        "face_150px": "small_face",
        "upside_down": None,
        "quarter_turned": None,
    }.items(),
)
def test_photos_with_small_faults_are_taken_with_a_warning(name, code):
    found = warned(people.photo(name))
    assert code is None or code in found


@pytest.mark.parametrize("name", ["teeth", "laugh"])
def test_open_mouths_are_warned_of(name):
    assert warned(people.photo(name)) & {"teeth", "laugh"}


@pytest.mark.parametrize("quarter", [1, 2, 3])
@pytest.mark.parametrize("name", ["mira", "theo"])
def test_photos_that_lie_are_turned_upright(portraits, name, quarter):
    turned = find_subject(np.rot90(portraits[name], quarter))
    assert np.array_equal(turned.picture, portraits[name])


def test_a_photo_of_no_face_is_refused(portraits):
    assert refusal(np.full((300, 400, 3), 0.5, np.float32)) == "no_face"
    assert refusal(np.ascontiguousarray(portraits["mira"][330:])) == "no_face"


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (2, 3)])
def test_a_line_of_pixels_has_no_face(size):
    assert refusal(np.full((*size, 3), 0.5, np.float32)) == "no_face"


@pytest.mark.parametrize("name", ["chelsea", "coffee"])
def test_a_cat_and_a_cup_have_no_face(name):
    """Pictures inside scikit-image's package: they are not in this repository."""
    data = pytest.importorskip("skimage.data", reason="scikit-image of the extra dev")
    file = Path(data.__file__).parent / f"{name}.png"
    assert refusal(read_picture(file.read_bytes())) == "no_face"


def test_a_person_of_110_pixels_who_smiles_is_taken():
    """`skimage.data.astronaut`, in the public domain; not in this repository."""
    data = pytest.importorskip("skimage.data", reason="scikit-image of the extra dev")
    file = Path(data.__file__).parent / "astronaut.png"
    assert warned(read_picture(file.read_bytes())) == {"small_face", "teeth"}


def test_two_people_are_refused_and_small_bystanders_are_not(portraits):
    both = np.concatenate([portraits["mira"], portraits["theo"]], 1)
    assert refusal(both) == "many_faces"
    small = portraits["theo"][::4, ::4]
    picture = portraits["mira"].copy()
    picture[:135, 400:535] = small
    assert "many_faces" not in warned(picture)


@pytest.mark.parametrize("name", ["mira", "theo"])
def test_dark_lenses_hide_the_eyes_and_frames_are_warned_of(portraits, points, name):
    sun = painted(portraits[name], lenses(points[name], fill=(28, 26, 30)))
    assert refusal(sun) == "eyes_hidden"
    frames = lenses(points[name], outline=(30, 25, 25))
    assert "glasses" in warned(painted(portraits[name], frames))


@pytest.mark.parametrize("name", ["mira", "theo"])
def test_a_bar_hides_the_eyes_and_a_cloth_the_mouth(portraits, points, name):
    at = points[name]
    bar = [at[234, 0], at[105, 1], at[454, 0], at[50, 1]]
    hidden = painted(portraits[name], lambda draw: draw.rectangle(bar, fill=(5, 5, 5)))
    assert refusal(hidden) == "eyes_hidden"
    corners = [tuple(at[n]) for n in (234, 195, 454, 397, 378, 152, 149, 172)]
    for colour in ((170, 200, 215), (190, 150, 130)):
        masked = painted(
            portraits[name],
            lambda draw, colour=colour: draw.polygon(corners, fill=colour),
        )
        assert refusal(masked) == "mouth_hidden"


@pytest.mark.parametrize("name", ["mira", "theo"])
def test_a_face_that_the_border_cuts_is_refused(portraits, points, name):
    picture, at = portraits[name], points[name]
    nose, chin, forehead = (at[n].astype(int) for n in (4, rings.CHIN, rings.FOREHEAD))
    assert refusal(picture[:, : nose[0]]) == "face_cut"
    assert refusal(picture[: chin[1] - 30]) == "face_cut"
    assert refusal(picture[forehead[1] + 25 :]) == "face_cut"
    assert "hair_cut" in warned(picture[forehead[1] - 8 :])


@pytest.mark.parametrize("name", ["mira", "theo"])
def test_a_small_face_is_warned_of_and_a_tiny_one_refused(portraits, name):
    assert "small_face" in warned(portraits[name])
    assert refusal(portraits[name][::3, ::3]) == "too_small"


def test_grey_and_dark_photos_are_taken(portraits):
    for name in ("mira", "theo"):
        grey = portraits[name].mean(2, keepdims=True).repeat(3, 2)
        assert warned(grey) == {"small_face"}
        assert warned(portraits[name] * np.float32(0.35)) == {"small_face"}
