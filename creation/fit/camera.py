"""Camera of a plate, and its projection."""

import numpy as np

from creation.arrays import Floats
from creation.donor.loader import Donor

# The base image of a donor that a square plate corresponds to: its middle square.
_DONOR_SIDE_PX, _DONOR_LEFT_PX = 1080, 420


def project(points: Floats, camera: Floats) -> tuple[Floats, Floats]:
    """
    Return pixels ``[..., 2]`` and depths ``[...]`` (metres) of points ``[..., 3]``.

    ``camera`` is ``[3, 4]``: world to (x * depth, y * depth, depth).
    """
    clip = points @ camera[:, :3].T + camera[:, 3]
    return clip[..., :2] / clip[..., 2:], clip[..., 2]


def camera_centre(camera: Floats) -> Floats:
    """Return the position of a camera, [3]."""
    return np.asarray(np.linalg.solve(camera[:, :3], -camera[:, 3]), np.float64)


def plate_camera(landmarks: Floats, donor: Donor, side: int) -> Floats:
    """
    Return the camera ``[3, 4]`` of a square plate of ``side`` pixels.

    It has the donor's distance. Its focal length shows the donor's landmarks as large
    as ``landmarks`` ``[478, 3]`` (pixels) are.
    """
    scale = side / _DONOR_SIDE_PX
    crop = np.array([[scale, 0, -scale * _DONOR_LEFT_PX], [0, scale, 0], [0, 0, 1]])
    camera: Floats = crop @ donor.camera
    pixels, _ = project(donor.landmarks.of(donor.neutral), camera)
    known = donor.landmarks.known
    zoom = _spread(landmarks[known, :2]) / _spread(pixels[known])
    middle = (1 - zoom) * side / 2
    zooming = np.array([[zoom, 0, middle], [0, zoom, middle], [0, 0, 1]])
    zoomed: Floats = zooming @ camera
    return zoomed


def _spread(points: Floats) -> float:
    """Return the root mean square distance of points ``[n, 2]`` from their middle."""
    return float(np.sqrt(((points - points.mean(0)) ** 2).sum(1).mean()))
