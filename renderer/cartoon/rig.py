"""
Rig of a drawn avatar: a still background, a breathing body, a head that turns, and
eyes and mouth that are drawn for every frame.

Background, body and head are painted when the rig is made. For a frame, a coarse mesh
maps pixels to the painted head. The rig samples the head through it, draws eyes and
mouth, and pastes the one region that can change into the background.
"""

from collections.abc import Callable, Sequence
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

from renderer.cartoon import eyes, layers, mouth
from renderer.cartoon.eyes import Eyes
from renderer.cartoon.head_pose import HeadPose, head_position, pose_of, skin_height
from renderer.cartoon.mouth import Mouth
from renderer.cartoon.style import Style
from renderer.face import face
from renderer.life.breath import breath_at
from renderer.rig import RigInput
from renderer.yuv import Box, Canvas, Planes, blend, even_box, union

_HEAD_Y = 236.0  # of the origin, from the top of a frame that is 512 units high
_MESH_STEP = 8  # pixels from node to node of the head's mesh; its box is a multiple
_PROBE_STEP = 4  # pixels from probe to probe when looking for pixels that can change

# faces [B, 57], u and v [B, h, w] -> coverage of each shape
Shapes = Callable[[Tensor, Tensor, Tensor], list[Tensor]]


class DrawnRig:
    """Renderer of one drawn avatar at one frame size."""

    def __init__(
        self, style: Style, width: int, height: int, device: torch.device
    ) -> None:
        self.width, self.height = width, height
        self._device = device
        self._scale = min(width, height) / 512
        self._x = ((torch.arange(width) + 0.5 - width / 2) / self._scale).to(device)
        rows = torch.arange(height) + 0.5 - height
        self._y = (rows / self._scale + 512 - _HEAD_Y).to(device)
        self._eyes = Eyes(style, self._scale, device)
        self._mouth = Mouth(style, self._scale, device)
        with torch.inference_mode():
            self._paint(style)

    def _paint(self, style: Style) -> None:
        size = (self.width, self.height)
        corner = (float(self._x[0]), float(self._y[0]))
        background = layers.background(style, *size, self._scale, corner)
        body_box = self._box(layers.BODY_BOUNDS)
        phases = layers.body(style, background, body_box, self._scale, corner)
        self._skin = layers.head(style, self._scale).to(self._device)
        self._head_box, self._eyes_box, self._mouth_box = self._feature_boxes()
        self._body_box = body_box
        self.region = body_box
        for box in (self._head_box, self._eyes_box, self._mouth_box):
            self.region = union(self.region, box)
        still = background.view(self.region)
        self._canvas = Canvas(background.to(self._device))
        self._still = still.to(self._device)
        self._phases = phases.to(self._device)

    def _feature_boxes(self) -> tuple[Box, Box, Box]:
        """Return the boxes that hold head, eyes and mouth in any pose."""
        poses = _extreme_poses(self._device)
        u, v = head_position(
            poses, self._x[None, ::_PROBE_STEP], self._y[::_PROBE_STEP, None]
        )
        grid = self._skin.texture_position(u, skin_height(poses, u, v))
        grid = grid.permute(0, 2, 3, 1)
        alpha = F.max_pool2d(
            self._skin.luma[:, -1:], 2 * _PROBE_STEP + 1, 1, _PROBE_STEP
        )
        alpha = alpha.expand(len(grid), -1, -1, -1)
        visible = F.grid_sample(alpha, grid, align_corners=False)[:, 0] > 0
        boxes = []
        for left, top, right, bottom in (eyes.BOUNDS, mouth.BOUNDS):
            inside = (u > left) & (u < right) & (v > top) & (v < bottom)
            boxes.append(self._probes_box(inside.any(0)))
        head = self._whole_mesh_steps(self._probes_box(visible.any(0)))
        return head, boxes[0], boxes[1]

    def draw(self, faces: Tensor, rig_inputs: Sequence[RigInput]) -> Tensor:
        """Draw ``faces`` ``[B, 57]`` float32 -> I420 ``[B, W*H*3//2]``."""
        return self.draw_pixels(faces, self.pack_inputs(rig_inputs).to(self._device))

    def pack_inputs(self, rig_inputs: Sequence[RigInput]) -> Tensor:
        """Return each frame's breath for `draw_pixels`: 0 out .. 1 in, ``[B]``."""
        return torch.tensor([breath_at(rig_input.at_s) for rig_input in rig_inputs])

    @torch.inference_mode()
    def draw_pixels(self, faces: Tensor, breath: Tensor) -> Tensor:
        """Draw as `draw` does, with ``breath`` from `pack_inputs`."""
        pose = pose_of(faces, layers.HEAD_RISE * breath)
        region = self._breathing_body(breath)
        self._draw_head(region, pose)
        eyes, mouth = self._eyes, self._mouth
        self._draw_shapes(
            region, self._eyes_box, pose, faces, eyes.shapes, eyes.colours
        )
        self._draw_shapes(
            region, self._mouth_box, pose, faces, mouth.shapes, mouth.colours
        )
        return self._canvas.paste(region, self.region)

    def _breathing_body(self, breath: Tensor) -> Planes:
        """Return the region with background and body, without the head."""
        batch = breath.shape[0]
        region = Planes(
            self._still.y.repeat(batch, 1, 1), self._still.uv.repeat(batch, 1, 1, 1)
        )
        phase = breath * (layers.BREATH_PHASES - 1)
        low = phase.long().clamp(max=layers.BREATH_PHASES - 2)
        ratio = (phase - low)[:, None, None]
        phases = self._phases
        body = Planes(
            torch.lerp(phases.y[low], phases.y[low + 1], ratio),
            torch.lerp(phases.uv[low], phases.uv[low + 1], ratio[..., None]),
        )
        region.paste(body, self._body_box.relative_to(self.region))
        return region

    def _draw_head(self, region: Planes, pose: HeadPose) -> None:
        box = self._head_box
        mesh = self._head_mesh(pose, box)
        batch = mesh.shape[0]
        under = region.view(box.relative_to(self.region))
        for plane, texture, step in (
            (under.y[:, None], self._skin.luma, 1),
            (under.uv, self._skin.chroma, 2),
        ):
            size = (box.height // step, box.width // step)
            grid = F.interpolate(mesh, size=size, mode="bilinear", align_corners=False)
            head = F.grid_sample(
                texture.expand(batch, -1, -1, -1),
                grid.permute(0, 2, 3, 1),
                align_corners=False,
            )
            plane.mul_(1 - head[:, -1:]).add_(head[:, :-1])

    def _head_mesh(self, pose: HeadPose, box: Box) -> Tensor:
        """Return the texture coordinates -1..1 of the nodes, ``[B, 2, h/8, w/8]``."""
        x = self._x[box.left : box.left + box.width].view(-1, _MESH_STEP).mean(1)[None]
        y = (
            self._y[box.top : box.top + box.height]
            .view(-1, _MESH_STEP)
            .mean(1)[:, None]
        )
        u, v = head_position(pose, x, y)
        return self._skin.texture_position(u, skin_height(pose, u, v))

    def _draw_shapes(
        self, region: Planes, box: Box, pose: HeadPose, faces: Tensor,
        shapes: Shapes, colours: Tensor,
    ) -> None:  # fmt: skip
        u, v = self._head_positions(pose, box)
        area = box.relative_to(self.region)
        region.paste(blend(region.view(area), shapes(faces, u, v), colours), area)

    def _head_positions(self, pose: HeadPose, box: Box) -> tuple[Tensor, Tensor]:
        x = self._x[box.left : box.left + box.width][None]
        y = self._y[box.top : box.top + box.height][:, None]
        return head_position(pose, x, y)

    def _box(self, rect: tuple[float, float, float, float]) -> Box:
        """Return the pixels of a rectangle in units, cut at the edges of the frame."""
        left, top, right, bottom = rect
        x0, y0 = float(self._x[0]), float(self._y[0])
        edges = (
            (left - x0) * self._scale, (top - y0) * self._scale,
            (right - x0) * self._scale, (bottom - y0) * self._scale,
        )  # fmt: skip
        return even_box(*edges, self.width, self.height)

    def _probes_box(self, mask: Tensor) -> Box:
        """Return the pixels around the true probes of ``[h, w]``, with a margin."""
        rows, columns = mask.any(1).nonzero(), mask.any(0).nonzero()
        step = _PROBE_STEP
        left, right = (int(columns[0]) - 2) * step, (int(columns[-1]) + 3) * step
        top, bottom = (int(rows[0]) - 2) * step, (int(rows[-1]) + 3) * step
        return even_box(left, top, right, bottom, self.width, self.height)

    def _whole_mesh_steps(self, box: Box) -> Box:
        """Return ``box`` grown to whole steps of the mesh, within the frame."""
        width, height = (
            min(-(-side // _MESH_STEP), whole // _MESH_STEP) * _MESH_STEP
            for side, whole in ((box.width, self.width), (box.height, self.height))
        )
        left = min(box.left, self.width - width) // 2 * 2
        top = min(box.top, self.height - height) // 2 * 2
        return Box(left, top, width, height)


def _extreme_poses(device: torch.device) -> HeadPose:
    """Return every combination of extreme and neutral head angles and jaw."""
    extremes = [
        face(headYaw=9 * yaw, headPitch=9 * pitch, headRoll=9 * roll, jawOpen=jaw)
        for yaw, pitch, roll, jaw in product((-1, 0, 1), (-1, 0, 1), (-1, 0, 1), (0, 1))
    ]
    faces = torch.stack(extremes).to(device)
    lift = torch.linspace(0, layers.HEAD_RISE, len(extremes), device=device)
    return pose_of(faces, lift)
