"""
Shapes as coverage masks: 0 outside, 1 inside, anti-aliased in between.

There are two kinds. Masks of a `Layer` are painted once, when the rig is made. Bands
between height curves (`below`, `band`) are cheap enough for every frame.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

Point = tuple[float, float]
_ROWS_PER_PIXEL = 4  # vertical samples of a polygon; across, coverage is exact


def rgb(colour: str) -> tuple[float, float, float]:
    """Return a colour such as ``"#1a2b3c"`` as red, green and blue in 0..1."""
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red, green, blue


def mix(a: str, b: str, ratio: float) -> str:
    """Return the linear mix of two colours: ``a`` at ratio 0, ``b`` at 1."""
    pairs = zip(rgb(a), rgb(b), strict=True)
    return "#" + "".join(f"{round(255 * (p + (q - p) * ratio)):02x}" for p, q in pairs)


def smoothstep(edge0: float, edge1: float, x: Tensor) -> Tensor:
    """Return a smooth step: 0 up to ``edge0``, 1 from ``edge1``, flat at both ends."""
    t = ((x - edge0) / (edge1 - edge0)).clamp(0, 1)
    return t * t * (3 - 2 * t)


def below(y: Tensor, edge: Tensor, scale: float) -> Tensor:
    """
    Return the coverage of the area under a height curve. Larger ``y`` is lower.

    ``edge`` ``[B, h, w]`` is the height of the curve at each pixel, in units;
    ``scale`` is pixels per unit. The edge is equally sharp where the curve is steep.
    """
    return ((y - edge) * _sharpness(edge, scale)).add_(0.5).clamp_(0, 1)


def stroke(y: Tensor, middle: Tensor, half: Tensor, scale: float) -> Tensor:
    """Return the coverage within ``half`` units of a height curve ``[B, h, w]``."""
    sharpness = _sharpness(middle, scale)
    offset = ((y - middle) * sharpness).add_(0.5)
    reach = half * sharpness
    return band((offset + reach).clamp_(0, 1), (offset - reach).clamp_(0, 1))


def flat_below(y: Tensor, edge: Tensor, scale: float) -> Tensor:
    """Return the result of `below` for a nearly level curve, in a third of the time."""
    return ((y - edge) * scale).add_(0.5).clamp_(0, 1)


def band(upper: Tensor, lower: Tensor) -> Tensor:
    """Return the coverage between two curves, given the coverage below each."""
    return (upper - lower).clamp_(min=0)


def _sharpness(edge: Tensor, scale: float) -> Tensor:
    """Return the change of coverage per unit of height, from the curve's slope."""
    slope = torch.empty_like(edge)
    torch.sub(edge[..., 2:], edge[..., :-2], out=slope[..., 1:-1])
    slope[..., 0], slope[..., -1] = slope[..., 1], slope[..., -2]
    return slope.mul_(slope).mul_(0.25).add_(1 / (scale * scale)).rsqrt_()


def within(x: Tensor, half: Tensor | float, scale: float) -> Tensor:
    """Return the coverage of ``|x| < half``."""
    return ((half - x.abs()) * scale + 0.5).clamp_(0, 1)


class Layer:
    """
    Image that is painted once: premultiplied RGB and alpha over a rectangle of units.

    Masks are ``[h, w]`` and fit only the layer that made them. The size in pixels is
    even.
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
        """Blend ``colour`` over the layer where ``mask`` is set."""
        mask = mask * opacity
        paint = torch.tensor(rgb(colour)).view(3, 1, 1)
        self.rgb = torch.lerp(self.rgb, paint, mask)
        self.alpha = torch.lerp(self.alpha, torch.ones(()), mask)

    def tint(self, mask: Tensor, colour: str, opacity: float = 1.0) -> None:
        """Blend ``colour`` over the parts of the layer that are painted already."""
        self.fill(mask * self.alpha, colour, opacity)

    def path(self, points: Sequence[Point]) -> Tensor:
        """Return the mask of the smooth closed curve through ``points``."""
        return self.polygon(_smooth(points))

    def ellipse(self, x: float, y: float, rx: float, ry: float) -> Tensor:
        """Return the mask of an ellipse with centre ``x``, ``y``."""
        steps = (math.tau * i / 96 for i in range(96))
        return self.polygon(
            [(x + rx * math.cos(a), y + ry * math.sin(a)) for a in steps]
        )

    def radial_gradient(self, x: float, y: float, rx: float, ry: float) -> Tensor:
        """Return a soft spot: 1 in the centre, fading to 0 at the radii."""
        distance = ((self.x - x) / rx) ** 2 + ((self.y - y) / ry) ** 2
        return (1 - distance).clamp(min=0) ** 2

    def polygon(self, points: Sequence[Point]) -> Tensor:
        """
        Return the mask of a closed polygon.

        Each edge adds its winding to the pixel in which it crosses a row. The winding
        is split between this pixel and the next by the position of the crossing. A
        running sum along the row fills the inside.
        """
        rows, columns = self.alpha.shape
        start = torch.tensor(points)
        x0, y0 = ((start - torch.tensor([self.left, self.top])) * self.scale).T
        x1, y1 = x0.roll(-1), y0.roll(-1)
        samples = (torch.arange(rows * _ROWS_PER_PIXEL) + 0.5) / _ROWS_PER_PIXEL
        y = samples[:, None]
        row, edge = torch.nonzero((y0 <= y) != (y1 <= y), as_tuple=True)
        ratio = (samples[row] - y0[edge]) / (y1 - y0)[edge]
        crossing = (x0[edge] + ratio * (x1 - x0)[edge]).clamp(0, columns)
        sign = torch.where(y1 > y0, 1.0, -1.0)[edge] / _ROWS_PER_PIXEL
        pixel = crossing.floor()
        fraction = crossing - pixel
        slot = (row // _ROWS_PER_PIXEL) * (columns + 2) + pixel.long()
        size = rows * (columns + 2)
        winding = torch.bincount(slot, sign * (1 - fraction), size)
        winding += torch.bincount(slot + 1, sign * fraction, size)
        filled = winding.view(rows, columns + 2).cumsum(1)[:, :columns]
        return filled.abs().clamp(0, 1).float()

    def blurred(self, mask: Tensor, radius: float) -> Tensor:
        """Return ``mask`` blurred; ``radius`` is in units."""
        half = max(1, round(radius * self.scale / 2))
        for _ in range(2):
            mask = _box_mean(_box_mean(mask, half).T, half).T
        return mask

    def shifted(self, mask: Tensor, dx: float, dy: float) -> Tensor:
        """Return ``mask`` shifted by ``dx``, ``dy`` units, rounded to whole pixels."""
        steps = (round(dy * self.scale), round(dx * self.scale))
        return mask.roll(steps, (0, 1))


def _box_mean(mask: Tensor, half: int) -> Tensor:
    """Return the mean over ``2 * half + 1`` neighbours in a row; edges are repeated."""
    wide = F.pad(mask[None], (half + 1, half), mode="replicate")[0]
    total = wide.double().cumsum(1)
    span = 2 * half + 1
    return ((total[:, span:] - total[:, :-span]) / span).float()


def mirrored(right: Sequence[Point]) -> list[Point]:
    """Return a closed outline from its right half, listed from top to bottom."""
    left = [(-x, y) for x, y in reversed(right) if x > 0]
    return [*right, *left]


def _smooth(points: Sequence[Point], steps: int = 12) -> list[Point]:
    """Return points of a closed uniform Catmull-Rom curve through ``points``."""
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
