"""Eyeballs: they stay balls, and lie a little behind the lids."""

import numpy as np
import numpy.typing as npt

from creation.arrays import Floats, Whole
from creation.donor.loader import Donor
from creation.vision.rings import LEFT_IRIS, RIGHT_IRIS

# Added to the depth of eyeballs in every depth test: lids of one donor, fitted to
# another eyeball, would cut into it.
EYEBALL_BACK_M = 0.0012
_MIDDLE = 8  # vertices in the middle of an iris


def eyeball_vertices(donor: Donor) -> dict[int, npt.NDArray[np.bool_]]:
    """Return the vertices ``[V]`` of each eyeball, by the landmark of its iris."""
    eyes = donor.part("eyes")
    across = donor.neutral[:, 0]
    right = across < np.median(across[eyes])  # the person's own, left in the picture
    return {RIGHT_IRIS[0]: eyes & right, LEFT_IRIS[0]: eyes & ~right}


def corneas(donor: Donor) -> npt.NDArray[np.bool_]:
    """
    Return the vertices ``[V]`` of corneas: of an eyeball's surfaces the one in front.

    A cornea is clear, and bulges over an iris, which lies deeper and moves less.
    """
    eyes = donor.part("eyes")
    triangles = donor.triangles[eyes[donor.triangles].all(1)]
    surface = np.arange(len(eyes))  # the least number that a vertex is connected to
    while True:
        least = surface[triangles].min(1)
        linked = surface.copy()
        np.minimum.at(linked, triangles, least[:, None])
        if (linked == surface).all():
            break
        surface = linked
    found = np.zeros(len(eyes), bool)
    for ball in eyeball_vertices(donor).values():
        parts = np.unique(surface[ball])
        if len(parts) > 1:
            front = [donor.neutral[surface == part, 1].min() for part in parts]
            found |= surface == parts[int(np.argmin(front))]
    return found


def iris_vertices(donor: Donor, drawn: Whole) -> dict[int, Whole]:
    """
    Return vertices of each eyeball in the middle of its iris, by its landmark.

    They are some of the vertices ``drawn`` ``[n]``, none of which is of a cornea.
    """
    spots = donor.landmarks.of(donor.neutral)
    out = {}
    for iris, ball in eyeball_vertices(donor).items():
        own = drawn[ball[drawn]]
        aside = (donor.neutral[own] - spots[iris])[:, [0, 2]]
        out[iris] = own[np.argsort(np.linalg.norm(aside, axis=1))[:_MIDDLE]]
    return out


def depth_offset(donor: Donor) -> Floats:
    """Return what is added to the depth of each vertex in a depth test, [V] metres."""
    return np.where(donor.part("eyes"), EYEBALL_BACK_M, 0.0)
