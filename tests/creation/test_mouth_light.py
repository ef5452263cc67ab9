"""Light of keyframes of the mouth: on cheeks, on rims of lips, and between them."""

from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest

from creation.donor.loader import load_donor
from creation.fit.face import fit_face
from creation.images import blur, linear, polygon, sample, shrunk
from creation.keys.closeups import closeup_box, make_painter
from creation.keys.donor_pictures import DonorPictures
from creation.keys.head import Head, unit
from creation.keys.inside import mouth_shade, tongue_light
from creation.keys.keyframe import Painter
from creation.keys.lamp import newly_lit
from creation.keys.mouth import CHEEK, THROAT, add_glow, made_lips, soften
from creation.keys.samples import Samples
from creation.keys.teeth import with_relief
from creation.plate import frame_plate
from creation.vision import find_faces, landmarks
from creation.vision.rings import LIPS_INNER, MOUTH_CORNERS, TEMPLES, outline
from tests.creation import people
from tests.creation.truth import ASSETS, psnr

SMILE = 2  # number of the keyframe that the preview's EE is nearest to
TEETH = 28  # of teeth in a mouth that is open a little
ROWS, COLUMNS = 80, 160
STRIPE = slice(30, 50)  # rows and columns


def samples() -> Samples:
    """Return the samples of a close-up without edges."""
    none, pixel = np.zeros((0, 3), np.float32), np.arange(ROWS * COLUMNS)
    return Samples(pixel, none, none[:, :2], pixel, (ROWS, COLUMNS))


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


@pytest.fixture(scope="module")
def ana(networks):
    """Return the painter of a face that is lit from the front."""
    photo = people.photo("ana")
    [face, *_] = find_faces(photo)
    plate = frame_plate(photo, landmarks(photo, face).points)
    donor = load_donor("theo", ASSETS)  # its left cheek lies in shadow
    head = Head.of(plate, fit_face(plate.in_square(), donor, plate.height))
    return make_painter(head, DonorPictures.of(donor))


def test_a_smile_leaves_no_bright_stripe_on_a_cheek_that_is_lit(ana):
    box, marks = closeup_box(ana.head, "mouth"), ana.head.plate.landmarks

    picture = ana.paint("mouth", SMILE, box).picture

    light = blur(linear(picture).mean(-1), 2.0)
    corner, temple = marks[[MOUTH_CORNERS[1], TEMPLES[1]], :2] - box[:2]
    beside = np.array([0.12, 0.6]) * (temple[0] - corner[0]) + corner[0]
    left, right = beside.astype(int)
    cheek = light[int(corner[1]) - 30 : int(corner[1]) + 10, left:right]
    level = np.median(cheek, 1, keepdims=True)
    assert (cheek / level).max() < 1.1  # with the stripe 1.29


@pytest.mark.parametrize(
    ("name", "least"),
    # measured 22.5, 23.5 and 27.5; lit without the donor's keyframe 19.3, 22.7 and 27.2
    [("rounded", 21.0), ("teeth", 23.0), ("bite", 26.5)],
)
def test_teeth_that_little_light_reaches_are_near_the_truth(ana, name, least):
    truth, plate = people.truth("ana"), ana.head.plate
    box = closeup_box(ana.head, "mouth")
    whole = plate.picture.copy()
    number = int(truth.numbers[truth.names.index(name)])
    key = ana.paint("mouth", number, box).picture
    whole[box[1] : box[3], box[0] : box[2]] = key
    left, top, right, bottom = truth.boxes[truth.names.index(name)]
    pixels = np.meshgrid(np.arange(left, right) + 0.5, np.arange(top, bottom) + 0.5)
    at = (np.stack(pixels, -1) - plate.corner) * plate.scale
    assert psnr(sample(whole, at), truth.pictures[name]) > least


def shade_of(height: int, behind_m: float) -> float:
    """Return the light of teeth in an opening of so many rows of .3 mm."""
    inner = np.zeros((ROWS, COLUMNS), bool)
    inner[10 : 10 + height] = True
    depth = np.full((ROWS, COLUMNS), 1.0, np.float32)  # of the lips
    depth[inner] = 1.004
    depth[10 : 10 + height, 60:100] = 1.004 + behind_m
    flat = inner.ravel()
    shade = mouth_shade(samples(), flat, depth.ravel(), ~flat, 0.0003)
    return float(shade.reshape(ROWS, COLUMNS)[10 + height - 1, 80])


def test_less_light_reaches_what_lies_deep_behind_a_narrow_opening():
    front = shade_of(height=60, behind_m=0.0)
    deep, slit = shade_of(height=60, behind_m=0.02), shade_of(height=5, behind_m=0.02)
    assert front > 0.95
    assert 0.4 < deep < 0.9 * front
    assert slit < 0.3 * deep


