"""Teeth, gums and tongue: they keep their shape, and hang behind the lips."""

import numpy as np

from creation.arrays import Floats, Mask
from creation.donor.layout import INSIDE
from creation.donor.loader import Donor
from creation.fit.gauss_newton import Estimate
from creation.vision.rings import LEFT_IRIS, RIGHT_IRIS
from renderer.arkit import UNITS

# Height of the edge of the upper teeth below the line where shut lips meet, of the
# distance of the eyes. A photo of closed lips says little about it: both donors have
# 0.096 and 0.109, 300 random people of the studio 0.083 (standard deviation 0.014, of
# which landmarks explain a fifth). This is between their means.
_EDGE = 0.0925
# Landmarks in the middle of that line: upper lip, lower lip.
_LIP_LINE = (82, 13, 312, 87, 14, 317)
_FIXED_M = 0.002  # by which jawOpen moves no tooth of the upper jaw
_MIDDLE_M = 0.01  # from the middle of the teeth to those that are measured


def placed_inside(donor: Donor, found: Estimate, spots: Floats) -> tuple[Mask, Floats]:
    """
    Return which vertices ``[V]`` are inside of the mouth, and their places ``[n, 3]``.

    ``spots`` ``[478, 3]`` are the landmarks on the face at rest. The size is that of
    the eyes' distance, of which teeth of all people have about the same width.
    """
    inside = donor.part(*INSIDE)
    own = donor.landmarks.of(donor.neutral)
    line = own[list(_LIP_LINE)].mean(0)
    scale = _eyes(spots) / _eyes(own)
    hang = (_EDGE * _eyes(own) - (line[2] - _edge(donor))) * np.array([0, 0, 1.0])
    at = (donor.neutral[inside] - line - hang) @ found.rotation.T
    return inside, scale * at + spots[list(_LIP_LINE)].mean(0)


def upper_teeth(donor: Donor) -> Mask:
    """Return the vertices ``[V]`` of the teeth that a jaw does not move."""
    jaw = np.linalg.norm(donor.shapes[UNITS.index("jawOpen")], axis=1)
    upper: Mask = donor.part("teeth") & (jaw < _FIXED_M)
    return upper


def _edge(donor: Donor) -> float:
    """Return the height of the edge of the upper front teeth."""
    upper = upper_teeth(donor)
    across = donor.neutral[:, 0]
    middle = np.median(across[upper])
    front = upper & (np.abs(across - middle) < _MIDDLE_M)
    return float(donor.neutral[front, 2].min())


def _eyes(spots: Floats) -> float:
    return float(np.linalg.norm(spots[RIGHT_IRIS[0]] - spots[LEFT_IRIS[0]]))
