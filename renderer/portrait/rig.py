"""
Rig of a portrait: pre-rendered images animated by image warping.

For every frame the rig deforms the surface, warps the base image and the keyframes
nearest to the face, and blends them.  Warped images show a feature at the same pixel,
so blending doubles nothing.  Keyframes add what the base image lacks, such as teeth or
closed lids.
"""

from collections.abc import Sequence
from typing import Any, overload

import torch
from torch import Tensor

from renderer.life.breath import breath_at
from renderer.portrait.model import Surface, head_rotations, unit_weights
from renderer.portrait.parts import CloseupParts, PortraitParts
from renderer.portrait.planes import Canvas, Planes
from renderer.portrait.warp import Mesh, Motion, Textures, upsample
from renderer.rig import Bytes, Floats, RigInput

_BLENDED_KEYFRAMES = 2
# Shepard's weights have the exponent 2.  With 2, lips are transparent where some
# keyframes show them closed and others open.
_WEIGHT_EXPONENT = 4


class PortraitRig:
    """Renderer of one portrait at one frame size, with torch."""

    def __init__(self, parts: PortraitParts, device: torch.device) -> None:
        self.width, self.height = parts.width, parts.height
        self.region, self.region_in_mesh = parts.region, parts.region_in_mesh
        self.step = parts.step
        self._device = device
        with torch.inference_mode():
            self.surface = surface = parts.surface.to(device)
            background = torch.from_numpy(parts.background).to(device)
            self.canvas = Canvas(background, self.width, self.height)
            self.textures = Textures(parts.textures, device)
            self.mesh = Mesh(parts.mesh, surface, device)
            self.layers = [
                CloseupLayer(closeup, surface, device) for closeup in parts.closeups
            ]

    @overload
    def draw(self, faces: Tensor, rig_inputs: Sequence[RigInput]) -> Tensor: ...
    @overload
    def draw(self, faces: Floats, rig_inputs: Sequence[RigInput]) -> Bytes: ...
    def draw(self, faces: Any, rig_inputs: Sequence[RigInput]) -> Any:
        """Draw ``faces`` ``[B, 57]`` float32 -> I420 ``[B, W*H*3//2]``."""
        on_device = torch.as_tensor(faces).to(self._device)
        breath = self.pack_inputs(rig_inputs).to(self._device)
        frames = self.draw_pixels(on_device, breath)
        return frames if isinstance(faces, Tensor) else frames.cpu().numpy()

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
        self, parts: CloseupParts, surface: Surface, device: torch.device
    ) -> None:
        self.box, self.step = parts.box, parts.step
        self.textures = Textures(parts.textures, device)
        self.mesh = Mesh(parts.mesh, surface, device)
        self.features = torch.from_numpy(parts.features).to(device)
        self.keyframe_features = torch.from_numpy(parts.keyframe_features).to(device)
        self.half_size = torch.tensor(parts.half_size).view(2, 1, 1).to(device)
        self.centre = torch.tensor(parts.centre).view(2, 1, 1).to(device)
        self.feather = parts.feather

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