def test_bright_whites_of_eyes_make_teeth_no_brighter_than_the_donors(ana):
    red, green, blue = ana.inner.white

    assert np.mean([red, green, blue]) == pytest.approx(1.0, abs=0.01)  # 1.15 without
    assert red < green < blue


@dataclass(frozen=True)
class Teeth:
    """Upper teeth of a painter's head, with a sample on each of their triangles."""

    painter: Painter
    triangles: np.ndarray  # [n, 3]
    samples: Samples
    across: np.ndarray  # [n]: from their middle to the right, metres

    @classmethod
    def of(cls, painter: Painter) -> "Teeth":
        triangles = painter.head.triangles
        triangles = triangles[painter.inner.upper[triangles].all(1)]
        count = len(triangles)
        third = np.full((count, 3), 1 / 3, np.float32)
        on = Samples(
            np.arange(count), third, third[:, :2], np.zeros(count, int), (0, 0)
        )
        x = painter.head.donor.neutral[triangles, 0].mean(1)
        return cls(painter, triangles, on, x - np.median(x))

    def light(self, factor: np.ndarray | float, number: int = TEETH) -> np.ndarray:
        """Return the light ``[n, 3]`` with a keyframe of the donor times a factor."""
        head, pictures = self.painter.head, self.painter.source.pictures
        weights = pictures.weights("mouth")[number]
        view = head.donor_posed(weights, pictures.box("mouth"), 2.0)
        key = linear(pictures.keyframe("mouth", number)) * factor
        shade = np.full(len(self.triangles), 0.5, np.float32)
        return self.painter.inner.as_donors(
            shade, self.samples, self.triangles, view, key.astype(np.float32)
        )


@pytest.mark.parametrize("factor", [0.5, 1.2])
def test_teeth_are_as_bright_as_in_the_keyframe_of_the_donor(ana, factor):
    teeth = Teeth.of(ana)
    light = teeth.light(1.0)

    assert teeth.light(factor) / light == pytest.approx(factor, abs=0.1)
    red, green, blue = np.median(light, 0)
    assert red > green > blue  # beside lips


def test_without_teeth_in_the_keyframe_of_the_donor_the_shade_stays(ana):
    assert (Teeth.of(ana).light(1.0, number=0) == 0.5).all()


def test_teeth_are_brighter_on_the_side_of_the_lamp(ana):
    teeth = Teeth.of(ana)
    left, _, right, _ = ana.source.pictures.box("mouth")
    ramp = np.linspace(0.6, 1.4, right - left)[None, :, None]
    side = teeth.across > 0.01

    def ratio(light):
        return light[side].mean() / light[teeth.across < -0.01].mean()

    assert ratio(teeth.light(ramp)) > 1.1 * ratio(teeth.light(1.0))


def test_a_lamp_of_the_donor_that_the_photo_lacks_leaves_teeth_even(ana):
    light = Teeth.of(ana).light(1.0).mean(1)
    alone = replace(ana, inner=replace(ana.inner, lamp=0.0))
    donors = Teeth.of(alone).light(1.0).mean(1)

    assert ana.inner.lamp > 0.3  # theo's lamp is on the left, ana's in front
    assert np.log(light.max() / light.min()) < 0.6 * np.log(donors.max() / donors.min())


TONGUE = np.s_[20:60, 40:120]  # rows and columns


def tongue_in(seen_from: int, dark_from: int) -> np.ndarray:
    """
    Return the light of a tongue in a picture, elsewhere 0.

    Columns before ``seen_from`` show teeth of the donor in its place; those from
    ``dark_from`` on are dark.
    """
    tongue, dark = np.zeros((2, ROWS, COLUMNS), bool)
    tongue[TONGUE] = True
    dark[:, dark_from:] = True
    tongue &= ~dark
    seen = tongue.copy()
    seen[:, :seen_from] = False
    donor = np.full((ROWS, COLUMNS, 3), 0.4, np.float32)
    donor[:, :seen_from] = 0.9
    out = np.zeros((ROWS, COLUMNS))
    parts = (part.ravel() for part in (tongue, seen, dark))
    out[tongue] = tongue_light(samples(), donor.reshape(-1, 3), *parts).mean(-1)
    return out


def test_a_tongue_goes_on_without_a_seam_where_the_donor_shows_none():
    light = tongue_in(seen_from=60, dark_from=COLUMNS)

    assert light[TONGUE] == pytest.approx(0.4, rel=0.01)


def test_a_tongue_fades_towards_a_dark_cheek():
    row = tongue_in(seen_from=0, dark_from=100)[40, 40:100]

    assert row[:30] == pytest.approx(0.4, rel=0.01)
    assert row[-1] < 0.25
    assert (np.diff(row[-12:]) < 0).all()


