"""
The drawn character: a still picture, a breathing body, a head that turns, and the
eyes and mouth drawn anew for every frame.

Backdrop, body and head are painted when the rig is made. A frame samples the head
through a mesh of where each pixel lies on it, draws eyes and mouth there, and pastes
the one region that can ever change into the background.
"""

from collections.abc import Callable, Sequence
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

from renderer.cartoon import eyes, layers, mouth
from renderer.cartoon.eyes import Eyes
from renderer.cartoon.head_pose import HeadPose, on_head, on_skin, pose_of
from renderer.cartoon.look import Style
from renderer.cartoon.mouth import Mouth
from renderer.face import face
from renderer.frames import RigInput
from renderer.life.breath import breath_at
from renderer.yuv import Box, Canvas, Planes, blend, even_box, union

_MIDDLE_Y = 236.0  # of the head in a picture 512 high
_MESH = 8  # pixels between two nodes of the head's mesh; its box is a multiple
_COARSE = 4  # pixels between two looked at to find what moves

Drawing = Callable[[Tensor, Tensor, Tensor], list[Tensor]]


class DrawnRig:
    """One drawn person at one size."""

    def __init__(
        self, look: Style, width: int, height: int, device: torch.device
    ) -> None:
        self.width, self.height = width, height
        self._device = device
        self._scale = min(width, height) / 512
        self._x = ((torch.arange(width) + 0.5 - width / 2) / self._scale).to(device)
        rows = torch.arange(height) + 0.5 - height
        self._y = (rows / self._scale + 512 - _MIDDLE_Y).to(device)
        self._eyes = Eyes(look, self._scale, device)
        self._mouth = Mouth(look, self._scale, device)
        with torch.inference_mode():
            self._paint(look)

    def _paint(self, look: Style) -> None:
        size = (self.width, self.height)
        corner = (float(self._x[0]), float(self._y[0]))
        background = layers.background(look, *size, self._scale, corner)
        body_box = self._box(layers.BODY_REACH)
        phases = layers.body(look, background, body_box, self._scale, corner)
        self._skin = layers.head(look, self._scale).to(self._device)
        self._head_box, self._eyes_box, self._mouth_box = self._reaches()
        self._body_box = body_box
        self.region = body_box
        for box in (self._head_box, self._eyes_box, self._mouth_box):
            self.region = union(self.region, box)
        still = background.view(self.region)
        self._canvas = Canvas(background.to(self._device))
        self._still = still.to(self._device)
        self._phases = phases.to(self._device)

    def _reaches(self) -> tuple[Box, Box, Box]:
        """The pixels that show head, eyes and mouth in any pose."""
        poses = _extreme_poses(self._device)
        u, v = on_head(poses, self._x[None, ::_COARSE], self._y[::_COARSE, None])
        grid = self._skin.place(u, on_skin(poses, u, v)).permute(0, 2, 3, 1)
        alpha = F.max_pool2d(self._skin.luma[:, -1:], 2 * _COARSE + 1, 1, _COARSE)
        alpha = alpha.expand(len(grid), -1, -1, -1)
        seen = F.grid_sample(alpha, grid, align_corners=False)[:, 0] > 0
        parts = []
        for left, top, right, bottom in (eyes.REACH, mouth.REACH):
            hit = (u > left) & (u < right) & (v > top) & (v < bottom)
            parts.append(self._around(hit.any(0)))
        return self._whole_mesh(self._around(seen.any(0))), parts[0], parts[1]

    def draw(self, faces: Tensor, rig_inputs: Sequence[RigInput]) -> Tensor:
        """Draw ``faces`` ``[B, 57]`` float32 -> I420 ``[B, W*H*3//2]``."""
        return self.draw_pixels(faces, self.pack_inputs(rig_inputs).to(self._device))

    def pack_inputs(self, rig_inputs: Sequence[RigInput]) -> Tensor:
        """How deep each has breathed in, ``[B]``, for `pixels`."""
        return torch.tensor([breath_at(rig_input.at_s) for rig_input in rig_inputs])

    @torch.inference_mode()
    def draw_pixels(self, faces: Tensor, breath: Tensor) -> Tensor:
        """Like `draw`; ``breath`` ``[B]``: 0 breathed out .. 1 breathed in."""
        pose = pose_of(faces, layers.HEAD_RISE * breath)
        region = self._breathing(breath)
        self._put_head(region, pose)
        self._put_drawing(
            region, self._eyes_box, pose, faces, self._eyes.shapes, self._eyes.paint
        )
        self._put_drawing(
            region, self._mouth_box, pose, faces, self._mouth.shapes, self._mouth.paint
        )
        return self._canvas.paste(region, self.region)

    def _breathing(self, breath: Tensor) -> Planes:
        """The region without its head."""
        batch = breath.shape[0]
        region = Planes(
            self._still.y.repeat(batch, 1, 1), self._still.uv.repeat(batch, 1, 1, 1)
        )
        at = breath * (layers.PHASES - 1)
        low = at.long().clamp(max=layers.PHASES - 2)
        share = (at - low)[:, None, None]
        phases = self._phases
        part = Planes(
            torch.lerp(phases.y[low], phases.y[low + 1], share),
            torch.lerp(phases.uv[low], phases.uv[low + 1], share[..., None]),
        )
        region.put(part, self._body_box.inside(self.region))
        return region

    def _put_head(self, region: Planes, pose: HeadPose) -> None:
        box = self._head_box
        mesh = self._head_mesh(pose, box)
        batch = mesh.shape[0]
        under = region.view(box.inside(self.region))
        for plane, layer, step in (
            (under.y[:, None], self._skin.luma, 1),
            (under.uv, self._skin.chroma, 2),
        ):
            size = (box.height // step, box.width // step)
            grid = F.interpolate(mesh, size=size, mode="bilinear", align_corners=False)
            seen = F.grid_sample(
                layer.expand(batch, -1, -1, -1),
                grid.permute(0, 2, 3, 1),
                align_corners=False,
            )
            plane.mul_(1 - seen[:, -1:]).add_(seen[:, :-1])

    def _head_mesh(self, pose: HeadPose, box: Box) -> Tensor:
        """Where on the head sheet, -1..1, each node lies: ``[B, 2, h/8, w/8]``."""
        x = self._x[box.left : box.left + box.width].view(-1, _MESH).mean(1)[None]
        y = self._y[box.top : box.top + box.height].view(-1, _MESH).mean(1)[:, None]
        u, v = on_head(pose, x, y)
        v = on_skin(pose, u, v)
        return self._skin.place(u, v)

    def _put_drawing(
        self, region: Planes, box: Box, pose: HeadPose, faces: Tensor,
        shapes: Drawing, paint: Tensor,
    ) -> None:  # fmt: skip
        u, v = self._seen(pose, box)
        place = box.inside(self.region)
        region.put(blend(region.view(place), shapes(faces, u, v), paint), place)

    def _seen(self, pose: HeadPose, box: Box) -> tuple[Tensor, Tensor]:
        x = self._x[box.left : box.left + box.width][None]
        y = self._y[box.top : box.top + box.height][:, None]
        return on_head(pose, x, y)

    def _box(self, rect: tuple[float, float, float, float]) -> Box:
        """The pixels of a rectangle given in units, where the picture has them."""
        left, top, right, bottom = rect
        x0, y0 = float(self._x[0]), float(self._y[0])
        edges = (
            (left - x0) * self._scale, (top - y0) * self._scale,
            (right - x0) * self._scale, (bottom - y0) * self._scale,
        )  # fmt: skip
        return even_box(*edges, self.width, self.height)

    def _around(self, hit: Tensor) -> Box:
        """The box around what is true in ``[h, w]``, each for a square of pixels."""
        rows, columns = hit.any(1).nonzero(), hit.any(0).nonzero()
        left, right = int(columns[0]) - 2, int(columns[-1]) + 3
        top, bottom = int(rows[0]) - 2, int(rows[-1]) + 3
        return even_box(
            left * _COARSE, top * _COARSE, right * _COARSE, bottom * _COARSE,
            self.width, self.height,
        )  # fmt: skip

    def _whole_mesh(self, box: Box) -> Box:
        """``box`` grown to whole steps of the mesh, where the picture has room."""
        width, height = (
            min(-(-side // _MESH), whole // _MESH) * _MESH
            for side, whole in ((box.width, self.width), (box.height, self.height))
        )
        left = min(box.left, self.width - width) // 2 * 2
        top = min(box.top, self.height - height) // 2 * 2
        return Box(left, top, width, height)


def _extreme_poses(device: torch.device) -> HeadPose:
    """The corners of what poses are possible, and the middle."""
    corners = [
        face(headYaw=9 * yaw, headPitch=9 * pitch, headRoll=9 * roll, jawOpen=jaw)
        for yaw, pitch, roll, jaw in product((-1, 0, 1), (-1, 0, 1), (-1, 0, 1), (0, 1))
    ]
    faces = torch.stack(corners).to(device)
    lift = torch.linspace(0, layers.HEAD_RISE, len(corners), device=device)
    return pose_of(faces, lift)
