"""Relief of teeth: gloss, roundness and shadow, as the donor's keyframe shows them."""

import numpy as np

from creation.arrays import Mask, Picture
from creation.images import shrunk, spread
from creation.keys.samples import Samples

_NEAR_PX = 2.5  # sigma over which the donor's light is compared
_RIM_PX = 1  # pixels at the edge of teeth, to which lips lend colour
_LIMITS = (0.25, 3.0)  # of the change
_DARK = 0.005  # linear light below which a ratio means nothing
_MARGIN_PX = 12  # around teeth, for the blurs
_EVEN = 0.8  # of the change of all teeth together, which is left out
_FEW_PX = 60.0  # pixels of seen teeth with which the change counts half


def with_relief(
    samples: Samples, light: Picture, donor: Picture, teeth: Mask, seen: Mask
) -> Picture:
    """
    Return the light ``[n, 3]`` of the samples that are ``teeth`` ``[N]``.

    ``light`` ``[n, 3]`` is even: teeth without gloss and roundness. ``donor``
    ``[N, 3]`` is what the donor's keyframe shows where they are ``seen`` ``[N]``. All
    teeth together keep most of their light, which suits the person.
    """
    chosen = np.flatnonzero(teeth)
    row, column = np.divmod(samples.pixel[chosen], samples.shape[1])
    rows, columns = samples.around(samples.pixel[chosen], _MARGIN_PX)
    size = rows.stop - rows.start, columns.stop - columns.start
    row, column = row - rows.start, column - columns.start
    centre = chosen < samples.count
    at = row[centre], column[centre]
    mask = np.zeros(size, bool)
    mask[at] = seen[chosen][centre]
    known = shrunk(mask, _RIM_PX)
    if not known.any():
        return light
    change = np.zeros((*size, 3), np.float32)
    ratio = donor[chosen] / np.maximum(light, _DARK)
    change[at] = np.clip(ratio, *_LIMITS)[centre]
    change /= change[known].mean() ** np.float32(_EVEN)
    sure = known.sum() / (known.sum() + _FEW_PX)
    around = spread(change, known.astype(np.float32), _NEAR_PX)
    return np.asarray(light * around[row, column] ** sure, np.float32)
