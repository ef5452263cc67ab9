"""
Parts of a portrait rig in the memory layout of ``renderer/native/portrait.h``.

The structures mirror those of the header, field by field. `NativeParts` owns all memory
that they point to. C reads what they say without checking, so their numbers are checked
here.
"""

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from renderer.arkit import UNITS
from renderer.portrait.mesh_parts import RIGID_CHANNELS, MeshParts
from renderer.portrait.model import Surface
from renderer.portrait.parts import CloseupParts, PortraitParts
from renderer.portrait.texture_parts import TextureParts
from renderer.yuv import Box

MAX_LAYERS = 4
_BLENDED = 2
# Shares of vertices: those of four cells are joined, in 255ths each.
_ALL_SHARES = 1020
_ONE = 256  # texture coordinates are in 256ths of a texel
# Texels around each image, copies of its edge: a node may show a position that far
# outside. An even number, so that chroma has half of it.
_PADDING = 32
_SPARE_NODES = 8
# For rounding between the clamped coordinates of nodes and those of pixels, in 256ths.
_SLACK = 8
_SHIFT = np.dtype([("vertex", "<i4"), ("clip", "<f4", 3)])

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]
_Pair = ctypes.c_float * 2
_Pointers = ctypes.c_void_p * 2


class SurfaceStruct(ctypes.Structure):
    """Surface of portrait.h."""

    _fields_ = (
        ("vertex_count", ctypes.c_int64),
        ("rest", ctypes.c_void_p),
        ("shifts", ctypes.c_void_p),
        ("first_shift", ctypes.c_void_p),
        ("projection", ctypes.c_float * 9),
        ("breath", ctypes.c_float * 3),
        ("clip", ctypes.c_void_p),
        ("pixels", ctypes.c_void_p),
    )


class ImageStruct(ctypes.Structure):
    """Image of portrait.h."""

    _fields_ = tuple(
        (name, ctypes.c_void_p)
        for name in ("vertices", "shares", "rigid", "luma", "chroma")
    )


class LayerStruct(ctypes.Structure):
    """Layer of portrait.h."""

    _fields_ = (
        *((name, ctypes.c_int32) for name in ("left", "top", "width", "height")),
        *((name, ctypes.c_int32) for name in ("step", "node_rows", "node_columns")),
        *((name, ctypes.c_int32) for name in ("cell_rows", "cell_columns", "bound")),
        *((name, ctypes.c_int32) for name in ("luma_stride", "chroma_stride")),
        *((name, ctypes.c_int32) for name in ("image_count", "feature_count")),
        *((name, ctypes.c_float) for name in ("cell_left", "cell_top", "cell_size")),
        *((name, ctypes.c_float) for name in ("mask_x", "mask_y")),
        *((name, ctypes.c_float) for name in ("mask_width", "mask_height", "feather")),
        *((name, _Pair) for name in ("texel_scale", "texel_shift", "texel_most")),
        *((name, ctypes.c_void_p) for name in ("node_x", "node_y")),
        ("ways", _Pointers),
        *((name, ctypes.c_void_p) for name in ("hidden", "images", "features")),
        *((name, ctypes.c_void_p) for name in ("keyframe_features", "face_features")),
        ("x", _Pointers),
        ("y", _Pointers),
        *((name, ctypes.c_void_p) for name in ("mask", "visible", "solid")),
    )


class PortraitStruct(ctypes.Structure):
    """Portrait of portrait.h."""

    _fields_ = (
        *((name, ctypes.c_int32) for name in ("width", "height")),
        *((name, ctypes.c_int32) for name in ("region_left", "region_top")),
        *((name, ctypes.c_int32) for name in ("region_width", "region_height")),
        ("layer_count", ctypes.c_int64),
        ("surface", SurfaceStruct),
        ("layers", LayerStruct * MAX_LAYERS),
        *((name, ctypes.c_void_p) for name in ("background", "moves", "bounds")),
        *((name, ctypes.c_void_p) for name in ("positions", "node_lines")),
        *((name, ctypes.c_void_p) for name in ("lines", "colours")),
        *((name, ctypes.c_int32) for name in ("node_line_size", "line_size")),
    )


