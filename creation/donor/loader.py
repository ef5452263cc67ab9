"""
Loader of a donor: ``surface.npz``, ``landmarks.npz`` and ``interior.webp``.

``python -m studio.donor`` writes these files. They are in ``data/NAME`` beside this
module. Base image and keyframes of a donor are those of its avatar package.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from creation.arrays import Floats, Ints, Mask
from creation.donor.layout import SURFACES
from creation.vision.rings import COUNT
from renderer.arkit import UNITS
from renderer.arrays import Arrays
from renderer.package import Package
from renderer.portrait.loader import load_portrait
from renderer.portrait.model import PortraitModel

DATA = Path(__file__).parent / "data"
NAMES = ("mira", "theo")


class BrokenDonor(Exception):
    """The data of a donor is damaged. The text says which file, and what is wrong."""


@dataclass(frozen=True, slots=True)
class LandmarkPoints:
    """Points of a donor's surface at which the landmarker puts its 478 landmarks."""

    index: Ints  # [478, K]: vertex numbers
    weight: Floats  # [478, K]; a row sums to 1, or to 0 if the point is not known
    spread: Floats  # [478]: metres between the points that single pictures gave

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """Return which landmarks have a point, [478]."""
        known: npt.NDArray[np.bool_] = self.weight.sum(1) > 0.5
        return known

    def of(self, values: npt.NDArray[np.floating]) -> Floats:
        """Return values ``[..., V, 3]`` of vertices at the landmarks, [..., 478, 3]."""
        at: Floats = np.einsum(
            "nk,...nkc->...nc", self.weight, values[..., self.index, :]
        )
        return at


@dataclass(frozen=True, slots=True)
class Interior:
    """Teeth, gums and tongue of a donor alone, in even light."""

    box: tuple[int, int, int, int]  # left, top, right, bottom; base-image pixels
    weights: Floats  # [N, U]: unit weights of each picture
    pictures: npt.NDArray[np.uint8]  # [N, h, w, 4]: RGBA, straight alpha

    @property
    def step(self) -> float:
        """Return the side of a pixel of ``pictures`` in base-image pixels."""
        return (self.box[2] - self.box[0]) / int(self.pictures.shape[2])


class DonorSurface:
    """
    Front of a donor's head and what is in it, and how it moves.

    World units are metres: x to the right of the image, y away from the camera, z up.
    """

    def __init__(self, arrays: Arrays, identity_names: tuple[str, ...]) -> None:
        """Read ``surface.npz``. Raises `BrokenDonor`."""
        self.neutral = arrays.get("neutral", "f", (None, 3)).astype(
            np.float64
        )  # [V, 3]
        count = len(self.neutral)
        # [56, V, 3]: displacement by each of UNITS at weight 1
        self.shapes = _steps(arrays, "shapes", "shape_step", (len(UNITS), count, 3))
        self.identity_names = identity_names
        # [103, V, 3]: displacement by each direction of identity at weight 1
        shape = (len(identity_names), count, 3)
        self.identities = _steps(arrays, "identities", "identity_step", shape)
        self.triangles = _numbers(arrays, "triangles", (None, 3), count)  # [T, 3]
        self.surface = arrays.get("surface", "u", (count,)).astype(np.uint8)  # [V]
        self.surface_names = SURFACES
        skull = arrays.get("skull", "u", (count,)).astype(np.float64)
        self.skull = skull / 255  # [V]: 1 turns with the head, 0 does not
        self.camera = arrays.get("camera", "f", (3, 4)).astype(np.float64)
        self.pivot = arrays.get("pivot", "f", (3,)).astype(np.float64)

    @classmethod
    def read(cls, folder: Path) -> "DonorSurface":
        """Read the surface in a donor's folder. Raises `BrokenDonor`, `OSError`."""
        return cls(_arrays(folder / "surface.npz"), _identity_names(folder))

    def part(self, *names: str) -> Mask:
        """Return which vertices belong to some of SURFACES, [V]."""
        return np.isin(self.surface, [SURFACES.index(name) for name in names])

    def posed(self, weights: Floats) -> Floats:
        """Return the vertices ``[V, 3]`` for unit weights ``[56]``."""
        moved: Floats = self.neutral + np.tensordot(weights, self.shapes, 1)
        return moved


class Donor(DonorSurface):
    """Donor with the points of landmarks, and its pictures. See `load_donor`."""

    def __init__(self, name: str, folder: Path, avatars: Path) -> None:
        arrays = _arrays(folder / "surface.npz")
        super().__init__(arrays, _identity_names(folder))
        self.name = name
        self._folder = folder
        self._package = avatars / name
        points = _arrays(folder / "landmarks.npz")
        self.landmarks = _landmark_points(points, len(self.neutral))
        self._interior_box = arrays.get("interior_box", "i", (4,))
        self._interior_faces = arrays.get("interior_faces", "f", (None, len(UNITS)))

    @cached_property
    def portrait(self) -> PortraitModel:
        """Return base image and keyframes. Raises `BrokenAvatar`."""
        return load_portrait(Package.at(self._package))

    @cached_property
    def interior(self) -> Interior:
        """Return the inside of the mouth in even light. Raises `BrokenDonor`."""
        with Image.open(self._folder / "interior.webp") as image:
            strip = np.asarray(image.convert("RGBA"))
        count = len(self._interior_faces)
        if len(strip) % count:
            raise BrokenDonor(
                f"interior.webp has {len(strip)} rows: expected {count} pictures"
            )
        left, top, right, bottom = map(int, self._interior_box)
        return Interior(
            (left, top, right, bottom),
            self._interior_faces.astype(np.float64),
            strip.reshape(count, -1, *strip.shape[1:]),
        )


def load_donor(name: str, avatars: Path) -> Donor:
    """
    Return the donor ``name``, one of NAMES.

    ``avatars`` is the folder of the shipped avatar packages. Raises `BrokenDonor`.
    """
    try:
        return Donor(name, DATA / name, avatars)
    except OSError as error:
        raise BrokenDonor(
            f"donor {name!r} cannot be read: {error}; install lite-gateway again"
        ) from error


def _arrays(path: Path) -> Arrays:
    return Arrays(path.name, path.read_bytes(), BrokenDonor)


def _identity_names(folder: Path) -> tuple[str, ...]:
    path = folder.parent / "identities.json"
    return tuple(map(str, json.loads(path.read_text(encoding="utf-8"))))


def _steps(arrays: Arrays, name: str, step: str, shape: tuple[int, ...]) -> Floats:
    """Return numbers that are stored as whole multiples of a step."""
    whole = arrays.get(name, "i", shape).astype(np.float64)
    whole *= arrays.get(step, "f", (1,)).astype(np.float64)
    return whole


def _numbers(
    arrays: Arrays, name: str, shape: tuple[int | None, ...], count: int
) -> Ints:
    """Return vertex numbers. Raises `BrokenDonor` if one is too large."""
    numbers = arrays.get(name, "u", shape).astype(np.int32)
    if numbers.max() >= count:
        raise BrokenDonor(
            f"{name} names vertex {numbers.max()}, but there are {count}: write the "
            "donor's data again"
        )
    return numbers


def _landmark_points(arrays: Arrays, count: int) -> LandmarkPoints:
    index = _numbers(arrays, "index", (COUNT, None), count)
    weight = arrays.get("weight", "f", index.shape).astype(np.float64)
    spread = arrays.get("spread", "f", (COUNT,)).astype(np.float64)
    return LandmarkPoints(index, weight, spread)
