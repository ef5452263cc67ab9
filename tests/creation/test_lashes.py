"""Lashes: they leave the skin of a lid that closes, and hang below a closed one."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from creation.images import dilated, encode, linear, sample
from creation.keys.brows import Brows
from creation.keys.closeups import closeup_box
from creation.keys.donor_pictures import DonorPictures
from creation.keys.eye_layer import eye_layer
from creation.keys.head import Head, unit
from creation.keys.keyframe import Painter
from creation.keys.lashes import HangingLashes, without_lashes
from creation.keys.lid_line import LidLine
from tests.creation.truth import compare, psnr, subject

HALF_SHUT, SHUT = 12, 15  # keyframes of blinks
SHADE = 0.94  # light of skin in a soft shadow, of that around it


@pytest.fixture(scope="module")
def theo(networks):
    return subject("theo", "mira")


@pytest.fixture(scope="module")
def mira(networks):
    return subject("mira", "theo")


@pytest.fixture(scope="module")
def lashes(theo):
    return HangingLashes.of(theo.head, theo.painter.source.pictures, "eyeRight")


def closed_view(head, name="eyeRight"):
    weights = np.zeros(len(head.fitted.shapes))
    weights[unit("eyeBlink" + name.removeprefix("eye"))] = 1
    return head.view(head.posed(weights), closeup_box(head, name))


@pytest.mark.parametrize("name", ["eyeRight", "eyeLeft"])
def test_the_edge_of_an_upper_lid_goes_from_left_to_right(theo, name):
    head = theo.head
    line = LidLine.of(head, name).at(head.photo_view.xy, head.donor)
    box = closeup_box(head, name)

    assert (np.diff(line[:, 0]) > 0).all()
    assert np.ptp(line[:, 0]) > 0.4 * (box[2] - box[0])
    assert line[0, 0] > box[0]
    assert line[-1, 0] < box[2]


# Of the lid's width above its edge: roots, and tips of long lashes.
@pytest.mark.parametrize("height", [0.04, 0.14])
def test_dark_strokes_above_an_open_lid_are_taken_off(mira, height):
    head, light = mira.head, mira.painter.source.photo
    line = LidLine.of(head, "eyeRight").at(head.photo_view.xy, head.donor)
    x, y = line[len(line) // 2].astype(int)
    y -= round(height * np.ptp(line[:, 0]))
    stroked = light.copy()
    stroked[y - 1 : y + 1, x - 6 : x + 6] *= 0.2

    bare = without_lashes(head, light)[y - 2 : y + 2, x - 7 : x + 7]
    found = without_lashes(head, stroked)[y - 2 : y + 2, x - 7 : x + 7]

    assert found == pytest.approx(bare, rel=0.2)


def test_brows_and_the_rest_of_the_face_keep_their_pixels(theo):
    head, light = theo.head, theo.painter.source.photo
    bare = without_lashes(head, light)
    brows = head.brows.whole > 0.5

    assert brows.any()
    assert np.abs(bare[brows] - light[brows]).max() < 1e-5
    assert (bare != light).any(-1).mean() < 0.02


def test_lashes_hang_below_the_edge_of_a_closed_lid(theo, lashes):
    view = closed_view(theo.head)
    line = lashes.line.at(view.xy, theo.head.donor)
    x = np.linspace(line[0, 0], line[-1, 0], 40)
    y = np.interp(x, line[:, 0], line[:, 1])

    def light(down):
        points = np.stack([x, y + down], 1)
        return lashes.over(theo.head, view, points, 1.0).mean()

    assert light(4) < 0.75
    assert light(-12) > 0.97
    assert light(30) > 0.97


def test_lashes_are_no_bluer_than_the_skin_below_them(lashes):
    red, green, blue = np.moveaxis(lashes.light, -1, 0)
    assert lashes.light.min() < 0.3
    assert (green <= red + 1e-5).all()
    assert (blue <= green + 1e-5).all()


@pytest.mark.parametrize("name", ["eyeRight", "eyeLeft"])
def test_no_lash_hangs_beside_the_nose(theo, name):
    head = theo.head
    lashes = HangingLashes.of(head, theo.painter.source.pictures, name)
    view = closed_view(head, name)
    line = lashes.line.at(view.xy, head.donor)
    inner, inward = (line[-1], 1) if name == "eyeRight" else (line[0], -1)
    width = np.ptp(line[:, 0])
    points = inner + width * np.array([[0.13 * inward, k / 20] for k in range(5)])

    assert lashes.over(head, view, points, 1.0).min() > 0.98


@pytest.mark.parametrize("name", ["eyeRight", "eyeLeft"])
def test_only_short_lashes_hang_near_the_inner_corner(theo, name):
    head = theo.head
    lashes = HangingLashes.of(head, theo.painter.source.pictures, name)
    view = closed_view(head, name)
    line = lashes.line.at(view.xy, head.donor)
    inner, outward = (line[-1], -1) if name == "eyeRight" else (line[0], 1)
    width = np.ptp(line[:, 0])
    x = inner[0] + width * outward * np.linspace(0, 0.03, 4)
    y = np.interp(x, line[:, 0], line[:, 1])

    for down in (-0.09, 0.09):
        points = np.stack([x, y + down * width], 1)
        assert lashes.over(head, view, points, 1.0).min() > 0.85


@dataclass(frozen=True)
class EvenSkin:
    """Pictures of a donor of even skin without lashes, with a shadow below a lid."""

    pictures: DonorPictures
    shade: np.ndarray  # [h, w]: factor of linear light

    def weights(self, name):
        return self.pictures.weights(name)

    def box(self, name):
        return self.pictures.box(name)

    def keyframe(self, name, number):
        light = np.full_like(self.pictures.keyframe(name, number), 0.4)
        return encode(light * self.shade[..., None])


def test_a_soft_shadow_of_the_donors_skin_is_no_lash_and_a_dark_one_is(mira):
    head, pictures = mira.head, mira.painter.source.pictures
    plain = HangingLashes.of(head, pictures, "eyeLeft")
    rows, columns = plain.light.shape[:2]
    x = plain.corner[0] + np.arange(columns) + 0.5
    below = plain.corner[1] + np.arange(rows)[:, None] + 0.5
    below = (below - np.interp(x, *plain.at.T)) / np.ptp(plain.at[:, 0])
    strip = (below > 0.1) & (below < 0.26)
    strip &= (x > plain.at[0, 0]) & (x < plain.at[-1, 0])

    def light(shade):
        shadow = np.where(strip, shade, 1.0).astype(np.float32)
        skin = EvenSkin(pictures, shadow)
        return HangingLashes.of(head, skin, "eyeLeft").light.mean(-1)[strip]

    assert light(SHADE).min() > 0.985  # measured 0.9952; as lashes 0.9517
    assert np.median(light(0.3)) < 0.5


def test_no_patch_of_shade_hangs_beyond_the_outer_corner(mira):
    lashes = HangingLashes.of(mira.head, mira.painter.source.pictures, "eyeLeft")
    rows, columns = lashes.light.shape[:2]
    x = lashes.corner[0] + np.arange(columns) + 0.5
    y = lashes.corner[1] + np.arange(rows)[:, None] + 0.5
    width = np.ptp(lashes.at[:, 0])
    beyond = (x - lashes.at[-1, 0]) / width
    below = (y - lashes.at[-1, 1]) / width
    # Few lashes of this donor are so far out, but the shade of the temple is.
    far = (beyond > 0.12) & (beyond < 0.2) & (np.abs(below) < 0.2)

    assert far.sum() > 50
    # Measured 0.88; 0.70 if all that is dark counts as lashes.
    assert np.median(lashes.light.mean(-1)[far]) > 0.8


def test_no_lash_hangs_from_an_open_lid(theo, lashes):
    view = theo.head.photo_view
    points = view.xy[lashes.line.vertices]

    assert (lashes.over(theo.head, view, points, 0.1) == 1).all()
    assert lashes.taken_off(0.0) == 0
    assert lashes.taken_off(1.0) == 1


def test_lashes_are_seen_shorter_while_the_lid_is_higher(theo, lashes):
    view = closed_view(theo.head)
    line = lashes.line.at(view.xy, theo.head.donor)
    x = np.linspace(line[0, 0], line[-1, 0], 40)
    y = np.interp(x, line[:, 0], line[:, 1])

    def light(down, blink):
        points = np.stack([x, y + down * np.ptp(x)], 1)
        return lashes.over(theo.head, view, points, blink).mean()

    assert light(0.03, 0.25) < 0.8
    assert light(0.13, 0.25) > light(0.13, 1.0) + 0.05


def test_a_shut_eye_is_near_the_truth(theo):
    [ratio], _ = compare(theo, "eyeRight", (SHUT,))

    assert ratio > 25.0  # measured 25.8; with lashes that still point up 22.8


def tilted(head, degrees, middle):
    """Return the head with its top leant to the right about a pixel, and the turn."""
    plate, fitted = head.plate, head.fitted
    along, down = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.array([[along, -down], [down, along]])
    about = np.eye(3)
    about[:2, :2], about[:2, 2] = turn, middle - turn @ middle
    y, x = np.mgrid[: plate.height, : plate.width] + 0.5
    at = (np.stack([x, y], -1) - middle) @ turn + middle
    points = plate.landmarks.copy()
    points[:, :2] = (points[:, :2] - middle) @ turn.T + middle
    plate = replace(plate, picture=sample(plate.picture, at), landmarks=points)
    yaw, pitch, roll = fitted.rotation
    fitted = replace(
        fitted, camera=about @ fitted.camera, rotation=(yaw, pitch, roll + degrees)
    )
    return Head(plate, fitted, head.triangles, Brows.of(plate), None), turn


def test_a_tilted_head_closes_its_eyes_as_a_level_one(theo):
    name, box = "eyeLeft", closeup_box(theo.head, "eyeLeft")
    middle = np.array([box[0] + box[2], box[1] + box[3]]) / 2
    head, turn = tilted(theo.head, 25, middle)
    source = replace(theo.painter.source, head=head, photo=linear(head.plate.picture))
    painter = Painter(source, theo.painter.inner, eye_layer(head))
    y, x = np.mgrid[box[1] : box[3], box[0] : box[2]] + 0.5
    at = (np.stack([x, y], -1) - middle) @ turn.T + middle
    own = closeup_box(head, name)

    level = theo.made(name, HALF_SHUT, box)
    made = sample(painter.paint(name, HALF_SHUT, own).picture, at - own[:2])

    # Measured 43.0; 33.9 if lashes hang down the picture.
    assert psnr(level, made) > 38


def test_dilation_keeps_the_largest_value_around():
    values = np.zeros((5, 7), np.float32)
    values[2, 3] = 0.5

    assert (dilated(values, 1)[1:4, 2:5] == 0.5).all()
    assert dilated(values, 1).sum() == 4.5
