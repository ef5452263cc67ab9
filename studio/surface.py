"""Content of ``surface.npz`` of a studio portrait."""

import numpy as np

from renderer.portrait.packing import (
    BoundCells,
    PackedCloseup,
    PackedSurface,
    breath_offset,
)
from studio.binding import FillVertices
from studio.geometry import Geometry
from studio.mesh import Floats


def packed_surface(
    geometry: Geometry,
    fill: FillVertices,
    breath_weight: Floats,
    base_image: BoundCells,
    closeups: dict[str, PackedCloseup],
) -> PackedSurface:
    """
    Return the surface of a person and the images that are bound to it.

    ``breath_weight`` ``[V + n]`` is that of the surface and of the added vertices.
    """
    return PackedSurface(
        neutral=np.concatenate([geometry.neutral, fill.neutral]),
        blendshapes=np.concatenate([geometry.blendshapes, fill.blendshapes], 1),
        head_weight=np.concatenate([geometry.head_weight, fill.head_weight]),
        breath_weight=breath_weight,
        camera=geometry.camera,
        pivot=geometry.pivot,
        breath_offset=breath_offset(),
        base_image=base_image,
        closeups=closeups,
    )
