"""
The mouth: lips, teeth, tongue and what is dark between them, drawn for every frame.

Everything is a band between height curves over the width of the mouth.
Units as in `renderer.head`, from the middle of the closed lips; y down.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from renderer.body import SHADE
from renderer.compose import codes
from renderer.controls import Controls, Table
from renderer.look import Look
from renderer.shapes import band, below, mix, rgb, smoothstep, within

CENTRE_Y = 70.0
REACH = (-56.0, 42.0, 56.0, 142.0)  # left, top, right, bottom on the head
_TEETH_EDGE = 6.5  # lower edge of the upper teeth: they belong to the skull
_CORNER = 3.5  # how far the lips reach beyond the opening

_TABLE: Table = {
    "half_width": {
        "rest": 32, "mouthStretch": 10, "mouthSmile": 7, "mouthPucker": -15,
        "mouthFunnel": -11, "jawOpen": -2, "mouthPress": 2, "mouthDimple": 3,
    },
    "lift": {
        "rest": 2.6, "mouthSmile": 9, "mouthFrown": -9, "mouthDimple": 2,
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
        "jawOpen": 40, "mouthClose": -40, "mouthLowerDown": 8, "mouthFunnel": 4,
        "mouthRollLower": -3, "mouthPress": -2,
    },
    "upper": {
        "rest": 7.6, "mouthRollUpper": -5.5, "mouthPress": -2.2, "mouthPucker": 3,
        "mouthFunnel": 2, "mouthSmile": -1.6, "mouthStretch": -1.4, "jawOpen": -1,
        "mouthUpperUp": -1,
    },
    "lower": {
        "rest": 10.4, "mouthRollLower": -6.5, "mouthPress": -3, "mouthPucker": 3.5,
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
    """The mouth of one batch as height curves ``[B, h, w]``, and amounts."""

    x: Tensor
    y: Tensor
    t: Tensor  # x over the half width of the opening
    middle: Tensor
    top: Tensor  # outer edge of the upper lip
    upper: Tensor  # its inner edge
    lower: Tensor
    bottom: Tensor
    half_width: Tensor  # [B, 1, 1], as are those below
    gap: Tensor
    amounts: dict[str, Tensor]


class Mouth:
    """Draws mouths of one look."""

    def __init__(self, look: Look, scale: float, device: torch.device) -> None:
        self._scale = scale
        self._controls = Controls(_TABLE, device)
        dark = mix(look.lips, "#3a0d1c", 0.62)
        colours = (
            mix(look.skin, SHADE, 0.5),  # under the lip
            mix(look.skin, SHADE, 0.55),  # folds beside a smile
            look.lips,
            mix(look.lips, "#5a1830", 0.24),  # upper lip
            mix(look.lips, "#fff0ea", 0.55),  # shine
            "#43101c",  # inside
            "#d9d2cc",  # lower teeth
            "#c9545f",  # tongue
            "#a53d4c",  # its furrow
            "#fbf8f4",  # upper teeth
            "#43101c",  # shade of the upper lip
            dark,  # line of the lips
            "#d9616b",  # tip of the tongue
        )
        self.paint = codes(torch.tensor([rgb(c) for c in colours])).to(device)

    def shapes(self, faces: Tensor, u: Tensor, v: Tensor) -> list[Tensor]:
        """
        Coverage ``[B, h, w]`` of each shape, lowest first, for `paint`.

        ``faces`` ``[B, 57]``; ``u``, ``v`` ``[B, h, w]``: each pixel on the head.
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
        half = a["half_width"].clamp(min=11)
        rise = a["rise"].clamp(min=0) + 4.5 * bite
        fall = a["fall"].clamp(min=0)
        fall = fall + (_TEETH_EDGE - 1.5 - fall) * bite  # the lip meets the teeth
        x, y = u - a["aside"], v - CENTRE_Y
        t = (x / half).clamp(-1, 1)
        swell = (1 - t * t).pow(a["round"].clamp(0.45, 1.0))
        outer = 1 - (x / (half + _CORNER)).clamp(-1, 1) ** 2
        bow = (
            1
            - 0.34 * torch.exp(-((t / 0.17) ** 2))
            + 0.12 * torch.exp(-(((t.abs() - 0.3) / 0.2) ** 2))
        )
        middle = a["drop"] - (a["lift"] + a["skew"] * t) * t * t + 0.12 * a["lift"]
        upper, lower = middle - rise * swell, middle + fall * swell
        return _Curves(
            x=x, y=y, t=t, middle=middle,
            top=upper - a["upper"].clamp(min=1.6) * outer * bow,
            upper=upper, lower=lower,
            bottom=lower + a["lower"].clamp(min=2.4) * outer.pow(0.72),
            half_width=half, gap=rise + fall, amounts=a,
        )  # fmt: skip

    def _around(self, c: _Curves) -> list[Tensor]:
        """Soft shade under the lower lip, and folds beside a smile."""
        depth = c.y - c.bottom
        shade = (1 - (c.x / (0.75 * c.half_width)) ** 2).clamp(min=0)
        shade = shade * (1 - ((depth - 5) / 8) ** 2).clamp(min=0)
        corner = c.x.abs() - c.half_width - 6
        rise = c.y - c.middle + 2
        fold = (1 - (corner / 6) ** 2 - (rise / 11) ** 2).clamp(min=0)
        return [0.5 * shade, fold * (0.22 + 0.35 * c.amounts["smile"].clamp(0, 1))]

    def _lips(self, c: _Curves) -> list[Tensor]:
        s = self._scale
        wide = within(c.x, c.half_width + _CORNER, s)
        top = below(c.y, c.top, s)
        both = band(top, below(c.y, c.bottom, s)) * wide
        upper = band(top, below(c.y, c.upper, s)) * wide
        height = (c.bottom - c.lower).clamp(min=1)
        at = (c.y - c.lower) / height - 0.45
        shine = (1 - (at / 0.42) ** 2 - (c.t / 0.62) ** 2).clamp(min=0)
        return [both, upper, 0.5 * shine]

    def _inside(self, c: _Curves) -> list[Tensor]:
        s, a = self._scale, c.amounts
        ceiling = below(c.y, c.upper, s)
        opening = band(ceiling, below(c.y, c.lower, s)) * within(c.x, c.half_width, s)
        showing = a["teeth"].clamp(0, 1) * opening
        round_t = c.t * c.t
        edge = c.middle * 0.5 + _TEETH_EDGE + 0.8 - 3.5 * round_t
        teeth = (1 - below(c.y, edge, s)) * within(c.x, 0.9 * c.half_width, s)
        jaw_edge = c.middle + 32 * a["jaw"].clamp(0, 1) + 7.5 + 3 * round_t
        low_teeth = below(c.y, jaw_edge, s) * within(c.x, 0.72 * c.half_width, s)
        out = a["tongue"].clamp(0, 1)
        fall = c.lower - c.middle
        rest_top = (
            c.middle + torch.maximum(0.42 * c.gap, c.gap - 21) + 9 * (1.6 * c.t) ** 2
        )
        tongue_top = rest_top + (_TEETH_EDGE - rest_top) * (1.6 * out).clamp(max=1)
        tongue = below(c.y, tongue_top, s) * within(c.x, 0.74 * c.half_width, s)
        furrow = (1 - (c.x / 2.6) ** 2).clamp(min=0) * tongue
        dim = (1 - (c.y - c.upper) / 8).clamp(0, 1) * opening
        seen = opening * (0.35 + 0.65 * smoothstep(3, 12, fall))
        return [
            opening,
            low_teeth * showing * (1 - out),
            tongue * seen,
            0.5 * furrow * seen,
            teeth * showing,
            0.42 * dim,
        ]

    def _line(self, c: _Curves) -> Tensor:
        """Where closed lips meet; of an open mouth only the corners keep it."""
        half = 0.55 + 0.75 * (1 - c.t * c.t)
        reach = within(c.x, c.half_width + 2.2, self._scale)
        stroke = band(
            below(c.y, c.middle - half, self._scale),
            below(c.y, c.middle + half, self._scale),
        )
        open_here = ((c.lower - c.upper) / 2.5).clamp(0, 1)
        return stroke * reach * (1 - open_here)

    def _tip(self, c: _Curves) -> Tensor:
        out = c.amounts["tongue"].clamp(0, 1)
        end = c.lower + 16 * (out - 0.25).clamp(min=0)
        half = 0.5 * c.half_width
        curve = end - 10 * (c.x / half) ** 2
        tip = 1 - below(c.y, curve, self._scale)
        start = below(c.y, (_TEETH_EDGE + 0 * c.middle), self._scale)
        return (
            band(start, 1 - tip)
            * within(c.x, half, self._scale)
            * (out * 5).clamp(max=1)
        )
