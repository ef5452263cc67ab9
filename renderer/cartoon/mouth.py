"""
Mouth: lips, teeth, tongue and the dark inside, drawn for every frame.

Every shape is a band between height curves over the width of the mouth. Units are those
of `renderer.cartoon.head`. The origin is the middle of the closed lips; y points down.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from renderer.cartoon.body import SHADE
from renderer.cartoon.controls import Controls, Table
from renderer.cartoon.shapes import (
    band,
    below,
    flat_below,
    mix,
    rgb,
    smoothstep,
    stroke,
    within,
)
from renderer.cartoon.style import Style
from renderer.yuv import rgb_to_ycbcr

CENTRE_Y = 70.0
BOUNDS = (-60.0, 46.0, 60.0, 140.0)  # left, top, right, bottom on the head
_TEETH_EDGE = 6.5  # lower edge of the upper teeth, which do not move with the jaw
_CORNER_WIDTH = 3.5  # of the lips at each side of the opening

_TABLE: Table = {
    "half_width": {
        "rest": 32, "mouthStretch": 10, "mouthSmile": 7, "mouthPucker": -15,
        "mouthFunnel": -11, "jawOpen": -2, "mouthPress": 4, "mouthDimple": 3,
    },
    "lift": {
        "rest": 4.2, "mouthSmile": 9, "mouthFrown": -9, "mouthDimple": 2,
        "mouthPress": 0.5, "mouthPucker": -2, "mouthFunnel": -2,
    },
    "skew": {
        "mouthSmileLeft": 4.5, "mouthSmileRight": -4.5,
        "mouthFrownLeft": -4.5, "mouthFrownRight": 4.5,
    },
    "aside": {"mouthLeft": 9, "mouthRight": -9, "jawLeft": 4, "jawRight": -4},
    "drop": {"mouthClose": 10, "mouthShrugLower": -3, "mouthShrugUpper": -3},
    "rise": {
        "jawOpen": 7, "mouthClose": -7, "mouthUpperUp": 7, "mouthFunnel": 3.5,
        "noseSneer": 2, "mouthRollUpper": -1.5,
    },
    "fall": {
        "jawOpen": 40, "mouthClose": -40, "mouthLowerDown": 11, "mouthFunnel": 4,
        "mouthRollLower": -3, "mouthPress": -2,
    },
    "upper": {
        "rest": 7.6, "mouthRollUpper": -6.5, "mouthPress": -3.2, "mouthPucker": 3,
        "mouthFunnel": 2, "mouthSmile": -1.6, "mouthStretch": -1.4, "jawOpen": -1,
        "mouthUpperUp": -1,
    },
    "lower": {
        "rest": 10.4, "mouthRollLower": -7.5, "mouthPress": -4, "mouthPucker": 3.5,
        "mouthFunnel": 2.5, "mouthSmile": -1.8, "mouthStretch": -1.6,
        "mouthShrugLower": 2, "jawOpen": -1,
    },
    "round": {
        "rest": 0.85, "jawOpen": -0.3, "mouthPucker": -0.35, "mouthFunnel": -0.3,
        "mouthStretch": 0.05,
    },
    "teeth": {"rest": 1, "mouthPucker": -1.1, "mouthFunnel": -0.7},
    "smile": {"mouthSmile": 1, "mouthDimple": 0.4},
    "tongue": {"tongueOut": 1},
    "jaw": {"jawOpen": 1, "mouthClose": -1},
    "bite": {"mouthRollLower": 1, "mouthRollUpper": -1.2, "mouthPress": -1.2},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Curves:
    """Mouths of a batch: height curves ``[B, h, w]``, and amounts ``[B, 1, 1]``."""

    x: Tensor
    y: Tensor
    t: Tensor  # x over half the width of the opening, -1..1
    middle: Tensor  # line where closed lips meet
    top: Tensor  # outer edge of the upper lip
    upper: Tensor  # inner edge of the upper lip
    lower: Tensor  # inner edge of the lower lip
    bottom: Tensor  # outer edge of the lower lip
    under_upper: Tensor  # coverage of the area below the inner edge of the upper lip
    half_width: Tensor  # of the opening, [B, 1, 1]
    gap: Tensor  # greatest height of the opening, [B, 1, 1]
    amounts: dict[str, Tensor]  # by names of _TABLE, [B, 1, 1]


class Mouth:
    """Renderer of the mouth of one style."""

    def __init__(self, style: Style, scale: float, device: torch.device) -> None:
        self._scale, self._weight = scale, style.lip_weight
        self._controls = Controls(_TABLE, device)
        dark = mix(style.lips, "#3a0d1c", 0.62)
        colours = (
            mix(style.skin, SHADE, 0.5),  # shadow under the lower lip
            mix(style.skin, SHADE, 0.55),  # folds beside a smile
            style.lips,
            mix(style.lips, "#5a1830", 0.24),  # upper lip
            mix(style.lips, "#fff0ea", 0.55),  # shine
            "#43101c",  # inside of the mouth
            "#d9d2cc",  # lower teeth
            "#c9545f",  # tongue
            "#a53d4c",  # furrow of the tongue
            "#fbf8f4",  # upper teeth
            "#43101c",  # shadow of the upper lip
            dark,  # line between closed lips
            "#d9616b",  # tip of the tongue
        )
        self.colours = rgb_to_ycbcr(torch.tensor([rgb(c) for c in colours])).to(device)

    def shapes(self, faces: Tensor, u: Tensor, v: Tensor) -> list[Tensor]:
        """
        Return the coverage ``[B, h, w]`` of each shape, lowest first.

        `colours` has the colour of each shape. ``faces`` is ``[B, 57]``; ``u`` and
        ``v`` ``[B, h, w]`` are the positions on the head that the pixels show.
        """
        curves = self._curves(faces, u, v)
        return [
            *self._around(curves),
            *self._lips(curves),
            *self._inside(curves),
            self._line(curves),
            self._tip(curves),
        ]

    def _curves(self, faces: Tensor, u: Tensor, v: Tensor) -> _Curves:
        a = self._controls(faces)
        bite = a["bite"].clamp(0, 1)
        half = a["half_width"].clamp(11, 46)
        rise = a["rise"].clamp(0, 14) + 4.5 * bite
        fall = a["fall"].clamp(0, 46)
        # A biting lower lip touches the upper teeth.
        fall = fall + (_TEETH_EDGE - 1.5 - fall) * bite
        x, y = u - a["aside"].clamp(-9, 9), v - CENTRE_Y
        t = (x / half).clamp(-1, 1)
        swell = (1 - t * t).pow(a["round"].clamp(0.45, 1.0))
        outer = (x / (half + _CORNER_WIDTH)).clamp(-1, 1)
        outer = 1 - outer * outer
        dip, peak = t * 5.9, (t.abs() - 0.3) * 5
        bow = 1 - 0.34 * torch.exp(-dip * dip) + 0.12 * torch.exp(-peak * peak)
        middle = a["drop"] - (a["lift"] + a["skew"] * t) * t * t + 0.12 * a["lift"]
        upper, lower = middle - rise * swell, middle + fall * swell.pow(0.7)
        upper_lip = (a["upper"] * self._weight).clamp(min=1.6) * outer * bow
        lower_lip = (a["lower"] * self._weight).clamp(min=2.4) * outer
        return _Curves(
            x=x, y=y, t=t, middle=middle,
            top=upper - upper_lip,
            upper=upper, lower=lower,
            bottom=lower + lower_lip * (1.5 - 0.5 * outer),
            under_upper=below(y, upper, self._scale), half_width=half,
            gap=rise + fall, amounts=a,
        )  # fmt: skip

    def _around(self, c: _Curves) -> list[Tensor]:
        """Return the soft shadow under the lower lip, and the folds of a smile."""
        depth = c.y - c.bottom
        shade = (1 - (c.x / (0.75 * c.half_width)) ** 2).clamp(min=0)
        shade = shade * (1 - ((depth - 5) / 8) ** 2).clamp(min=0)
        corner = c.x.abs() - c.half_width - 5.5
        rise = c.y - c.middle + 2
        fold = (1 - (corner / 4.5) ** 2 - (rise / 8) ** 2).clamp(min=0)
        return [0.5 * shade, fold * (0.08 + 0.2 * c.amounts["smile"].clamp(0, 1))]

    def _lips(self, c: _Curves) -> list[Tensor]:
        s = self._scale
        wide = within(c.x, c.half_width + _CORNER_WIDTH, s)
        top = below(c.y, c.top, s)
        both = band(top, below(c.y, c.bottom, s)) * wide
        upper = band(top, c.under_upper) * wide
        height = (c.bottom - c.lower).clamp(min=1)
        at = ((c.y - c.lower) / height - 0.45) * 2.4
        across = c.t * 1.6
        shine = (1 - at * at - across * across).clamp_(min=0)
        return [both, upper, 0.5 * shine]

    def _inside(self, c: _Curves) -> list[Tensor]:
        """
        Return the shapes of the open mouth, lowest first.

        They are the dark inside, lower teeth, tongue, furrow, upper teeth and the
        shadow of the upper lip.
        """
        s = self._scale
        opening = band(c.under_upper, below(c.y, c.lower, s))
        opening *= within(c.x, c.half_width, s)
        bend = c.t * c.t
        jaw = 32 * c.amounts["jaw"].clamp(0, 1)
        out = c.amounts["tongue"].clamp(0, 1)
        hidden = 1 - c.amounts["teeth"].clamp(0, 1)  # by lips that are pushed forward
        low = flat_below(c.y, c.middle + 3 * bend + (jaw + 7.5 + 14 * hidden), s)
        low *= within(c.x, 0.72 * c.half_width, s) * (1 - out)
        high = 1 - flat_below(
            c.y, 0.5 * c.middle - 3.5 * bend + (_TEETH_EDGE - 14 * hidden), s
        )
        high *= within(c.x, 0.9 * c.half_width, 0.2 * s)
        tongue, furrow = self._tongue(c, out)
        dim = ((c.upper - c.y) * 0.125 + 1).clamp_(0, 1)
        return [
            opening,
            low * opening,
            tongue * opening,
            furrow * opening,
            high * opening,
            0.42 * dim * opening,
        ]

    def _tongue(self, c: _Curves, out: Tensor) -> tuple[Tensor, Tensor]:
        """
        Return the tongue and its furrow.

        At rest the tongue lies in the lower jaw. When it comes out, it is lifted to
        the upper teeth.
        """
        hump = 23 * c.t * c.t
        rest = torch.maximum(0.42 * c.gap, c.gap - 21)
        lifted = (1.6 * out).clamp(max=1)
        top = c.middle + hump + rest + (_TEETH_EDGE - rest) * lifted
        tongue = below(c.y, top, self._scale)
        tongue *= within(c.x, 0.74 * c.half_width, self._scale)
        tongue *= 0.35 + 0.65 * smoothstep(3, 12, c.gap)
        furrow = (1 - (c.x * 0.4) ** 2).clamp_(min=0) * tongue
        return tongue, 0.5 * furrow

    def _line(self, c: _Curves) -> Tensor:
        """Return the line of closed lips; an open mouth keeps it at the corners."""
        half = 1.3 - 0.75 * c.t * c.t
        reach = within(c.x, c.half_width + 2.2, self._scale)
        shut = 1 - ((c.lower - c.upper) * 0.4).clamp_(0, 1)
        return stroke(c.y, c.middle, half, self._scale) * reach * shut

    def _tip(self, c: _Curves) -> Tensor:
        """Return the tip of the tongue, which lies over the lower lip."""
        out = c.amounts["tongue"].clamp(0, 1)
        half = 0.5 * c.half_width
        bend = c.x / half
        end = c.lower + 20 * (out - 0.2).clamp(min=0) - 10 * bend * bend
        start = c.middle + _TEETH_EDGE + 5 * bend * bend
        tip = band(
            below(c.y, start, self._scale),
            below(c.y, torch.maximum(end, start), self._scale),
        )
        return tip * within(c.x, half, self._scale) * (out * 5).clamp(max=1)
