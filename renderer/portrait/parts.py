"""
Parts of a portrait at one frame size, which a rig draws with.

`renderer.portrait.native_rig` and `renderer.portrait.rig` draw with the same parts,
one with native code and one with torch.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from renderer.arkit import UNITS
from renderer.face import INDEX, SIZE
from renderer.portrait.background import Background
from renderer.portrait.crop import Crop
from renderer.portrait.mesh_parts import (
    RIGID_CHANNELS,
    Edges,
    MeshParts,
    interpolate,
)
from renderer.portrait.model import (
    Closeup,
    Floats,
    PortraitModel,
    Surface,
    head_rotations,
)
from renderer.portrait.slopes import SlopeLimit
from renderer.portrait.texture_parts import TextureParts
from renderer.yuv import Box, to_codes

_NODE_SPACING = 9.0  # base-image pixels from one node of a mesh to the next
_MIN_MOTION = 0.25  # base-image pixels; a cell that moves less counts as still
_HIDDEN_MARGIN = 16.0  # base-image pixels: two cells, or two nodes
_FAR = 9.0  # radians: head poses beyond what a head can be turned by


@dataclass(slots=True)
class CloseupParts:
    """Keyframes of one close-up that a frame shows."""

    box: Box  # in the mesh of the base image
    step: int  # frame pixels from one node to the next
    mesh: MeshParts
    textures: TextureParts
    features: Floats  # [U, M]
    keyframe_features: Floats  # [K, M]
    centre: tuple[float, float]  # base-image pixels
    half_size: tuple[float, float]
    feather: int


@dataclass(slots=True)
class PortraitParts:
    """Parts of a portrait at one frame size, as arrays that both paths draw with."""

    width: int
    height: int
    step: int  # frame pixels from one node of the base image to the next
    region: Box  # what moves, in the frame
    region_in_mesh: Box
    surface: Surface
    background: npt.NDArray[np.uint8]  # [W*H*3//2]: I420 where nothing has moved
    mesh: MeshParts
    textures: TextureParts
    closeups: list[CloseupParts]


@np.errstate(all="ignore")  # a hostile package may have numbers that overflow
def prepare(
    model: PortraitModel, background: Background, width: int, height: int
) -> PortraitParts:
    """Prepare a portrait for frames of this size, which takes some tenths of a second.

    Width and height are even.
    """
    _, rows, columns = model.base_image.shape
    crop = Crop.covering(width, height, columns, rows)
    step = crop.even_step(_NODE_SPACING)
    wall = background.paint(columns, rows)
    surface, cells = model.surface, model.base_cells
    textures = TextureParts.of(model.base_image[None], wall, (0, 0), crop.scale)
    rest = np.zeros((1, len(UNITS)), np.float32)
    hidden = [_hidden_box(closeup) for closeup in model.closeups]
    frame = Box(0, 0, width, height)
    whole = MeshParts.of(surface, cells, rest, (0, 0), crop.nodes(frame, 2), hidden)
    max_motion = _max_motion(whole, surface)
    moving = max_motion.max(0) > _MIN_MOTION
    if not moving.any():
        moving[:] = True
    mesh_box = crop.box(*_bounds(moving, cells.step), step)
    region = _clip(mesh_box, width, height)
    nodes = crop.nodes(with_margin(mesh_box, step), step)
    near_cells, corner = cells.crop(nodes)
    planes = textures.still(crop.nodes(frame, 1), whole.nodes)
    closeups = (
        _closeup(closeup, surface, wall, crop, mesh_box, max_motion, cells.step)
        for closeup in model.closeups
    )
    return PortraitParts(
        width=width, height=height, step=step,
        region=region, region_in_mesh=region.relative_to(mesh_box),
        surface=surface,
        background=np.concat([to_codes(plane).ravel() for plane in planes]),
        mesh=MeshParts.of(surface, near_cells, rest, corner, nodes, hidden),
        textures=textures,
        closeups=[closeup for closeup in closeups if closeup is not None],
    )  # fmt: skip


def with_margin(box: Box, step: int) -> Box:
    """Return ``box`` plus one node on each side, to interpolate to its edges."""
    return Box(
        box.left - step, box.top - step, box.width + 2 * step, box.height + 2 * step
    )


def _closeup(
    closeup: Closeup, surface: Surface, wall: Floats, crop: Crop, mesh_box: Box,
    max_motion: Floats, base_step: float,
) -> CloseupParts | None:  # fmt: skip
    """Prepare a close-up; None if the frame shows nothing of it."""
    _, _, rows, columns = closeup.keyframes.shape
    left, top = corner = closeup.left, closeup.top
    step = crop.even_step(_NODE_SPACING)
    edges = (left, top, left + columns, top + rows)
    across, down = _max_motion_within(max_motion, edges, base_step)
    box = crop.box(
        left - across, top - down, left + columns + across, top + rows + down,
        step, mesh_box,
    )  # fmt: skip
    if not min(box.width, box.height):
        return None
    wall_part = wall[:, top : top + rows, left : left + columns]
    nodes = crop.nodes(with_margin(box, step), step)
    # Cells finer than the mesh of nodes would only add noise between them.
    cells = closeup.cells.coarse()
    return CloseupParts(
        box=box.relative_to(mesh_box),
        step=step,
        mesh=MeshParts.of(surface, cells, closeup.weights, corner, nodes),
        textures=TextureParts.of(closeup.keyframes, wall_part, corner, crop.scale),
        features=closeup.features,
        keyframe_features=closeup.weights @ closeup.features,
        centre=(left + columns / 2, top + rows / 2),
        half_size=(columns / 2, rows / 2),
        feather=closeup.feather,
    )


def _max_motion(mesh: MeshParts, surface: Surface) -> Floats:
    """
    Return how far each cell moves in extreme head poses, in base-image pixels.

    ``[2, h, w]``: across and down. ``mesh`` is that of the base image.
    """
    poses = list(product((-_FAR, 0, _FAR), repeat=3))
    faces = np.zeros((len(poses), SIZE), np.float32)
    faces[:, INDEX["headYaw"] : INDEX["headRoll"] + 1] = poses
    breaths = np.linspace(0, 1, len(poses), dtype=np.float32)
    projection = surface.camera[:, :3]
    still = interpolate(
        surface.project(surface.neutral), mesh.triangles[0], mesh.barycentric[0]
    ) - mesh.centres.reshape(2, -1)
    bounds = np.cumsum(RIGID_CHANNELS)[:-1]
    arm, clip, head_weight, breath_weight, pixel = np.split(mesh.rigid[0], bounds)
    breath_clip = breath_weight * (projection @ surface.breath_offset)[:, None]
    limit = SlopeLimit(mesh.cell_size, mesh.hidden)
    max_motion = np.zeros((2, *mesh.shape), np.float32)
    for rotation, breath in zip(head_rotations(faces), breaths, strict=True):
        moved = clip + head_weight * (projection @ rotation @ arm)
        moved += breath * breath_clip
        moves = still + moved[:2] / moved[2:] - pixel
        limited = limit.apply(moves.reshape(1, *max_motion.shape))
        np.maximum(max_motion, np.abs(limited[0]), out=max_motion)
    return max_motion


def _max_motion_within(
    max_motion: Floats, edges: tuple[int, int, int, int], step: float
) -> tuple[float, float]:
    """Return the largest move across and down of the cells between ``edges``."""
    left, top, right, bottom = (int(edge // step) for edge in edges)
    across, down = max_motion[:, top:bottom, left:right].max((1, 2))
    return float(across), float(down)


def _hidden_box(closeup: Closeup) -> Edges:
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


def _bounds(mask: npt.NDArray[np.bool_], step: float) -> Edges:
    """Return the edges, in base-image pixels, of the true cells of ``[h, w]``."""
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    return (
        float(columns[0]) * step, float(rows[0]) * step,
        float(columns[-1] + 1) * step, float(rows[-1] + 1) * step,
    )  # fmt: skip
