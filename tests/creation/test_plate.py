"""Framing of a photo, and its background."""

from dataclasses import replace

import numpy as np
import pytest

from creation.backgrounds import PlateBackground, pictures_of, with_background
from creation.images import blur
from creation.plate import Plate, frame_plate


def marks(forehead, chin, half):
    """Return landmarks of a face by forehead, chin (x, y) and half its width."""
    points = np.zeros((478, 3))
    points[:, 0], points[:, 1] = forehead[0], (forehead[1] + chin[1]) / 2
    points[10, :2], points[152, :2] = forehead, chin
    points[234, 0], points[454, 0] = forehead[0] - half, forehead[0] + half
    return points


def photo(height, width):
    """Return a picture whose colours are its positions."""
    x = np.broadcast_to(np.linspace(0, 1, width)[None], (height, width))
    y = np.broadcast_to(np.linspace(0, 1, height)[:, None], (height, width))
    return np.stack([x, y, 0.5 * x], -1).astype(np.float32)


def test_the_head_takes_the_height_from_6_to_66_percent():
    plate = frame_plate(photo(1200, 3000), marks((1500, 500), (1500, 800), 110))

    assert plate.picture.shape == (1080, 1920, 3)
    assert plate.landmarks[152, 1] == pytest.approx(0.66 * 1080, abs=2)
    hair = plate.landmarks[10, 1] - 0.45 * plate.face_height
    assert hair == pytest.approx(0.06 * 1080, abs=2)
    assert plate.landmarks[10, 0] == pytest.approx(960, abs=1)
    assert plate.landmarks[10, 0] - plate.square_left == pytest.approx(540, abs=1)


def test_the_plate_shows_the_photo_where_its_landmarks_are():
    source = photo(1200, 3000)
    plate = frame_plate(source, marks((1500, 500), (1500, 800), 110))

    x, y = np.round(plate.landmarks[152, :2]).astype(int)
    assert plate.picture[y, x] == pytest.approx(source[800, 1500], abs=0.003)


def test_a_narrow_photo_goes_on_at_its_sides():
    source = photo(1200, 900)
    plate = frame_plate(source, marks((450, 500), (450, 800), 110))

    assert np.isfinite(plate.picture).all()
    edge = round((0 - plate.corner[0]) * plate.scale)
    seam = np.abs(np.diff(plate.picture[:, edge - 3 : edge + 3], axis=1))
    assert seam.max() < 0.05
    assert plate.picture[500, 5, 1] == pytest.approx(
        plate.picture[500, edge, 1], abs=0.15
    )


def test_the_sides_of_a_square_photo_have_the_colours_of_its_edges():
    source = np.full((720, 720, 3), 0.6, np.float32)
    source[:, 200:520] = (0.9, 0.3, 0.2)  # the person
    plate = frame_plate(source, marks((360, 240), (360, 440), 90))

    assert plate.picture.shape[:2] == (1080, 1920)
    assert plate.picture[:, [0, 5, 200, -200, -5, -1]] == pytest.approx(0.6, abs=0.02)


def test_a_close_up_has_a_plate_of_fewer_rows():
    plate = frame_plate(photo(700, 700), marks((350, 60), (350, 660), 220))

    assert plate.height < 1080
    assert plate.height % 8 == plate.width % 8 == 0
    assert plate.face_height <= 561


def person(height, width):
    mask = np.zeros((height, width), np.float32)
    mask[:, width // 3 : 2 * width // 3] = 1
    return mask


@pytest.fixture
def plate():
    """Return a plate: a bright red person before blue and darker stripes."""
    height, width = 480, 864
    picture = np.zeros((height, width, 3), np.float32)
    picture[:, :, 2] = 0.9
    picture[::8, :, 1] = 0.2
    picture[person(height, width) > 0] = (0.8, 0.7, 0.7)
    return Plate(picture, np.zeros((478, 3)), 1.0, (0.0, 0.0))


def test_a_kept_background_changes_nothing(plate):
    same, alpha = with_background(plate, person(480, 864), PlateBackground())

    assert same is plate
    assert alpha is None


def test_a_blurred_background_has_neither_stripes_nor_the_person(plate):
    made, alpha = with_background(plate, person(480, 864), PlateBackground("blur"))

    assert alpha is None
    assert np.ptp(made.picture[40:440, :200, 1]) < 0.1
    assert made.picture[:, :200, 0].max() < 0.05
    assert made.picture[240, 432] == pytest.approx([0.8, 0.7, 0.7], abs=0.02)


def test_another_picture_stands_behind_the_person(plate):
    green = np.zeros((50, 50, 3), np.float32)
    green[..., 1] = 1
    background = PlateBackground("picture", picture=green)

    made, _ = with_background(plate, person(480, 864), background)

    assert made.picture[240, 40] == pytest.approx([0, 1, 0], abs=0.05)
    assert made.picture[240, 432] == pytest.approx([0.8, 0.7, 0.7], abs=0.02)


def test_any_background_may_be_the_photos_own(plate):
    made, alpha = with_background(plate, person(480, 864), PlateBackground("any"))

    pictures = pictures_of(plate, made, alpha)

    assert sorted(pictures) == ["blurred", "photo"]
    over = alpha[..., None]
    again = made.picture * over + pictures["photo"] * (1 - over)
    assert np.abs(again - plate.picture).mean() < 0.002
    blurred, _ = with_background(plate, person(480, 864), PlateBackground("blur"))
    again = made.picture * over + pictures["blurred"] * (1 - over)
    assert np.abs(again - blurred.picture).max() < 0.01


def test_the_photos_own_background_shows_no_soft_part_of_the_mask(plate):
    picture = np.full_like(plate.picture, 0.5)  # where no edge makes the mask sharp
    picture[:, 400:464] = (0.7, 0.5, 0.3)
    plain = replace(plate, picture=picture)
    mask = blur(person(480, 864), 40.0)
    made, alpha = with_background(plain, mask, PlateBackground("any"))

    behind = pictures_of(plain, made, alpha)["photo"]

    assert ((alpha > 0.2) & (alpha < 0.8)).mean() > 0.05
    over = alpha[..., None]
    again = made.picture * over + behind * (1 - over)
    assert np.abs(again - picture).max() < 0.02


@pytest.mark.parametrize("kind", ["colour", "transparent"])
def test_a_plate_without_background_has_alpha_and_no_fringe(plate, kind):
    made, alpha = with_background(plate, person(480, 864), PlateBackground(kind))

    assert alpha[240, 40] < 0.05
    assert alpha[240, 432] > 0.95
    blueness = made.picture[..., 2] - made.picture[..., 0]  # 0.9 behind the person
    assert blueness[alpha > 0.5].max() < 0.2
