"""
Eyes and brows, drawn for every frame.

Both eyes are one drawing in mirrored coordinates: ``x`` grows outwards from the middle
of each eye. Units are those of `renderer.cartoon.head`; y points down.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from renderer.cartoon.body import SHADE
from renderer.cartoon.controls import Controls, Table
from renderer.cartoon.shapes import band, below, mix, rgb, stroke, within
from renderer.cartoon.style import Style
from renderer.yuv import rgb_to_ycbcr

CENTRE_X, CENTRE_Y = 39.0, -6.0
BOUNDS = (-73.0, -60.0, 73.0, 14.0)  # left, top, right, bottom on the head
_HALF_WIDTH = 23.5  # of an eye
_IRIS_RADIUS = 12.2


def _sided(
    name: str, rest: float, row: dict[str, float]
) -> dict[str, dict[str, float]]:
    """Return a row for the mean of both eyes and one for half their difference."""
    difference = {}
    for weight, amount in row.items():
        difference[weight + "Left"] = amount / 2
        difference[weight + "Right"] = -amount / 2
    return {name: {"rest": rest, **row}, name + "_side": difference}


_TABLE: Table = {
    **_sided("open", 14.2, {"eyeBlink": -22, "eyeWide": 3.6, "eyeSquint": -2.0}),
    **_sided("under", 9.4, {"eyeBlink": -1.6, "eyeSquint": -4.2, "cheekSquint": -2.5,
                            "mouthSmile": -1.4, "eyeWide": 0.6}),
    **_sided("blink", 0, {"eyeBlink": 1}),
    **_sided("inner", 0, {"browDown": -8}),
    **_sided("outer", 0, {"browOuterUp": 8, "browDown": -4.5}),
    "knit": {"browDown": 3.5, "browInnerUp": 1.0},
    "inner_up": {"browInnerUp": 9, "eyeWide": 1.5},
    "outer_up": {"browInnerUp": 2.5, "eyeWide": 1.5},
    "look_x": {"gazeX": 8.2, "eyeLookOutLeft": 4.1, "eyeLookInRight": 4.1,
               "eyeLookInLeft": -4.1, "eyeLookOutRight": -4.1},
    "look_y": {"gazeY": -5.0, "eyeLookUp": -5.0, "eyeLookDown": 5.0},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Eye:
    """Both eyes of a batch; every field is ``[B, h, w]``."""

    x: Tensor
    y: Tensor
    side: Tensor  # +1 in the right half of the image, else -1
    t: Tensor  # x over half the eye's width, -1..1
    upper: Tensor  # height of the upper lid
    lower: Tensor  # height of the lower lid
    opening: Tensor  # coverage 0..1


class Eyes:
    """Renderer of the eyes and brows of one style."""

    def __init__(self, style: Style, scale: float, device: torch.device) -> None:
        self._style, self._scale = style, scale
        self._controls = Controls(_TABLE, device)
        dark = mix(style.hair, "#1c0f14", 0.7)
        skin_dark = mix(style.skin, SHADE, 0.5)
        colours = (
            skin_dark,  # shadow on the upper lid
            "#f6f2ef",  # white of the eye
            mix(style.iris, "#120a14", 0.6),  # rim of the iris
            style.iris,
            mix(style.iris, "#ffffff", 0.38),  # light through the iris
            "#150c12",  # pupil
            "#3a2440",  # shadow of the upper lid on the eye
            "#ffffff",  # catchlight
            skin_dark,  # line of the lower lid
            mix(style.skin, SHADE, 0.6),  # crease
            dark,  # lashes
            style.brows,
        )
        self.colours = rgb_to_ycbcr(torch.tensor([rgb(c) for c in colours])).to(device)

    def shapes(self, faces: Tensor, u: Tensor, v: Tensor) -> list[Tensor]:
        """
        Return the coverage ``[B, h, w]`` of each shape, lowest first.

        `colours` has the colour of each shape. ``faces`` is ``[B, 57]``; ``u`` and
        ``v`` ``[B, h, w]`` are the positions on the head that the pixels show.
        """
        a = self._controls(faces)
        eye = self._eye(a, u, v)
        return [*self._ball(eye, a), *self._lids(eye), self._brow(eye, a)]

    def _eye(self, a: dict[str, Tensor], u: Tensor, v: Tensor) -> _Eye:
        side = torch.where(u > 0, 1.0, -1.0)
        x, y = u.abs() - CENTRE_X, v - CENTRE_Y
        t = (x / _HALF_WIDTH).clamp(-1, 1)
        arch = (1 - t * t) * (1 + 0.42 * t * t)
        follow = 0.55 * a["look_y"]  # lids follow the gaze
        open_by = a["open"] - follow * (1 - a["blink"]) + side * a["open_side"]
        under = a["under"] + 0.4 * follow * (1 - a["blink"]) + side * a["under_side"]
        under = under.clamp(min=1.5)
        tilt = -1.6 * t
        upper = tilt - torch.maximum(open_by, -under) * arch
        lower = tilt + under * arch
        s = self._scale
        opening = band(below(y, upper, s), below(y, lower, s)) * within(
            x, _HALF_WIDTH, s
        )
        return _Eye(x, y, side, t, upper, lower, opening)

    def _ball(self, e: _Eye, a: dict[str, Tensor]) -> list[Tensor]:
        s = self._scale
        x = e.x - e.side * a["look_x"]
        y = e.y - a["look_y"] + 1.2
        distance = (x * x + y * y).sqrt_()
        iris = ((_IRIS_RADIUS - distance) * s + 0.5).clamp(0, 1) * e.opening
        inner = ((_IRIS_RADIUS - 1.7 - distance) * s * 0.6 + 0.5).clamp(
            0, 1
        ) * e.opening
        shine = (1 - (x / 8.5) ** 2 - ((y - 4.6) / 5.2) ** 2).clamp(min=0) * e.opening
        pupil = ((5.3 - distance) * s + 0.5).clamp(0, 1) * e.opening
        shade = (1 - (e.y - e.upper) / 9).clamp(0, 1) * e.opening
        across, high = x * e.side + 4.4, y + 4.6
        spot = (across * across + high * high).sqrt_()
        light = ((3.4 - spot) * s + 0.5).clamp(0, 1)
        across, high = x * e.side - 4.6, y - 4.8
        spot = (across * across + high * high).sqrt_()
        light = light + 0.55 * ((1.5 - spot) * s + 0.5).clamp(0, 1)
        above = (e.upper - e.y).clamp(min=0)
        lid = (1 - above / 9) * (above > 0) * (1 - e.t * e.t)
        lid = lid.clamp(min=0) * within(e.x, _HALF_WIDTH, s) * 0.35
        return [lid, e.opening, iris, inner, 0.8 * shine, pupil, 0.30 * shade,
                light * e.opening]  # fmt: skip

    def _lids(self, e: _Eye) -> list[Tensor]:
        s = self._scale
        reach = within(e.x, _HALF_WIDTH + 0.5, s)
        lower = stroke(e.y, e.lower + 0.4, torch.full_like(e.t, 0.55), s) * reach
        outward = ((e.t + 0.8) / 1.8).clamp(0, 1)
        thick = 1.15 + 1.0 * outward
        beyond = (e.x - _HALF_WIDTH).clamp(min=0)
        wing = 5.5 * self._style.lashes
        thick = thick * (1 - beyond / (wing + 0.8)).clamp(min=0)
        line = e.upper - 0.75 * beyond - 0.3
        ends = ((e.x + _HALF_WIDTH + 0.6) * s + 0.5).clamp(0, 1)
        lash = stroke(e.y, line, thick, s) * ends
        crease_at = e.upper - 5.2 - 1.4 * (1 - e.t * e.t)
        crease = stroke(e.y, crease_at, torch.full_like(e.t, 0.75), s)
        crease = (
            crease * (1 - (e.t * 1.02) ** 4).clamp(min=0) * within(e.x, _HALF_WIDTH, s)
        )
        return [0.45 * lower, 0.5 * crease, lash]

    def _brow(self, e: _Eye, a: dict[str, Tensor]) -> Tensor:
        x = e.x + a["knit"]
        along = ((x + 21) / 46).clamp(0, 1)  # 0 at the nose, 1 at the temple
        inner = a["inner_up"] + a["inner"] + e.side * a["inner_side"]
        outer = a["outer_up"] + a["outer"] + e.side * a["outer_side"]
        arch = 6.0 - 15 * (along - 0.56) ** 2
        raised = inner + (outer - inner) * along
        middle = -27.5 - arch - raised
        weight = self._style.brow_weight
        thick = weight * (1 - 0.74 * along * along)
        begin = (along * 5).clamp(max=1)
        thick = thick * (0.15 + 0.85 * begin * (2 - begin))
        ends = (((x + 21) * self._scale + 0.5).clamp(0, 1)) * (
            ((25 - x) * self._scale + 0.5).clamp(0, 1)
        )
        return stroke(e.y, middle, thick, self._scale) * ends
