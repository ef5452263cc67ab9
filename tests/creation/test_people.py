"""Data of the rendered people: complete, small, and of the form that tests expect."""

import numpy as np
import pytest
from PIL import Image

from renderer.arkit import UNITS
from tests.creation import people

NAMES = (*people.PEOPLE, *people.REFUSED, *people.ACCEPTED)
FOLDER = people.path("x").parent


def test_every_picture_is_named_and_described():
    page = (FOLDER.parent / "README.md").read_text()
    assert {path.stem for path in FOLDER.iterdir()} == set(NAMES)
    assert "CC0" in page
    assert not [name for name in NAMES if f"`{name}`" not in page]


def test_pictures_are_small():
    sizes = [people.path(name).stat().st_size for name in NAMES]
    assert max(sizes) <= 60_000
    assert sum(sizes) <= 1_500_000
    for file in (FOLDER.parent / "truth").iterdir():
        assert file.stat().st_size <= 200_000


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_is_a_photo_without_metadata(name):
    with Image.open(people.path(name)) as image:
        assert (image.format, image.mode) == ("JPEG", "RGB")
        assert 300 <= min(image.size) <= max(image.size) <= 800
        assert not image.getexif()


@pytest.mark.parametrize("name", people.PEOPLE)
def test_the_truth_of_a_person_has_keyframes_of_mouth_and_eyes(name):
    truth, height = people.truth(name), people.photo(name).shape[0]
    assert {"jaw", "rounded", "teeth", "shut", "blink", "half"} <= set(truth.names)
    assert truth.weights.shape == (len(truth.names), len(UNITS))
    jaw = truth.names.index("jaw")
    assert truth.weights[jaw, UNITS.index("jawOpen")] > 0.5
    for (left, top, right, bottom), key in zip(truth.boxes, truth.names, strict=True):
        assert truth.pictures[key].shape == (bottom - top, right - left, 3)
        assert min(left, top) >= 0
        assert max(right, bottom) <= height


@pytest.mark.parametrize("name", people.PEOPLE)
def test_lips_and_lids_of_the_truth_open_and_close(name):
    truth = people.truth(name)
    row = {key: 1 + k for k, key in enumerate(truth.names)}
    gaps = (truth.inner_lips[:, 1] - truth.inner_lips[:, 0])[..., 1].max(1)
    wide = np.ptp(truth.outer_lips[0, :, 0])
    assert gaps[row["jaw"]] > 0.25 * wide
    assert gaps[row["shut"]] < 0.05 * wide
    for lids in (truth.lids[:2], truth.lids[2:]):
        upper, lower = (lid[..., 1].mean(1) for lid in lids)
        opening = lower - upper  # negative where the lids lie over each other
        assert opening[row["blink"]] < 0.1 * opening[0]
        assert opening[row["blink"]] < opening[row["half"]] < 0.8 * opening[0]