def test_a_cheek_is_as_dark_as_the_throat_deep_in_the_mouth():
    count = ROWS * COLUMNS
    rim = np.linspace(0.01, 0.03, count, dtype=np.float32)
    light = np.ones((count, 3), np.float32)
    fields = SimpleNamespace(
        donor=light, photo=light, rim=rim,
        seen=np.zeros(count, bool), skin=np.ones(count, bool),
    )  # fmt: skip

    cheek = made_lips(fields, samples(), light, np.ones(count, bool))

    assert cheek[0] == pytest.approx(CHEEK)
    assert cheek[-1] == pytest.approx(THROAT)
    assert (np.diff(cheek[:, 0]) <= 0).all()


def test_the_rim_of_lips_is_no_brighter_than_the_lips():
    count = ROWS * COLUMNS
    rim = np.full((ROWS, COLUMNS), 0.004, np.float32)
    rim[40] = 0.001
    fields = SimpleNamespace(
        donor=np.full((count, 3), 0.9, np.float32), rim=rim.ravel(),
        photo=np.full((count, 3), 0.2, np.float32),
        seen=np.ones(count, bool), skin=np.ones(count, bool),
    )  # fmt: skip
    light = made_lips(fields, samples(), np.ones((count, 3)), np.zeros(count, bool))
    shown = light.reshape(ROWS, COLUMNS, 3)
    assert shown[40].max() == pytest.approx(0.22, abs=1e-3)
    assert shown[39].min() == pytest.approx(0.9)


@pytest.fixture(scope="module")
def laugh(networks):
    """Return the painter of a face whose photo shows teeth."""
    photo = people.photo("laugh")
    [face, *_] = find_faces(photo)
    plate = frame_plate(photo, landmarks(photo, face).points)
    donor = load_donor("mira", ASSETS)
    head = Head.of(plate, fit_face(plate.in_square(), donor, plate.height))
    return make_painter(head, DonorPictures.of(donor))


def test_teeth_of_the_photo_are_on_no_skin(laugh):
    plate, source = laugh.head.plate, laugh.source
    ring = plate.landmarks[outline(LIPS_INNER), :2]
    between = shrunk(polygon(ring, plate.height, plate.width) > 0.99, 2)
    assert between.sum() > 300
    green = source.photo.copy()
    green[between] = (0, 1, 0)
    painter = replace(laugh, source=replace(source, photo=green))
    box = closeup_box(laugh.head, "mouth")
    jaws = source.pictures.weights("mouth")[:, unit("jawOpen")]
    for number in np.argsort(-jaws)[:4]:
        red, value, blue = painter.paint("mouth", int(number), box).picture.T
        assert (value - np.maximum(red, blue)).max() < 0.2


def test_teeth_get_the_relief_of_the_donors_and_keep_most_of_their_light():
    teeth = np.zeros((ROWS, COLUMNS), bool)
    teeth[TONGUE] = True
    seen = teeth.copy()
    seen[:40] = False  # the donor's lip covers them
    donor = np.full((ROWS, COLUMNS, 3), 0.2, np.float32)
    donor[:, 80:] = 0.6
    light = np.full((int(teeth.sum()), 3), 0.2, np.float32)

    made = with_relief(
        samples(), light, donor.reshape(-1, 3), teeth.ravel(), seen.ravel()
    )

    side = made.mean(1).reshape(40, 80)
    assert side[30, 60:].mean() == pytest.approx(3 * side[30, :20].mean(), rel=0.05)
    assert side[15, 60:].mean() > 2 * side[15, :20].mean()
    assert 0.2 < made.mean() < 0.25  # the donor's: 0.4


def test_what_is_dark_beside_a_tongue_gets_some_of_its_light():
    tongue = np.zeros((ROWS, COLUMNS), bool)
    tongue[TONGUE] = True
    light = np.zeros((ROWS * COLUMNS, 3), np.float32)
    light[tongue.ravel()] = 0.4

    add_glow(samples(), light, tongue.ravel(), ~tongue.ravel())

    row = light[:, 0].reshape(ROWS, COLUMNS)[40]
    assert (row[40:120] == light[tongue.ravel()][0, 0]).all()
    assert 0.05 < row[120] < 0.2
    assert (np.diff(row[120:136]) <= 0).all()
    assert row[140] == 0


def test_teeth_have_soft_edges_and_skin_keeps_its_own():
    teeth = np.zeros((ROWS, COLUMNS), bool)
    teeth[TONGUE] = True
    on = replace(samples(), triangle=teeth.ravel().astype(np.int32))
    sharp = np.where(teeth[..., None], 0.8, 0.1).astype(np.float32).repeat(3, -1)
    sharp[70:, :] = 0.6  # on skin
    picture = sharp.copy()

    soften(picture, on, teeth.ravel(), np.arange(2))

    steps = np.abs(np.diff(picture[40, :, 0]))
    assert steps.max() < 0.7 * np.abs(np.diff(sharp[40, :, 0])).max()
    assert picture[66:] == pytest.approx(sharp[66:])
