"""Choice of the donor whose face is most like that in a photo."""

from pathlib import Path

import numpy as np

from creation.arrays import Floats
from creation.donor.loader import NAMES, Donor, load_donor
from creation.fit.camera import project
from creation.vision.rings import RIGHT_IRIS


def likest_donor(landmarks: Floats, avatars: Path) -> Donor:
    """
    Return the donor that looks most like ``landmarks`` ``[478, 3]`` (pixels).

    ``avatars`` is the folder of the shipped avatar packages. Raises `BrokenDonor`.
    """
    best, least = None, np.inf
    for name in NAMES:
        donor = load_donor(name, avatars)
        own, _ = project(donor.landmarks.of(donor.neutral), donor.camera)
        distance = shape_distance(landmarks[:, :2], own)
        if distance < least:
            best, least = donor, distance
    assert best is not None
    return best


def shape_distance(one: Floats, other: Floats) -> float:
    """
    Return how much two sets of landmarks ``[478, 2]`` differ in shape.

    That is the root mean square distance in sizes of the face, after both are shifted,
    turned and scaled to lie on each other. Irises, which look around, are left out.
    """
    a, b = (_normalised(points[: RIGHT_IRIS[0]]) for points in (one, other))
    left, sizes, right = np.linalg.svd(a.T @ b)
    sides = np.array([1.0, np.sign(np.linalg.det(left @ right))])  # no mirror image
    turn = left @ np.diag(sides) @ right
    scale = float((sizes * sides).sum())
    return float(np.linalg.norm(scale * a @ turn - b))


def _normalised(points: Floats) -> Floats:
    centred = points - points.mean(0)
    normalised: Floats = centred / np.linalg.norm(centred)
    return normalised
