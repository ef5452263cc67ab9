"""
Shapes as coverage masks: 0 outside, 1 inside, anti-aliased in between.

Two kinds. Masks on a `Layer` are painted once, at load. Bands between height curves
(`below`, `band`) are cheap enough for every frame.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

Point = tuple[float, float]
_ROWS_PER_PIXEL = 4  # vertical samples of a path; horizontally coverage is exact


def rgb(colour: str) -> tuple[float, float, float]:
    """``"#rrggbb"`` -> 0..1 each."""
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red, green, blue


def mix(a: str, b: str, share: float) -> str:
    """The colour ``share`` of the way from ``a`` to ``b``."""
    pairs = zip(rgb(a), rgb(b), strict=True)
    return "#" + "".join(f"{round(255 * (p + (q - p) * share)):02x}" for p, q in pairs)


def smoothstep(edge0: float, edge1: float, x: Tensor) -> Tensor:
    """0 at ``edge0``, 1 at ``edge1``, flat at both ends."""
    t = ((x - edge0) / (edge1 - edge0)).clamp(0, 1)
    return t * t * (3 - 2 * t)


def below(y: Tensor, edge: Tensor, scale: float) -> Tensor:
    """
    Coverage of what lies under a height curve (larger ``y`` is lower).

    ``edge`` ``[B, h, w]``: height of the curve at each pixel, in units; ``scale``:
    pixels to the unit. Where the curve is steep its edge is no sharper than elsewhere.
    """
    return ((y - edge) * _sharpness(edge, scale)).add_(0.5).clamp_(0, 1)


def stroke(y: Tensor, middle: Tensor, half: Tensor, scale: float) -> Tensor:
    """Coverage within ``half`` units of a height curve, all ``[B, h, w]``."""
    sharp = _sharpness(middle, scale)
    far = ((y - middle) * sharp).add_(0.5)
    reach = half * sharp
    return band((far + reach).clamp_(0, 1), (far - reach).clamp_(0, 1))


def flat_below(y: Tensor, edge: Tensor, scale: float) -> Tensor:
    """`below` for a curve that is nearly level, at a third of the price."""
    return ((y - edge) * scale).add_(0.5).clamp_(0, 1)


def band(upper: Tensor, lower: Tensor) -> Tensor:
    """Coverage between two curves, from what lies below each of them."""
    return (upper - lower).clamp_(min=0)


def _sharpness(edge: Tensor, scale: float) -> Tensor:
    """Coverage per unit of height across a curve ``[B, h, w]``."""
    slope = torch.empty_like(edge)
    torch.sub(edge[..., 2:], edge[..., :-2], out=slope[..., 1:-1])
    slope[..., 0], slope[..., -1] = slope[..., 1], slope[..., -2]
    return slope.mul_(slope).mul_(0.25).add_(1 / (scale * scale)).rsqrt_()


def within(x: Tensor, half: Tensor | float, scale: float) -> Tensor:
    """Coverage of ``|x| < half``."""
    return ((half - x.abs()) * scale + 0.5).clamp_(0, 1)


class Layer:
    """
    A picture painted at load: premultiplied RGB and alpha over a rectangle of units.

    Masks are ``[h, w]`` and belong to the sheet that made them.
    Sizes in pixels are even.
    """

    def __init__(
        self, left: float, top: float, width: float, height: float, scale: float
    ) -> None:
        columns, rows = (2 * math.ceil(n * scale / 2) for n in (width, height))
        self.left, self.top, self.scale = left, top, scale
        self.width, self.height = columns / scale, rows / scale
        self.x = (left + (torch.arange(columns) + 0.5) / scale)[None]  # [1, w]
        self.y = (top + (torch.arange(rows) + 0.5) / scale)[:, None]  # [h, 1]
        self.rgb = torch.zeros(3, rows, columns)
        self.alpha = torch.zeros(rows, columns)

    def fill(self, mask: Tensor, colour: str, opacity: float = 1.0) -> None:
        """Lay ``colour`` over what is there."""
        mask = mask * opacity
        paint = torch.tensor(rgb(colour)).view(3, 1, 1)
        self.rgb = torch.lerp(self.rgb, paint, mask)
        self.alpha = torch.lerp(self.alpha, torch.ones(()), mask)

    def tint(self, mask: Tensor, colour: str, opacity: float = 1.0) -> None:
        """Like `fill`, but only where there is something already."""
        self.fill(mask * self.alpha, colour, opacity)

    def path(self, points: Sequence[Point]) -> Tensor:
        """Mask of the smooth closed curve through ``points``."""
        return self.polygon(_smooth(points))

    def ellipse(self, x: float, y: float, rx: float, ry: float) -> Tensor:
        """Mask of an ellipse."""
        steps = (math.tau * i / 96 for i in range(96))
        return self.polygon(
            [(x + rx * math.cos(a), y + ry * math.sin(a)) for a in steps]
        )

    def glow(self, x: float, y: float, rx: float, ry: float) -> Tensor:
        """A soft spot: 1 in the middle, fading to 0 at the radii."""
        far = ((self.x - x) / rx) ** 2 + ((self.y - y) / ry) ** 2
        return (1 - far).clamp(min=0) ** 2

    def polygon(self, points: Sequence[Point]) -> Tensor:
        """
        Mask of a closed polygon.

        Each edge adds its winding to the pixel where it crosses a row, shared between
        two neighbours by where in the pixel it crosses; a running sum fills the inside.
        """
        rows, columns = self.alpha.shape
        start = torch.tensor(points)
        x0, y0 = ((start - torch.tensor([self.left, self.top])) * self.scale).T
        x1, y1 = x0.roll(-1), y0.roll(-1)
        samples = (torch.arange(rows * _ROWS_PER_PIXEL) + 0.5) / _ROWS_PER_PIXEL
        at = samples[:, None]
        row, edge = torch.nonzero((y0 <= at) != (y1 <= at), as_tuple=True)
        share = (samples[row] - y0[edge]) / (y1 - y0)[edge]
        cross = (x0[edge] + share * (x1 - x0)[edge]).clamp(0, columns)
        sign = torch.where(y1 > y0, 1.0, -1.0)[edge] / _ROWS_PER_PIXEL
        pixel = cross.floor()
        late = cross - pixel
        slot = (row // _ROWS_PER_PIXEL) * (columns + 2) + pixel.long()
        size = rows * (columns + 2)
        winding = torch.bincount(slot, sign * (1 - late), size)
        winding += torch.bincount(slot + 1, sign * late, size)
        filled = winding.view(rows, columns + 2).cumsum(1)[:, :columns]
        return filled.abs().clamp(0, 1).float()

    def soft(self, mask: Tensor, radius: float) -> Tensor:
        """``mask`` blurred; ``radius`` in units."""
        half = max(1, round(radius * self.scale / 2))
        for _ in range(2):
            mask = _box_mean(_box_mean(mask, half).T, half).T
        return mask

    def moved(self, mask: Tensor, dx: float, dy: float) -> Tensor:
        """``mask`` shifted by whole pixels nearest to ``dx, dy`` units."""
        steps = (round(dy * self.scale), round(dx * self.scale))
        return mask.roll(steps, (0, 1))


def _box_mean(mask: Tensor, half: int) -> Tensor:
    """Mean over ``2 * half + 1`` neighbours of a row; the edges go on for ever."""
    wide = F.pad(mask[None], (half + 1, half), mode="replicate")[0]
    total = wide.double().cumsum(1)
    span = 2 * half + 1
    return ((total[:, span:] - total[:, :-span]) / span).float()


def mirrored(right: Sequence[Point]) -> list[Point]:
    """A closed outline from its right half, given from top to bottom."""
    left = [(-x, y) for x, y in reversed(right) if x > 0]
    return [*right, *left]


def _smooth(points: Sequence[Point], steps: int = 12) -> list[Point]:
    """Closed centripetal-like Catmull-Rom curve through ``points``."""
    count = len(points)
    curve: list[Point] = []
    for i in range(count):
        p0, p1, p2, p3 = (points[(i + k) % count] for k in (-1, 0, 1, 2))
        for step in range(steps):
            t = step / steps
            curve.append(
                (
                    _catmull(p0[0], p1[0], p2[0], p3[0], t),
                    _catmull(p0[1], p1[1], p2[1], p3[1], t),
                )
            )
    return curve


def _catmull(a: float, b: float, c: float, d: float, t: float) -> float:
    return b + 0.5 * t * (
        c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a))
    )
