import json
from pathlib import Path

import numpy as np
import pytest

from creation.donor.loader import DATA, NAMES, BrokenDonor, Donor, load_donor
from creation.fit.camera import project
from creation.raster import raster
from creation.vision import find_faces, landmarks
from creation.vision.rings import (
    CHIN,
    COUNT,
    LEFT_IRIS,
    LIPS_OUTER,
    OVAL,
    RIGHT_IRIS,
)
from renderer.arkit import UNITS

TEETH_GUM_TONGUE = (2, 3, 4)  # numbers in SURFACES
AVATARS = Path(__file__).parents[2] / "assets" / "avatars"


@pytest.fixture(scope="module", params=NAMES)
def donor(request):
    return load_donor(request.param, AVATARS)


def test_a_donor_has_arrays_that_fit_each_other(donor):
    count = len(donor.neutral)
    assert 10_000 < count < 30_000
    assert donor.shapes.shape == (len(UNITS), count, 3)
    assert donor.identities.shape == (103, count, 3)
    assert len(set(donor.identity_names)) == 103
    assert np.unique(donor.triangles).tolist() == list(range(count))
    assert set(np.unique(donor.surface)) == set(range(len(donor.surface_names)))
    assert donor.skull.min() >= 0
    assert donor.skull.max() == 1


def test_every_unit_and_identity_moves_the_donor_by_a_few_centimetres_at_most(donor):
    for moves in (donor.shapes, donor.identities):
        largest = np.abs(moves).max((1, 2))
        assert largest.max() < 0.06
        assert (largest > 1e-5).mean() > 0.9


def test_all_landmarks_have_a_point_and_those_of_irises_lie_on_eyeballs(donor):
    assert donor.landmarks.known.all()
    np.testing.assert_allclose(donor.landmarks.weight.sum(1), 1, atol=1e-5)
    eyes = donor.part("eyes")
    for number in range(COUNT):
        corners = donor.landmarks.index[number][donor.landmarks.weight[number] > 0]
        assert (eyes[corners] == (number >= RIGHT_IRIS[0])).all()


def test_landmarks_of_the_base_image_lie_on_their_points(donor, networks, plates):
    plate = plates[donor.name]
    found = landmarks(plate, find_faces(plate)[0]).points[:, :2]
    off = project(donor.landmarks.of(donor.neutral), donor.camera)[0] - found
    far = np.linalg.norm(off, axis=1)
    assert np.median(far) < 1.5  # pixels; a face has 420 from forehead to chin
    assert far[CHIN] < 4
    assert far[list(OVAL)].mean() < 4


def test_landmarks_of_lips_are_around_the_mouth_and_open_with_the_jaw(donor):
    rest = donor.landmarks.of(donor.neutral)
    weights = np.zeros(len(UNITS))
    weights[UNITS.index("jawOpen")] = 1
    opened = donor.landmarks.of(donor.posed(weights))
    eyes = np.linalg.norm(rest[RIGHT_IRIS[0]] - rest[LEFT_IRIS[0]])
    assert 0.5 * eyes < np.ptp(rest[list(LIPS_OUTER), 0]) < 1.2 * eyes
    assert np.linalg.norm(rest[13] - rest[14]) < 0.1 * eyes
    assert opened[13, 2] - opened[14, 2] > 0.4 * eyes


def test_the_surface_lies_where_the_base_image_shows_the_donor(donor):
    xy, depth = project(donor.neutral, donor.camera)
    _, height, width = donor.portrait.base_image.shape
    drawn = raster(xy, depth, donor.triangles, (0, 0, width, height), step=8)
    alpha = donor.portrait.base_image[3, 4::8, 4::8]
    assert (alpha[drawn.hit] > 250).mean() > 0.99


def test_teeth_are_where_the_interior_shows_them_and_light_on_both_sides(donor):
    inside = donor.interior
    left = inside.box[0]
    assert inside.step == 0.5
    own = np.isin(donor.surface[donor.triangles[:, 0]], TEETH_GUM_TONGUE)
    for weights, picture in zip(inside.weights, inside.pictures, strict=True):
        xy, depth = project(donor.posed(weights), donor.camera)
        drawn = raster(xy, depth, donor.triangles[own], inside.box, inside.step)
        assert (picture[drawn.hit, 3] > 200).mean() > 0.97
        tooth = drawn.hit & (
            donor.surface[donor.triangles[own][drawn.triangle, 0]] == 2
        )
        at = left + np.arange(picture.shape[1]) * inside.step
        middle = at < np.median(np.broadcast_to(at, tooth.shape)[tooth])
        light = picture[..., :3].mean(-1)
        sides = [light[tooth & side].mean() for side in (middle, ~middle)]
        assert sides[0] == pytest.approx(sides[1], rel=0.05)
        assert min(sides) > 130


def test_a_donor_without_its_files_says_what_to_do(tmp_path):
    with pytest.raises(BrokenDonor, match="install lite-gateway again"):
        load_donor("nobody", tmp_path)


def test_a_damaged_donor_is_refused_with_the_name_of_the_file(tmp_path):
    folder = tmp_path / "mira"
    folder.mkdir()
    (tmp_path / "identities.json").write_text(json.dumps(["a"]))
    (folder / "surface.npz").write_bytes((DATA / "mira" / "surface.npz").read_bytes())
    with pytest.raises(BrokenDonor, match="identities"):
        Donor("mira", folder, AVATARS)
    (folder / "surface.npz").write_bytes(b"no zip")
    with pytest.raises(BrokenDonor, match=r"surface\.npz"):
        Donor("mira", folder, AVATARS)
