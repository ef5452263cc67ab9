"""
The portrait: a person rendered in a studio, moved as pictures that keep their geometry.

For every frame the surface is posed, and the plate and the few keys nearest to the face
are bent to it and blended.  What is blended coincides, so nothing is seen twice; what
a key shows that the plate cannot, teeth or closed lids, is as it was rendered.
"""

from collections.abc import Sequence
from itertools import product

import torch
from torch import Tensor

from renderer.arkit import UNITS
from renderer.face import face
from renderer.frames import RigInput
from renderer.life.breath import breath_at
from renderer.portrait.background import Background
from renderer.portrait.crop import Crop
from renderer.portrait.model import Closeup, PortraitModel, Surface, turns, units
from renderer.portrait.warp import Mesh, Motion, Pictures, around, within
from renderer.yuv import Box, Canvas, Planes

_NODE = 9.0  # plate pixels between two nodes of a mesh
_STILL = 0.25  # plate pixels that count as not moving
_NEAREST = 2  # keys that are blended
_SHARP = 4  # 2 is Shepard's: lips would be seen through where some are shut, some not


class PortraitRig:
    """One likeness at one size."""

    def __init__(
        self, likeness: PortraitModel, backdrop: Background, width: int, height: int,
        device: torch.device,
    ) -> None:  # fmt: skip
        self.width, self.height = width, height
        self._device = device
        _, rows, columns = likeness.plate.shape
        view = Crop.covering(width, height, columns, rows)
        step = view.step(_NODE)
        background = backdrop.paint(columns, rows)
        rgb = over(likeness.plate, background)[None]
        whole, cells = Box(0, 0, width, height), likeness.cells
        with torch.inference_mode():
            surface = likeness.surface.to(device)
            still = Pictures(rgb, (0, 0), view.scale, 2, device)
            nodes = view.targets(around(whole, 2), 2).to(device)
            first = torch.zeros(1, dtype=torch.int64, device=device)
            self._canvas = Canvas(still.look(nodes[None], first))
            rest = torch.zeros(1, len(UNITS))
            mesh = Mesh(surface, cells, rest, (0, 0), nodes)
            reach = _reach(mesh, surface, device)
            moving = reach.amax(0) > _STILL
            moving |= ~moving.any()
            drawn = view.box(*_around(moving, cells.step), step)
            self.region = _cut(drawn, width, height)
            self._seen = self.region.inside(drawn)
            self._surface = surface
            nodes = view.targets(around(drawn, step), step).to(device)
            near, corner = cells.part(nodes)
            self._mesh = Mesh(surface, near, rest, corner, nodes)
            self._plate = Pictures(rgb, (0, 0), view.scale, step, device)
            layers = [
                _Layer(closeup, surface, background, view, drawn, reach, cells.step)
                for closeup in likeness.closeups
            ]
            self._layers = [layer for layer in layers if layer.seen]

    def draw(self, faces: Tensor, rig_inputs: Sequence[RigInput]) -> Tensor:
        """Draw ``faces`` ``[B, 57]`` float32 -> I420 ``[B, W*H*3//2]``."""
        return self.draw_pixels(faces, self.pack_inputs(rig_inputs).to(self._device))

    def pack_inputs(self, rig_inputs: Sequence[RigInput]) -> Tensor:
        """How deep each has breathed in, ``[B]``, for `pixels`."""
        return torch.tensor([breath_at(rig_input.at_s) for rig_input in rig_inputs])

    @torch.inference_mode()
    def draw_pixels(self, faces: Tensor, breath: Tensor) -> Tensor:
        """Like `draw`; ``breath`` ``[B]``: 0 breathed out .. 1 breathed in."""
        weights = units(faces)
        seen = self._surface.pixels(self._surface.places(weights))
        motion = Motion(seen, turns(faces), breath)
        plate = torch.zeros(len(faces), dtype=torch.int64, device=faces.device)
        places = self._mesh.places(motion, plate)
        region = self._plate.look(places, plate)
        for layer in self._layers:
            layer.put(region, places, motion, weights)
        return self._canvas.paste(region.view(self._seen), self.region)


