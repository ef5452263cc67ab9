"""
Light on an eyeball: it stays with the lids and the lamps while the eyeball turns.

The white of an eye is darker below the upper lid, in its corners and on the side away
from a lamp. A catchlight follows an iris, and does not reach as far.
"""

from dataclasses import dataclass

import numpy as np

from creation.arrays import Floats, Mask, Picture
from creation.images import blur, grown, sample

# Shade of lids on an eyeball: how far it reaches, of the eye's width, and how deep it
# is at the lid. Measured at both donors.
_UPPER_REACH, _LOWER_REACH = 0.09, 0.045
_UPPER_DEPTH = 0.75
_SOFT_PX = 1.5  # sigma over which columns of the shade are joined
_LOWER_DEPTH = 0.3
# Of the log of light: how much slope and curve across the eye are distrusted.
_DAMPING = np.array([0.0, 0.01, 0.02])
_SLOPE = (-1.6, 0.7)  # log of light, of that in the middle
_MIN_WHITE = 20  # pixels of white that tell of a slope
_BELOW = 0.7  # log of light below the fit: a lash, or the red corner
_BRIGHT = 70  # percentile of the white that has its colour; the rest is lids and veins
_DARK = 0.004
LEAST_SHADE = 0.12  # below which the photo says little about an eyeball's colour
# A catchlight: light above that of its ring of the iris, as a factor and absolute.
_CATCH_RATIO, _CATCH_LIGHT = 1.8, 0.06
_FOLLOWS = 0.8  # of the move of an iris: the cornea turns with it
_CORNEA = (1.0, 1.25)  # radii between which a catchlight fades


@dataclass(frozen=True, slots=True)
class EyeLight:
    """Shade and catchlight of one eye in a photo."""

    middle: float  # column of the plate in the middle of the eye
    width: float  # of the open eye, pixels
    factors: Floats  # [3, 3]: log of the white's light: constant, slope, curve
    catchlight: Picture  # [h, w, 3]: light above that of the eyeball
    corner: Floats  # [2]: x, y of its left top corner in the plate
    centre: Floats  # [2]: of the iris, pixels of the plate
    radius: float  # of the iris, pixels

    @property
    def white(self) -> Floats:
        """Return the light ``[3]`` of the white in the middle, without shade."""
        return np.asarray(np.exp(self.factors[0]))

    def shade(self, eye: Mask, left: float) -> Picture:
        """
        Return the light ``[h, w, 3]`` that reaches an eyeball, 1 in its middle.

        ``eye`` ``[h, w]`` is where the eyeball is seen; ``left`` is the first column.
        """
        x = left + np.arange(eye.shape[1]) + 0.5
        terms = _terms((x - self.middle) / self.width)
        across = np.exp((terms[:, 1:] @ self.factors[1:]).clip(*_SLOPE))
        lids = lid_shade(eye, self.width)
        return np.asarray(lids[..., None] * across, np.float32)

    def catchlights(self, points: Floats, centre: Floats) -> Picture:
        """Return the catchlight at pixels ``[n, 2]`` for an iris at ``centre``."""
        moved = points - _FOLLOWS * (centre - self.centre)
        light = sample(self.catchlight, moved - self.corner)
        inside = (
            (moved >= self.corner)
            & (moved < self.corner + self.catchlight.shape[1::-1])
        ).all(-1)
        low, high = _CORNEA
        off = np.linalg.norm(points - centre, axis=-1) / self.radius
        shown = np.clip((high - off) / (high - low), 0, 1) * inside
        return np.asarray(light * shown[..., None], np.float32)


def lid_shade(eye: Mask, width: float) -> Picture:
    """Return the light ``[h, w]`` that lids leave on an eye that is ``width`` wide."""
    above = np.maximum(np.cumsum(eye, 0) - 0.5, 0) / width
    below = np.maximum(np.cumsum(eye[::-1], 0)[::-1] - 0.5, 0) / width
    upper = 1 - _UPPER_DEPTH * np.exp(-((above / _UPPER_REACH) ** 2))
    lower = 1 - _LOWER_DEPTH * np.exp(-((below / _LOWER_REACH) ** 2))
    return blur(upper * lower, _SOFT_PX)


def fit_white(
    photo: Picture, eye: Mask, white: Mask, x: Floats, width: float
) -> Floats:
    """
    Return the log of the white's light: constant, slope and curve across, ``[3, 3]``.

    ``photo`` ``[h, w, 3]`` is linear light, ``eye`` ``[h, w]`` where the eyeball is
    seen and ``white`` where it is white; ``x`` ``[w]`` is -0.5..0.5.
    """
    shade = np.maximum(lid_shade(eye, width), LEAST_SHADE)
    logs = np.log(np.maximum((photo / shade[..., None])[white], _DARK))
    columns = np.broadcast_to(x, eye.shape)[white]
    if len(columns) < _MIN_WHITE:
        return np.stack([np.median(logs, 0), np.zeros(3), np.zeros(3)])
    return _across(logs, columns)


def _across(logs: Floats, x: Floats) -> Floats:
    """Return constant, slope and curve of logs ``[n, 3]`` at ``x`` ``[n]``."""
    kept, terms, light = np.ones(len(x), bool), _terms(x), logs.mean(1)
    for _ in range(3):
        own = terms[kept]
        left = own.T @ own + np.diag(_DAMPING * len(own))
        across = np.linalg.solve(left, own.T @ light[kept])
        below = terms @ across - light
        kept = below < max(_BELOW, float(np.median(below)))
    level = np.percentile(-below[kept], _BRIGHT)
    white = kept & (-below >= level)
    colour = np.median((logs - light[:, None])[white], 0)
    constant = across[0] + level + colour
    return np.concatenate([constant[None], across[1:, None].repeat(3, 1)])


def _terms(x: np.ndarray) -> Floats:
    return np.stack([np.ones_like(x), x, x * x], -1)


def catchlight(light: Picture, plain: Picture, near: Mask) -> tuple[Mask, Picture]:
    """
    Return where catchlights are ``[h, w]``, and their light ``[h, w, 3]``.

    ``light`` is that of the photo, ``plain`` that of the iris' rings, ``near`` the part
    of the iris that is seen.
    """
    above = light.mean(-1) - plain.mean(-1)
    strong = above > np.maximum(_CATCH_LIGHT, (_CATCH_RATIO - 1) * plain.mean(-1))
    mask = grown(strong & near, 2) & grown(near, 1)
    soft = blur(mask.astype(np.float32), 0.7)[..., None]
    return mask, np.asarray(np.maximum(light - plain, 0) * soft, np.float32)
