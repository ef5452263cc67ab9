"""Pre-rendered layers of a drawn rig: background, head, and body at each breath."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from renderer.cartoon.body import paint_background, paint_body
from renderer.cartoon.head import BOUNDS, paint_head
from renderer.cartoon.shapes import Layer, smoothstep
from renderer.cartoon.style import Style
from renderer.yuv import Box, Planes, rgb_to_planes

BREATH_PHASES = 9  # painted states of a breath; a frame blends two neighbours
HEAD_RISE = 1.3  # of the head with a full breath, units
BODY_BOUNDS = (-212.0, 28.0, 212.0, 280.0)  # left, top, right, bottom; units
_SHOULDER_RISE = 3.2  # with a full breath, units
_CHEST_WIDENING = 0.008  # with a full breath, fraction of the width
_OVERSAMPLING = 1.5  # painted pixels per frame pixel

Corner = tuple[float, float]  # position of the frame's first pixel, its centre; units


@dataclass(frozen=True, slots=True)
class Skin:
    """Textures of the painted head: premultiplied, the last channel is alpha."""

    luma: Tensor  # [1, 2, h, w]
    chroma: Tensor  # [1, 3, h/2, w/2]
    left: float
    top: float
    width: float
    height: float

    def texture_position(self, u: Tensor, v: Tensor) -> Tensor:
        """
        Return texture coordinates -1..1 ``[B, 2, h, w]``.

        ``u`` and ``v`` ``[B, h, w]`` are positions on the head, in units.
        """
        across = (u - self.left) * (2 / self.width) - 1
        down = (v - self.top) * (2 / self.height) - 1
        return torch.stack([across, down], 1)

    def to(self, device: torch.device) -> "Skin":
        """Return a copy on ``device``."""
        luma, chroma = self.luma.to(device), self.chroma.to(device)
        return Skin(luma, chroma, self.left, self.top, self.width, self.height)


def background(
    style: Style, width: int, height: int, scale: float, corner: Corner
) -> Planes:
    """Return the wall behind the avatar, as planes of one image."""
    left, top = (at - 0.5 / scale for at in corner)
    layer = Layer(left, top, width / scale, height / scale, scale)
    paint_background(layer, style)
    wall = rgb_to_planes(layer.rgb[None, :, :height, :width])
    # Noise of up to half a code hides the steps of the soft light (dithering).
    noise = torch.rand(wall.y.shape, generator=torch.Generator().manual_seed(0))
    return Planes(wall.y + noise - 0.5, wall.uv)


def head(style: Style, scale: float) -> Skin:
    """Return the head without eyes and mouth, which are drawn for every frame."""
    left, top, width, height = BOUNDS
    layer = Layer(left, top, width, height, scale * _OVERSAMPLING)
    paint_head(layer, style)
    luma, chroma = _textures(layer)
    return Skin(luma, chroma, left, top, layer.width, layer.height)


def body(style: Style, wall: Planes, box: Box, scale: float, corner: Corner) -> Planes:
    """Return the body in front of ``wall``, one image for each breath phase."""
    left, top, right, bottom = BODY_BOUNDS
    layer = Layer(
        left - 8, top - 8, right - left + 16, bottom - top + 24, scale * _OVERSAMPLING
    )
    paint_body(layer, style)
    luma, chroma = _textures(layer)
    under = wall.view(box)
    y = _over(under.y[:, None], luma, layer, box, scale, corner, 1)
    uv = _over(under.uv, chroma, layer, box, scale, corner, 2)
    return Planes(y[:, 0], uv)


def _textures(layer: Layer) -> tuple[Tensor, Tensor]:
    flat = rgb_to_planes(layer.rgb[None], layer.alpha[None, None])
    alpha = layer.alpha[None, None]
    luma = torch.cat([flat.y[:, None], alpha], 1)
    return luma, torch.cat([flat.uv, F.avg_pool2d(alpha, 2)], 1)


def _over(
    under: Tensor, texture: Tensor, layer: Layer, box: Box,
    scale: float, corner: Corner, step: int,
) -> Tensor:  # fmt: skip
    """
    Return ``texture`` over ``under`` ``[1, C, h, w]``, once for each breath phase.

    ``step`` is 1 for luma and 2 for chroma, which has half the size.
    """
    x = (
        corner[0]
        + (box.left + torch.arange(0, box.width, step) + (step - 1) / 2) / scale
    )
    y = (
        corner[1]
        + (box.top + torch.arange(0, box.height, step) + (step - 1) / 2) / scale
    )
    breath = torch.linspace(0, 1, BREATH_PHASES).view(-1, 1, 1)
    rise = HEAD_RISE + (_SHOULDER_RISE - HEAD_RISE) * smoothstep(90, 180, y[:, None])
    u = x * (1 - _CHEST_WIDENING * breath * smoothstep(150, 220, y[:, None]))
    v = y[:, None] + breath * rise + 0 * u
    grid = torch.stack(
        [
            (u - layer.left) * 2 / layer.width - 1,
            (v - layer.top) * 2 / layer.height - 1,
        ],
        -1,
    )
    painted = F.grid_sample(
        texture.expand(BREATH_PHASES, -1, -1, -1), grid, align_corners=False
    )
    return under * (1 - painted[:, -1:]) + painted[:, :-1]
