"""
Rig of a portrait: pre-rendered images animated by image warping.

For every frame the rig deforms the surface, warps the base image and the keyframes
nearest to the face, and blends them.  Warped images show a feature at the same pixel,
so blending doubles nothing.  Keyframes add what the base image lacks, such as teeth or
closed lids.
"""

from collections.abc import Sequence
from itertools import product

import torch
from torch import Tensor

from renderer.arkit import UNITS
from renderer.face import face
from renderer.life.breath import breath_at
from renderer.portrait.background import Background
from renderer.portrait.crop import Crop
from renderer.portrait.model import (
    Closeup,
    PortraitModel,
    Surface,
    head_rotations,
    unit_weights,
)
from renderer.portrait.warp import Mesh, Motion, Textures, upsample, with_margin
from renderer.rig import RigInput
from renderer.yuv import Box, Canvas, Planes

_NODE_SPACING = 9.0  # base-image pixels from one node of a mesh to the next
_MIN_MOTION = 0.25  # base-image pixels; a cell that moves less counts as still
_HIDDEN_MARGIN = 16.0  # base-image pixels: two cells, or two nodes
_BLENDED_KEYFRAMES = 2
# Shepard's weights have the exponent 2.  With 2, lips are transparent where some
# keyframes show them closed and others open.
_WEIGHT_EXPONENT = 4


class PortraitRig:
    """
    Renderer of one portrait at one frame size.

    Its public attributes are the prepared parts, for another rig to draw with.
    """

    def __init__(
        self, model: PortraitModel, background: Background, width: int, height: int,
        device: torch.device,
    ) -> None:  # fmt: skip
        self.width, self.height = width, height
        self._device = device
        _, rows, columns = model.base_image.shape
        crop = Crop.covering(width, height, columns, rows)
        self.step = step = crop.even_step(_NODE_SPACING)
        wall = background.paint(columns, rows)
        frame, cells = Box(0, 0, width, height), model.base_cells
        with torch.inference_mode():
            surface = model.surface.to(device)
            base_image = model.base_image[None]
            self.textures = Textures(base_image, wall, (0, 0), crop.scale, device)
            nodes = crop.nodes(with_margin(frame, 2), 2).to(device)
            image_id = torch.zeros(1, dtype=torch.int64, device=device)
            self.canvas = Canvas(self.textures.sample(nodes[None], image_id, 2))
            rest = torch.zeros(1, len(UNITS))
            hidden = [_hidden_box(closeup) for closeup in model.closeups]
            mesh = Mesh(surface, cells, rest, (0, 0), nodes, hidden)
            max_motion = _max_motion(mesh, surface, device)
            moving = max_motion.amax(0) > _MIN_MOTION
            moving |= ~moving.any()
            mesh_box = crop.box(*_bounds(moving, cells.step), step)
            self.region = _clip(mesh_box, width, height)
            self.region_in_mesh = self.region.relative_to(mesh_box)
            self.surface = surface
            nodes = crop.nodes(with_margin(mesh_box, step), step).to(device)
            near_cells, corner = cells.crop(nodes)
            self.mesh = Mesh(surface, near_cells, rest, corner, nodes, hidden)
            layers = [
                CloseupLayer(
                    closeup, surface, wall, crop, mesh_box, max_motion, cells.step
                )
                for closeup in model.closeups
            ]
            self.layers = [layer for layer in layers if layer.visible]

    def draw(self, faces: Tensor, rig_inputs: Sequence[RigInput]) -> Tensor:
        """Draw ``faces`` ``[B, 57]`` float32 -> I420 ``[B, W*H*3//2]``."""
        return self.draw_pixels(faces, self.pack_inputs(rig_inputs).to(self._device))

    def pack_inputs(self, rig_inputs: Sequence[RigInput]) -> Tensor:
        """Return each frame's breath for `draw_pixels`: 0 out .. 1 in, ``[B]``."""
        return torch.tensor([breath_at(rig_input.at_s) for rig_input in rig_inputs])

    @torch.inference_mode()
    def draw_pixels(self, faces: Tensor, breath: Tensor) -> Tensor:
        """Draw as `draw` does, with ``breath`` from `pack_inputs`."""
        weights = unit_weights(faces)
        vertices = self.surface.project(self.surface.deform(weights))
        motion = Motion(vertices, head_rotations(faces), breath)
        image_ids = torch.zeros(len(faces), dtype=torch.int64, device=faces.device)
        positions = self.mesh.source_positions(motion, image_ids)
        region = self.textures.sample(positions, image_ids, self.step)
        for layer in self.layers:
            layer.composite_onto(region, positions, motion, weights)
        return self.canvas.paste(region.view(self.region_in_mesh), self.region)


