"""Light of a donor's lamp, which the shading of another person must not have."""

import numpy as np

from creation.arrays import Mask, Picture
from creation.images import blur, ramp
from creation.keys.fields import Fields
from creation.keys.samples import Samples

# Light of the donor's skin at rest, of its bright skin: it lies in shadow, or does not.
_SHADOW = (0.65, 0.9)
_BRIGHT = 75  # percentile of the skin that is compared
_GAINED = (1.1, 1.3)  # light of a keyframe, of that at rest: the lamp reaches it now
_LIPS_M = 0.012  # from where lips meet: these are darker than skin, without a shadow
_AROUND_PX, _SURE = 10.0, 6.0  # sigma around it in which shading fades, and its slope
_DARK = 0.004  # linear light below which a ratio means nothing


def newly_lit(fields: Fields, samples: Samples, compared: Mask) -> Picture:
    """
    Return 0..1 ``[h, w]``: skin in shadow at rest that a lamp reaches in a keyframe.

    A cheek that a smile lifts out of its shadow becomes bright. That follows from where
    the donor's lamp stands, and would be a stripe on a cheek that is lit already.
    ``compared`` ``[N]`` are the samples with light of the donor in both.
    """
    rest, light = fields.donor_rest.mean(-1), fields.donor.mean(-1)
    skin = compared & (fields.rim > _LIPS_M)
    if not skin.any():
        return np.zeros(samples.shape, np.float32)
    bright = max(float(np.percentile(rest[skin], _BRIGHT)), _DARK)
    shadow = 1 - ramp(rest / bright, *_SHADOW)
    gained = ramp(light / np.maximum(rest, _DARK), *_GAINED)
    lit = samples.grid(shadow * gained * skin)
    return np.asarray(np.clip(_SURE * blur(lit, _AROUND_PX), 0, 1), np.float32)