class _Layer:
    """A close-up over the plate."""

    def __init__(
        self, closeup: Closeup, surface: Surface, background: Tensor, view: Crop,
        region: Box, reach: Tensor, plate_step: float,
    ) -> None:  # fmt: skip
        device = surface.neutral.device
        _, _, rows, columns = closeup.pictures.shape
        left, top = closeup.left, closeup.top
        self._step = step = view.step(_NODE)
        edges = (left, top, left + columns, top + rows)
        across, down = _reach_within(reach, edges, plate_step)
        box = view.box(
            left - across, top - down, left + columns + across, top + rows + down,
            step, region,
        )  # fmt: skip
        self.seen = min(box.width, box.height) > 0
        if not self.seen:
            return
        corner = left, top
        behind = background[:, top : top + rows, left : left + columns]
        rgb = over(closeup.pictures, behind)
        self._place = box.inside(region)
        self._pictures = Pictures(rgb, corner, view.scale, step, device)
        nodes = view.targets(around(box, step), step).to(device)
        self._mesh = Mesh(surface, closeup.cells, closeup.faces, corner, nodes)
        self._measure = closeup.measure.to(device)
        self._known = (closeup.faces @ closeup.measure).to(device)  # [K, M]
        half = torch.tensor([columns / 2, rows / 2])
        self._half = half.view(2, 1, 1).to(device)
        self._middle = (torch.tensor(corner) + half).view(2, 1, 1).to(device)
        self._feather = closeup.feather

    def put(self, region: Planes, at: Tensor, motion: Motion, weights: Tensor) -> None:
        """Into ``region``, whose nodes show the places ``at`` of the plate."""
        shares, keys = self._nearest(weights @ self._measure)
        which = keys.flatten()
        places = self._mesh.places(motion.each(keys.shape[1]), which)
        found = self._pictures.look(places, which)
        y = found.y.view(*keys.shape, *found.y.shape[1:])
        uv = found.uv.view(*keys.shape, *found.uv.shape[1:])
        luma = (shares[..., None, None] * y).sum(1)
        chroma = (shares[..., None, None, None] * uv).sum(1)
        cover = self._cover(at)
        under = region.view(self._place)
        under.y.lerp_(luma, within(cover, self._step)[:, 0])
        under.uv.lerp_(chroma, within(cover, self._step // 2))

    def _nearest(self, face: Tensor) -> tuple[Tensor, Tensor]:
        """
        Shares and numbers ``[B, n]`` of the keys nearest to ``face`` ``[B, M]``.

        Shepard's weights as Franke and Little limit them: a key comes and goes with
        none, so that there is no step where another one becomes nearer.  Only where
        three are equally near does it depend on the way there.
        """
        far = (face[:, None] - self._known).square().sum(2).sqrt() + 1e-3
        far, keys = far.topk(min(_NEAREST + 1, far.shape[1]), largest=False)
        edge = far[:, -1:]
        shares = ((edge - far) / (edge * far))[:, :-1].pow(_SHARP) + 1e-9
        return shares / shares.sum(1, keepdim=True), keys[:, :-1]

    def _cover(self, at: Tensor) -> Tensor:
        """0..1: how much of the close-up shows at the nodes of its box and around."""
        place, step = self._place, self._step
        mine = at[
            ...,
            place.top // step : (place.top + place.height) // step + 2,
            place.left // step : (place.left + place.width) // step + 2,
        ]
        inside = self._half - (mine - self._middle).abs()
        edge = (inside / self._feather).clamp(0, 1)
        edge = edge * edge * (3 - 2 * edge)
        return edge[:, :1] * edge[:, 1:]


def over(picture: Tensor, background: Tensor) -> Tensor:
    """uint8 RGBA ``[..., 4, h, w]`` over RGB 0..1 -> RGB 0..1 ``[..., 3, h, w]``."""
    rgb, alpha = picture[..., :3, :, :] / 255, picture[..., 3:, :, :] / 255
    return background + (rgb - background) * alpha


def _reach(mesh: Mesh, surface: Surface, device: torch.device) -> Tensor:
    """How far each cell of the plate moves at most: ``[2, h, w]`` plate pixels."""
    corners = [
        face(headYaw=9 * yaw, headPitch=9 * pitch, headRoll=9 * roll)
        for yaw, pitch, roll in product((-1, 0, 1), repeat=3)
    ]
    faces = torch.stack(corners).to(device)
    seen = surface.pixels(surface.places(units(faces)))
    breath = torch.linspace(0, 1, len(corners), device=device)
    which = torch.zeros(len(corners), dtype=torch.int64, device=device)
    moves = mesh.moves(Motion(seen, turns(faces), breath), which)
    return moves.abs().amax(0)


def _reach_within(
    reach: Tensor, edges: tuple[int, int, int, int], step: float
) -> tuple[float, float]:
    """How far what is between ``edges`` moves across and down, plate pixels."""
    left, top, right, bottom = (int(edge // step) for edge in edges)
    across, down = reach[:, top:bottom, left:right].amax((1, 2))
    return float(across), float(down)


def _cut(box: Box, width: int, height: int) -> Box:
    """What a picture has of ``box``."""
    across, down = width - box.left, height - box.top
    return Box(box.left, box.top, min(box.width, across), min(box.height, down))


def _around(hit: Tensor, step: float) -> tuple[float, float, float, float]:
    """Edges in plate pixels of the cells that are true in ``[h, w]``."""
    rows, columns = hit.any(1).nonzero(), hit.any(0).nonzero()
    return (
        float(columns[0]) * step, float(rows[0]) * step,
        float(columns[-1] + 1) * step, float(rows[-1] + 1) * step,
    )  # fmt: skip
