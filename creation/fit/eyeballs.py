"""Eyeballs: they stay balls, and lie a little behind the lids."""

import numpy as np
import numpy.typing as npt

from creation.arrays import Floats
from creation.donor.loader import Donor
from creation.vision.rings import LEFT_IRIS, RIGHT_IRIS

# Added to the depth of eyeballs in every depth test: lids of one donor, fitted to
# another eyeball, would cut into it.
EYEBALL_BACK_M = 0.0012


def eyeball_vertices(donor: Donor) -> dict[int, npt.NDArray[np.bool_]]:
    """Return the vertices ``[V]`` of each eyeball, by the landmark of its iris."""
    eyes = donor.part("eyes")
    across = donor.neutral[:, 0]
    right = across < np.median(across[eyes])  # the person's own, left in the picture
    return {RIGHT_IRIS[0]: eyes & right, LEFT_IRIS[0]: eyes & ~right}


def depth_offset(donor: Donor) -> Floats:
    """Return what is added to the depth of each vertex in a depth test, [V] metres."""
    return np.where(donor.part("eyes"), EYEBALL_BACK_M, 0.0)