class CloseupLayer:
    """Keyframes of one close-up, blended over the base image."""

    def __init__(
        self, closeup: Closeup, surface: Surface, wall: Tensor, crop: Crop,
        mesh_box: Box, max_motion: Tensor, base_step: float,
    ) -> None:  # fmt: skip
        device = surface.neutral.device
        _, _, rows, columns = closeup.keyframes.shape
        left, top = closeup.left, closeup.top
        self.step = step = crop.even_step(_NODE_SPACING)
        edges = (left, top, left + columns, top + rows)
        across, down = _max_motion_within(max_motion, edges, base_step)
        box = crop.box(
            left - across, top - down, left + columns + across, top + rows + down,
            step, mesh_box,
        )  # fmt: skip
        self.visible = min(box.width, box.height) > 0
        if not self.visible:
            return
        corner = left, top
        wall_part = wall[:, top : top + rows, left : left + columns]
        self.box = box.relative_to(mesh_box)
        self.textures = Textures(
            closeup.keyframes, wall_part, corner, crop.scale, device
        )
        nodes = crop.nodes(with_margin(box, step), step).to(device)
        # Cells finer than the mesh of nodes would only add noise between them.
        cells = closeup.cells.coarse()
        self.mesh = Mesh(surface, cells, closeup.weights, corner, nodes)
        self.features = closeup.features.to(device)
        self.keyframe_features = (closeup.weights @ closeup.features).to(device)
        half = torch.tensor([columns / 2, rows / 2])
        self.half_size = half.view(2, 1, 1).to(device)
        self.centre = (torch.tensor(corner) + half).view(2, 1, 1).to(device)
        self.feather = closeup.feather

    def composite_onto(
        self, region: Planes, positions: Tensor, motion: Motion, weights: Tensor
    ) -> None:
        """
        Draw the close-up over ``region``.

        ``positions``: base-image pixels that the nodes of ``region`` show.
        """
        shares, ids = self._blend_weights(weights @ self.features)
        image_ids = ids.flatten()
        sources = self.mesh.source_positions(motion.repeat(ids.shape[1]), image_ids)
        keyframes = self.textures.sample(sources, image_ids, self.step)
        y = keyframes.y.view(*ids.shape, *keyframes.y.shape[1:])
        uv = keyframes.uv.view(*ids.shape, *keyframes.uv.shape[1:])
        luma = (shares[..., None, None] * y).sum(1)
        chroma = (shares[..., None, None, None] * uv).sum(1)
        mask = self._blend_mask(positions)
        under = region.view(self.box)
        under.y.lerp_(luma, upsample(mask, self.step)[:, 0])
        under.uv.lerp_(chroma, upsample(mask, self.step // 2))

    def _blend_weights(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """
        Return weights and numbers ``[B, n]`` of the nearest keyframes.

        ``features`` ``[B, M]`` are those of the faces.  The weights are the
        inverse-distance weights of Franke and Little: a keyframe's weight reaches 0
        before it leaves the nearest set, so the blend is continuous, except where
        three keyframes are equally near.
        """
        distance = features[:, None] - self.keyframe_features
        distance = distance.square().sum(2).sqrt() + 1e-3
        distance, ids = distance.topk(
            min(_BLENDED_KEYFRAMES + 1, distance.shape[1]), largest=False
        )
        limit = distance[:, -1:]
        weights = ((limit - distance) / (limit * distance))[:, :-1]
        weights = weights.pow(_WEIGHT_EXPONENT) + 1e-9
        return weights / weights.sum(1, keepdim=True), ids[:, :-1]

    def _blend_mask(self, positions: Tensor) -> Tensor:
        """Return the close-up's opacity 0..1 at the nodes of its box and margin."""
        box, step = self.box, self.step
        inner = positions[
            ...,
            box.top // step : (box.top + box.height) // step + 2,
            box.left // step : (box.left + box.width) // step + 2,
        ]
        depth = self.half_size - (inner - self.centre).abs()
        edge = (depth / self.feather).clamp(0, 1)
        edge = edge * edge * (3 - 2 * edge)
        return edge[:, :1] * edge[:, 1:]


def _max_motion(mesh: Mesh, surface: Surface, device: torch.device) -> Tensor:
    """
    Return how far each cell moves in extreme head poses, in base-image pixels.

    ``[2, h, w]``: across and down.
    """
    extremes = [
        face(headYaw=9 * yaw, headPitch=9 * pitch, headRoll=9 * roll)
        for yaw, pitch, roll in product((-1, 0, 1), repeat=3)
    ]
    faces = torch.stack(extremes).to(device)
    vertices = surface.project(surface.deform(unit_weights(faces)))
    breath = torch.linspace(0, 1, len(extremes), device=device)
    image_ids = torch.zeros(len(extremes), dtype=torch.int64, device=device)
    moves = mesh.displacements(
        Motion(vertices, head_rotations(faces), breath), image_ids
    )
    return moves.abs().amax(0)


def _max_motion_within(
    max_motion: Tensor, edges: tuple[int, int, int, int], step: float
) -> tuple[float, float]:
    """Return the largest move across and down of the cells between ``edges``."""
    left, top, right, bottom = (int(edge // step) for edge in edges)
    across, down = max_motion[:, top:bottom, left:right].amax((1, 2))
    return float(across), float(down)


def _hidden_box(closeup: Closeup) -> tuple[float, float, float, float]:
    """
    Return the edges of the part of the base image that a close-up hides.

    The margin keeps the cells that pixels at the feather are interpolated from.
    """
    _, _, rows, columns = closeup.keyframes.shape
    margin = closeup.feather + _HIDDEN_MARGIN
    return (
        closeup.left + margin, closeup.top + margin,
        closeup.left + columns - margin, closeup.top + rows - margin,
    )  # fmt: skip


def _clip(box: Box, width: int, height: int) -> Box:
    """Return the part of ``box`` that lies in a frame of this size."""
    across, down = width - box.left, height - box.top
    return Box(box.left, box.top, min(box.width, across), min(box.height, down))


def _bounds(mask: Tensor, step: float) -> tuple[float, float, float, float]:
    """Return the edges, in base-image pixels, of the true cells of ``[h, w]``."""
    rows, columns = mask.any(1).nonzero(), mask.any(0).nonzero()
    return (
        float(columns[0]) * step, float(rows[0]) * step,
        float(columns[-1] + 1) * step, float(rows[-1] + 1) * step,
    )  # fmt: skip