class NativeParts:
    """Portrait for ``portrait_draw``."""

    def __init__(self, parts: PortraitParts) -> None:
        self._arrays: list[npt.NDArray[Any]] = []
        self._structs: list[ctypes.Array[ImageStruct]] = []
        region, box = parts.region, parts.region_in_mesh
        _require(len(parts.closeups) < MAX_LAYERS, "more than three close-ups")
        _require((box.left, box.top) == (0, 0), "a region within its mesh")
        step = parts.step
        rows, columns = (side - 2 for side in parts.mesh.nodes.shape[1:])
        base = self._layer(
            parts.mesh, parts.textures, Box(0, 0, columns * step, rows * step), step
        )
        layers = [base, *(self._closeup(closeup) for closeup in parts.closeups)]
        most_cells = max(layer.cell_rows * layer.cell_columns for layer in layers)
        nodes = base.node_rows * base.node_columns
        node_line_size = base.node_columns + _SPARE_NODES
        line_size = node_line_size * step
        _require(
            all(_is_within(layer, base) for layer in layers)
            and line_size >= region.width,
            "a close-up that lies outside of the base image",
        )
        self.struct = PortraitStruct(
            width=parts.width, height=parts.height,
            region_left=region.left, region_top=region.top,
            region_width=region.width, region_height=region.height,
            layer_count=len(layers), surface=self._surface(parts.surface),
            layers=(LayerStruct * MAX_LAYERS)(*layers),
            background=self._keep(parts.background),
            moves=self._scratch(most_cells, 2),
            bounds=self._scratch(most_cells, 4),
            positions=self._scratch(2, nodes),
            node_lines=self._scratch(4, node_line_size),
            lines=self._scratch(2 * (2 * _BLENDED + 1), line_size),
            colours=self._scratch(step, line_size, kind=np.uint16),
            node_line_size=node_line_size, line_size=line_size,
        )  # fmt: skip

    @property
    def memory_bytes(self) -> int:
        """Bytes of all arrays."""
        return sum(array.nbytes for array in self._arrays)

    def _keep(self, array: npt.NDArray[Any], kind: Any = None) -> int:
        """Return the address of ``array`` in row order; it lives as long as this."""
        own = np.ascontiguousarray(array, kind)
        self._arrays.append(own)
        return own.ctypes.data

    def _scratch(self, *shape: int, kind: Any = np.float32) -> int:
        return self._keep(np.zeros(shape, kind))

    def _hidden(self, mesh: MeshParts) -> int:
        return self._keep(mesh.hidden, np.uint8) if mesh.hidden.any() else 0

    def _surface(self, surface: Surface) -> SurfaceStruct:
        camera = surface.camera.astype(np.float64)
        neutral = surface.neutral.astype(np.float64)
        rest = np.zeros((len(neutral), 4), np.float32)
        rest[:, :3] = neutral @ camera[:, :3].T + camera[:, 3]
        shifts, firsts = [], [0]
        for shape in surface.blendshapes:
            vertices = np.flatnonzero(shape.any(1))
            moves = np.zeros(len(vertices), _SHIFT)
            moves["vertex"] = vertices
            moves["clip"] = shape[vertices].astype(np.float64) @ camera[:, :3].T
            shifts.append(moves)
            firsts.append(firsts[-1] + len(vertices))
        _require(len(firsts) == len(UNITS) + 1, "another number of units")
        return SurfaceStruct(
            vertex_count=len(rest),
            rest=self._keep(rest),
            shifts=self._keep(np.concatenate(shifts)),
            first_shift=self._keep(np.array(firsts, np.int32)),
            projection=(ctypes.c_float * 9)(*camera[:, :3].flatten()),
            breath=(ctypes.c_float * 3)(*(camera[:, :3] @ surface.breath_offset)),
            clip=self._scratch(len(rest), 4),
            pixels=self._scratch(len(rest), 2),
        )

    def _closeup(self, closeup: CloseupParts) -> LayerStruct:
        layer = self._layer(closeup.mesh, closeup.textures, closeup.box, closeup.step)
        features = closeup.features
        nodes = layer.node_rows * layer.node_columns
        layer.feature_count = features.shape[1]
        layer.features = self._keep(features)
        layer.keyframe_features = self._keep(closeup.keyframe_features)
        layer.face_features = self._scratch(layer.feature_count)
        layer.mask_x, layer.mask_y = closeup.centre
        layer.mask_width, layer.mask_height = closeup.half_size
        layer.feather = closeup.feather
        layer.mask = self._scratch(nodes)
        layer.visible = self._scratch(layer.node_rows, 2, kind=np.int32)
        layer.solid = self._scratch(layer.node_rows, 2, kind=np.int32)
        for slot in range(_BLENDED):
            layer.x[slot] = self._scratch(nodes)
            layer.y[slot] = self._scratch(nodes)
        return layer

    def _layer(
        self, mesh: MeshParts, textures: TextureParts, box: Box, step: int
    ) -> LayerStruct:
        """Return the parts of a layer that the base image and close-ups have."""
        image_count, rows, columns = textures.shape
        cell_rows, cell_columns = mesh.centres.shape[1:]
        node_rows, node_columns = mesh.nodes.shape[1:]
        _require(
            (node_rows, node_columns) == (box.height // step + 2, box.width // step + 2)
            and step % 2 == 0,
            "nodes that do not fit their box",
        )
        _require(min(cell_rows, cell_columns) >= 2, "fewer than 2 x 2 cells")
        luma, chroma = _luma_texels(textures), _chroma_texels(textures)
        scale = textures.density
        # The centre of the first texel is half a texel from the corner.
        shift = [-c * s - 0.5 for c, s in zip(textures.corner, scale, strict=True)]
        most = [
            (side + 2 * _PADDING - 2) * _ONE + _ONE // 2 - _SLACK
            for side in (columns, rows)
        ]
        images = self._images(mesh, luma, chroma, image_count)
        layer = LayerStruct(
            left=box.left, top=box.top, width=box.width, height=box.height, step=step,
            node_rows=node_rows, node_columns=node_columns,
            cell_rows=cell_rows, cell_columns=cell_columns,
            bound=mesh.triangles.shape[-1],
            luma_stride=luma.shape[2], chroma_stride=chroma.shape[2],
            image_count=image_count,
            cell_left=mesh.corner[0], cell_top=mesh.corner[1], cell_size=mesh.cell_size,
            texel_scale=_Pair(*(_ONE * number for number in scale)),
            texel_shift=_Pair(*(_ONE * (number + _PADDING) for number in shift)),
            texel_most=_Pair(*most),
            node_x=self._keep(mesh.nodes[0, 0]),
            node_y=self._keep(mesh.nodes[1, :, 0]),
            ways=_Pointers(*(self._keep(_ways(side)) for side in (step, step // 2))),
            hidden=self._hidden(mesh),
            images=images,
        )  # fmt: skip
        if image_count == 1:
            layer.x[0], layer.y[0] = (
                self._scratch(node_rows, node_columns) for _ in range(2)
            )
        return layer

    def _images(
        self,
        mesh: MeshParts,
        luma: npt.NDArray[np.uint16],
        chroma: npt.NDArray[np.uint32],
        count: int,
    ) -> int:
        cells = mesh.centres[0].size
        vertices = mesh.triangles
        shares = np.rint(mesh.barycentric * _ALL_SHARES)
        _require(
            vertices.shape == shares.shape and shares.shape[:2] == (count, cells),
            "cells that do not fit their images",
        )
        _require(
            vertices.min() >= 0 and vertices.max() < min(mesh.vertex_count, 1 << 16),
            "cells that are bound to vertices that are not there",
        )
        _require(bool(np.abs(shares).max() < 1 << 15), "shares that are too large")
        arrays: list[npt.NDArray[Any]] = [
            vertices.astype(np.uint16), shares.astype(np.int16), _rigid_planes(mesh),
            luma, chroma,
        ]  # fmt: skip
        firsts, strides = [], []
        for array in arrays:
            firsts.append(self._keep(array))
            strides.append(array[0].nbytes)
        structs = (ImageStruct * count)(
            *(
                ImageStruct(*(a + i * s for a, s in zip(firsts, strides, strict=True)))
                for i in range(count)
            )
        )
        self._structs.append(structs)
        return ctypes.addressof(structs)


def _require(valid: bool, fault: str) -> None:
    """Raise `ValueError`: C must not read what does not fit together."""
    if not valid:
        raise ValueError(f"a portrait has {fault}")


def _is_within(layer: LayerStruct, base: LayerStruct) -> bool:
    """Tell whether the nodes of a layer are nodes of the base image."""
    return bool(
        layer.step == base.step
        and layer.left % layer.step == layer.top % layer.step == 0
        and layer.left >= 0
        and layer.top >= 0
        and layer.left + layer.width <= base.width
        and layer.top + layer.height <= base.height
    )


def _ways(step: int) -> Floats:
    """Return how far each pixel after a node is on the way to the next one, 0..1."""
    first = 0.5 - (step + 1) // 2
    return ((first + np.arange(step)) / step + 0.5).astype(np.float32)


def _rigid_planes(mesh: MeshParts) -> Floats:
    """Return what `Image.rigid` holds, ``[K, 7, cells]``."""
    arm, clip, head_weight, breath_weight, pixel = np.split(
        mesh.rigid, np.cumsum(RIGID_CHANNELS)[:-1], 1
    )
    return np.concat([arm * head_weight, breath_weight, pixel, clip[:, 2:]], 1)


def _padded(planes: Bytes, padding: int) -> Bytes:
    """Return planes ``[..., h, w]`` with their edges repeated."""
    sides = [(0, 0)] * (planes.ndim - 2) + [(padding, padding)] * 2
    return np.pad(planes, sides, "edge")


def _with_row_below(planes: Bytes) -> Sequence[Bytes]:
    below = np.concatenate([planes[..., 1:, :], planes[..., -1:, :]], -2)
    return planes, below


def _luma_texels(textures: TextureParts) -> npt.NDArray[np.uint16]:
    texels = np.stack(_with_row_below(_padded(textures.luma, _PADDING)), -1)
    return texels.view("<u2")[..., 0]


def _chroma_texels(textures: TextureParts) -> npt.NDArray[np.uint32]:
    u, v = _padded(textures.chroma, _PADDING // 2)
    texels = np.stack((*_with_row_below(u), *_with_row_below(v)), -1)
    return texels.view("<u4")[..., 0]
