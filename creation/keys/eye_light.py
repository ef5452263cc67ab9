"""
Light on an eyeball: it stays with the lids and the lamps while the eyeball turns.

The white of an eye is darker below the upper lid, in its corners and on the side away
from a lamp. A catchlight is the reflection of the lamp in the cornea, whose centre lies
between iris and eyeball centre: it follows an iris half the way. The cornea also
gathers light on the far side of the iris. That glow turns with the iris, and fades as
the iris turns away from the lamp.
"""

from dataclasses import dataclass, replace

import numpy as np

from creation.arrays import Floats, Mask, Picture
from creation.images import blur, grown, sample

# Shade of lids on an eyeball: how far it reaches, of the eye's width, and how deep it
# is at the lid. Measured at both donors.
_UPPER_REACH, _LOWER_REACH = 0.09, 0.045
_UPPER_DEPTH = 0.6
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
_FOLLOWS = 0.5  # of the move of an iris: a catchlight
_GLOW_FADES = 1.5  # share of a glow that is lost per radius by which an iris turns away
_BRIGHTER = 1.3  # most that a glow grows to as an iris turns to the lamp
_CORNEA = (1.0, 1.25)  # radii between which a catchlight fades


@dataclass(frozen=True, slots=True)
class EyeLight:
    """Shade and catchlight of one eye in a photo."""

    middle: float  # column of the plate in the middle of the eye
    width: float  # of the open eye, pixels
    factors: Floats  # [3, 3]: log of the white's light: constant, slope, curve
    catchlight: Picture  # [h, w, 3]: light above that of the eyeball
    glow: Picture  # [h, w, 3]: the same on the side away from the lamp
    lamp: Floats  # [2]: direction of the lamp from the iris' centre, of length 1 or 0
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
        """Return catchlight and glow at pixels ``[n, 2]`` for an iris at ``centre``."""
        move = centre - self.centre
        away = -float(move @ self.lamp) / self.radius
        glow = min(max(1 - _GLOW_FADES * away, 0.0), _BRIGHTER)
        light = self._at(self.catchlight, points - _FOLLOWS * move)
        light += self._at(self.glow, points - move) * glow
        low, high = _CORNEA
        off = np.linalg.norm(points - centre, axis=-1) / self.radius
        shown = np.clip((high - off) / (high - low), 0, 1)
        return np.asarray(light * shown[..., None], np.float32)

    def _at(self, light: Picture, points: Floats) -> Picture:
        """Return a picture at pixels ``[n, 2]`` of the plate; 0 outside of it."""
        local = points - self.corner
        inside = ((local >= 0) & (local < light.shape[1::-1])).all(-1, keepdims=True)
        return np.asarray(sample(light, local) * inside, np.float32)

    def with_reflections(self, light: Picture) -> "EyeLight":
        """
        Return the same with the ``light`` ``[h, w, 3]`` above that of the eyeball.

        Lamps are above the eyes: the catchlight is what is there, and the glow what is
        on the other side of the iris.
        """
        rows, columns = light.shape[:2]
        x, y = np.meshgrid(np.arange(columns) + 0.5, np.arange(rows) + 0.5)
        offset = np.stack([x, y], -1) + self.corner - self.centre
        weight = light.mean(-1) ** 2 * (offset[..., 1] < 0)
        lamp = (offset * weight[..., None]).sum((0, 1))
        lamp /= max(float(np.linalg.norm(lamp)), 1e-9)
        side: Mask = offset @ lamp >= 0
        near = side[..., None]
        return replace(self, catchlight=light * near, glow=light * ~near, lamp=lamp)


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


def catchlight_mask(light: Picture, plain: Picture, near: Mask) -> Mask:
    """
    Return where catchlights are, ``[h, w]``.

    ``light`` ``[h, w, 3]`` is that of the photo, ``plain`` that of the iris' rings,
    ``near`` ``[h, w]`` the part of the iris that is seen.
    """
    more = light.mean(-1) - plain.mean(-1)
    strong = more > np.maximum(_CATCH_LIGHT, (_CATCH_RATIO - 1) * plain.mean(-1))
    return grown(strong & near, 2) & grown(near, 1)


def above(light: Picture, plain: Picture, mask: Mask) -> Picture:
    """Return the light ``[h, w, 3]`` of a photo above the ``plain`` one, in a mask."""
    soft = blur(mask.astype(np.float32), 0.7)[..., None]
    return np.asarray(np.maximum(light - plain, 0) * soft, np.float32)
