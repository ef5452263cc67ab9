"""Meshes and strands in Blender's scene whose vertices can be changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import bpy
import numpy as np
from numpy.typing import NDArray

from studio.mesh import Floats, Ints, Mesh

METRES = 0.1  # per decimetre


def to_world(points: Floats) -> Floats:
    """Convert decimetres, y up, to world units: metres, z up, the viewer at -y."""
    x, y, z = np.moveaxis(np.asarray(points, float), -1, 0) * METRES
    return np.stack([x, -z, y], -1)


@dataclass(frozen=True, slots=True)
class PosedMesh:
    """Mesh in one pose. Its triangles and vertex order are the same in every pose."""

    name: str
    vertices: Floats  # [n, 3]: world, metres
    triangles: Ints  # [m, 3]


class Solid:
    """
    Blender object of some faces of a mesh.

    Its methods take arrays over all vertices of the mesh.
    """

    def __init__(
        self,
        name: str,
        mesh: Mesh,
        rest: Floats,
        materials: Sequence[bpy.types.Material],
        *,
        keep: Sequence[int] | None = None,
        slots: Sequence[int] | None = None,
        levels: int = 1,
    ) -> None:
        selected = range(len(mesh.faces)) if keep is None else keep
        self.used = np.unique([i for k in selected for i in mesh.faces[k]])
        number = np.full(len(rest), -1)
        number[self.used] = np.arange(len(self.used))
        faces = [number[mesh.faces[k]].tolist() for k in selected]
        self.name = name
        self.data = bpy.data.meshes.new(name)
        self.data.from_pydata(to_world(rest[self.used]).tolist(), [], faces)
        corners = mesh.uvs[[i for k in selected for i in mesh.uv_faces[k]]]
        layer = self.data.uv_layers.new(name="UVMap")
        layer.data.foreach_set("uv", corners.astype(np.float32).ravel())
        self.object = bpy.data.objects.new(name, self.data)
        bpy.context.scene.collection.objects.link(self.object)
        for material in materials:
            self.data.materials.append(material)
        if slots is not None:
            index = np.array([slots[k] for k in selected], np.int32)
            self.data.polygons.foreach_set("material_index", index)
        self.data.polygons.foreach_set("use_smooth", np.ones(len(faces), bool))
        self.attribute("rest", to_world(rest))
        self._subdivide(levels)

    def attribute(self, name: str, values: NDArray[np.float64]) -> None:
        """Set a value or vector of every vertex, for shaders and `values`."""
        vector = values.ndim == 2
        kind, slot = ("FLOAT_VECTOR", "vector") if vector else ("FLOAT", "value")
        attribute = self.data.attributes.new(name, kind, "POINT")
        attribute.data.foreach_set(slot, values[self.used].astype(np.float32).ravel())

    def attributes(self, values: Mapping[str, Floats]) -> None:
        """Set several attributes by name."""
        for name, value in values.items():
            self.attribute(name, value)

    def move(self, vertices: Floats) -> None:
        """Set the vertices, decimetres."""
        world = to_world(vertices[self.used]).astype(np.float32)
        self.data.vertices.foreach_set("co", world.ravel())
        self.data.update()

    def remove(self) -> None:
        """Remove the object from the scene."""
        bpy.data.objects.remove(self.object)

    def thicken(self, metres: float) -> None:
        """Give the surface a thickness, outwards."""
        modifier = self.object.modifiers.new("thickness", "SOLIDIFY")
        modifier.thickness = metres
        modifier.offset = 1.0

    def posed_mesh(self) -> PosedMesh:
        """Return the subdivided mesh as it is now."""
        evaluated = self._evaluated()
        vertices = np.zeros(len(evaluated.vertices) * 3, np.float32)
        evaluated.vertices.foreach_get("co", vertices)
        evaluated.calc_loop_triangles()
        triangles = np.zeros(len(evaluated.loop_triangles) * 3, np.int32)
        evaluated.loop_triangles.foreach_get("vertices", triangles)
        return PosedMesh(
            self.name,
            vertices.reshape(-1, 3).astype(float),
            triangles.reshape(-1, 3).astype(np.int64),
        )

    def values(self, name: str) -> Floats:
        """Return an attribute at the vertices of `posed_mesh`."""
        data = self._evaluated().attributes[name].data
        values = np.zeros(len(data), np.float32)
        data.foreach_get("value", values)
        return values.astype(float)

    def _subdivide(self, levels: int) -> None:
        modifier = self.object.modifiers.new("smooth", "SUBSURF")
        modifier.levels = 1
        modifier.render_levels = levels
        modifier.uv_smooth = "PRESERVE_BOUNDARIES"

    def _evaluated(self) -> bpy.types.Mesh:
        graph = bpy.context.evaluated_depsgraph_get()
        graph.update()
        return self.object.evaluated_get(graph).data


class Strands:
    """Hair curves with the same number of points each."""

    def __init__(
        self,
        name: str,
        points: Floats,  # [strands, points, 3]
        radii_m: tuple[float, float],
        material: bpy.types.Material,
    ) -> None:
        count, steps, _ = points.shape
        self.data = bpy.data.hair_curves.new(name)
        self.data.add_curves([steps] * count)
        taper = np.linspace(*radii_m, steps) * np.ones((count, 1))
        radius = self.data.attributes.new("radius", "FLOAT", "POINT")
        radius.data.foreach_set("value", taper.astype(np.float32).ravel())
        self.data.materials.append(material)
        self.object = bpy.data.objects.new(name, self.data)
        bpy.context.scene.collection.objects.link(self.object)
        self.move(points)

    def move(self, points: Floats) -> None:
        """Set the points [strands, points, 3], decimetres."""
        world = to_world(points).astype(np.float32)
        self.data.attributes["position"].data.foreach_set("vector", world.ravel())
        self.data.update_tag()
