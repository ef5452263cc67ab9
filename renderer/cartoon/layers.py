"""What a drawn rig paints once: its background, the body at each breath, the head."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from renderer.cartoon import body as bodies
from renderer.cartoon import head as heads
from renderer.cartoon.look import Style
from renderer.cartoon.shapes import Layer, smoothstep
from renderer.yuv import Box, Planes, planes

PHASES = 9  # painted states of the breath; frames blend two neighbours
HEAD_RISE = 1.3  # units the head rises with a breath
BODY_REACH = (-212.0, 28.0, 212.0, 280.0)  # left, top, right, bottom; units
_RISE = 3.2  # of the shoulders
_WIDEN = 0.008  # of the chest
_OVERSAMPLE = 1.5  # painted pixels to a pixel of the picture

Corner = tuple[float, float]  # units at the middle of the picture's first pixel


@dataclass(frozen=True, slots=True)
class Skin:
    """The painted head as textures, premultiplied, alpha last."""

    luma: Tensor  # [1, 2, h, w]
    chroma: Tensor  # [1, 3, h/2, w/2]
    left: float
    top: float
    width: float
    height: float

    def place(self, u: Tensor, v: Tensor) -> Tensor:
        """On the head, ``[B, h, w]`` -> on the textures, -1..1 ``[B, 2, h, w]``."""
        across = (u - self.left) * (2 / self.width) - 1
        down = (v - self.top) * (2 / self.height) - 1
        return torch.stack([across, down], 1)

    def to(self, device: torch.device) -> "Skin":
        """The same on ``device``."""
        luma, chroma = self.luma.to(device), self.chroma.to(device)
        return Skin(luma, chroma, self.left, self.top, self.width, self.height)


def background(
    look: Style, width: int, height: int, scale: float, corner: Corner
) -> Planes:
    """The wall behind everybody; planes of one picture."""
    left, top = (at - 0.5 / scale for at in corner)
    sheet = Layer(left, top, width / scale, height / scale, scale)
    bodies.paint_background(sheet, look)
    wall = planes(sheet.rgb[None, :, :height, :width])
    # Half a code of noise, or the soft light falls in steps.
    noise = torch.rand(wall.y.shape, generator=torch.Generator().manual_seed(0))
    return Planes(wall.y + noise - 0.5, wall.uv)


def head(look: Style, scale: float) -> Skin:
    """The head without what is drawn for every frame."""
    left, top, width, height = heads.BOUNDS
    sheet = Layer(left, top, width, height, scale * _OVERSAMPLE)
    heads.paint_head(sheet, look)
    luma, chroma = _textures(sheet)
    return Skin(luma, chroma, left, top, sheet.width, sheet.height)


def body(look: Style, wall: Planes, box: Box, scale: float, corner: Corner) -> Planes:
    """The body before ``wall`` in ``box``, one picture for each of `PHASES`."""
    left, top, right, bottom = BODY_REACH
    sheet = Layer(
        left - 8, top - 8, right - left + 16, bottom - top + 24, scale * _OVERSAMPLE
    )
    bodies.paint_body(sheet, look)
    luma, chroma = _textures(sheet)
    under = wall.view(box)
    y = _over(under.y[:, None], luma, sheet, box, scale, corner, 1)
    uv = _over(under.uv, chroma, sheet, box, scale, corner, 2)
    return Planes(y[:, 0], uv)


def _textures(sheet: Layer) -> tuple[Tensor, Tensor]:
    flat = planes(sheet.rgb[None], sheet.alpha[None, None])
    alpha = sheet.alpha[None, None]
    luma = torch.cat([flat.y[:, None], alpha], 1)
    return luma, torch.cat([flat.uv, F.avg_pool2d(alpha, 2)], 1)


def _over(
    under: Tensor, layer: Tensor, sheet: Layer, box: Box,
    scale: float, corner: Corner, step: int,
) -> Tensor:  # fmt: skip
    """``layer`` over ``under`` ``[1, C, h, w]``, once for each breath."""
    x = (
        corner[0]
        + (box.left + torch.arange(0, box.width, step) + (step - 1) / 2) / scale
    )
    y = (
        corner[1]
        + (box.top + torch.arange(0, box.height, step) + (step - 1) / 2) / scale
    )
    breath = torch.linspace(0, 1, PHASES).view(-1, 1, 1)
    rise = HEAD_RISE + (_RISE - HEAD_RISE) * smoothstep(90, 180, y[:, None])
    u = x * (1 - _WIDEN * breath * smoothstep(150, 220, y[:, None]))
    v = y[:, None] + breath * rise + 0 * u
    grid = torch.stack(
        [
            (u - sheet.left) * 2 / sheet.width - 1,
            (v - sheet.top) * 2 / sheet.height - 1,
        ],
        -1,
    )
    seen = F.grid_sample(layer.expand(PHASES, -1, -1, -1), grid, align_corners=False)
    return under * (1 - seen[:, -1:]) + seen[:, :-1]
