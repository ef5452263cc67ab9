"""
Readers of MakeHuman's text formats: meshes (.obj), morphs (.target), parts (.mhclo).

All lengths are decimetres, y up, z towards the viewer, x to the person's left
(the right of the image).
"""

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Mesh:
    """Polygon mesh with texture coordinates."""

    vertices: Floats  # [V, 3]
    uvs: Floats  # [U, 2]
    faces: list[list[int]]  # vertex numbers
    uv_faces: list[list[int]]  # numbers of texture coordinates
    groups: list[str]  # name of the group of each face

    def islands(self) -> Ints:
        """Return the number of the connected part of each vertex."""
        return components(self.faces, len(self.vertices))

    def uv_islands(self) -> Ints:
        """Return the number of the connected part of each texture coordinate."""
        return components(self.uv_faces, len(self.uvs))


def components(faces: list[list[int]], count: int) -> Ints:
    """Return the number of the connected part of each of ``count`` vertices."""
    edges = np.array([p for f in faces for p in zip(f, [*f[1:], f[0]], strict=True)])
    graph = coo_matrix((np.ones(len(edges)), edges.T), shape=(count, count))
    labels: Ints = connected_components(graph, directed=False)[1]
    return labels


def read_obj(path: Path) -> Mesh:
    """Read a mesh; numbers in the file count from 1, in `Mesh` from 0."""
    vertices: list[list[float]] = []
    uvs: list[list[float]] = []
    faces, uv_faces, groups, group = [], [], [], ""
    for line in path.read_text(encoding="utf-8").splitlines():
        match line.split():
            case ["v", *xyz]:
                vertices.append([float(x) for x in xyz[:3]])
            case ["vt", *uv]:
                uvs.append([float(x) for x in uv[:2]])
            case ["g", name, *_]:
                group = name
            case ["f", *corners]:
                pairs = [[int(i or 1) - 1 for i in c.split("/")[:2]] for c in corners]
                faces.append([p[0] for p in pairs])
                uv_faces.append([p[1] if len(p) > 1 else 0 for p in pairs])
                groups.append(group)
    return Mesh(
        np.array(vertices), np.array(uvs or [[0.0, 0.0]]), faces, uv_faces, groups
    )


@dataclass(frozen=True, slots=True)
class Morph:
    """Displacement of some vertices of the base mesh at weight 1."""

    index: Ints  # [N]: vertices
    delta: Floats  # [N, 3]


def read_target(path: Path) -> Morph:
    """Read a morph, which may be compressed with gzip."""
    data = path.read_bytes()
    text = gzip.decompress(data) if path.suffix == ".gz" else data
    lines = text.decode().splitlines()
    words = [line.split() for line in lines if not line.startswith(("#", '"'))]
    rows = np.array([[float(x) for x in w] for w in words if len(w) == 4])
    rows = rows.reshape(-1, 4)
    return Morph(rows[:, 0].astype(np.int64), rows[:, 1:])


@dataclass(frozen=True, slots=True)
class Proxy:
    """Part that follows the base mesh; a vertex is bound to three of the base mesh."""

    mesh: Mesh
    # Size by axis: axis, two vertices of the base mesh, their distance at scale 1.
    scales: list[tuple[int, int, int, float]]
    anchors: Ints  # [V, 3]: vertices of the base mesh
    weights: Floats  # [V, 3]
    offsets: Floats  # [V, 3]
    hidden: Ints  # vertices of the base mesh that this part covers

    def fit(self, base: Floats, sized: Floats | None = None) -> Floats:
        """
        Return the vertices on a base mesh.

        Offsets are scaled by the size of ``sized`` if it is given, else of ``base``.
        """
        sized = base if sized is None else sized
        scale = np.ones(3)
        for axis, a, b, distance in self.scales:
            scale[axis] = abs(sized[a, axis] - sized[b, axis]) / distance
        return self.blend(base) + self.offsets * scale

    def blend(self, values: Floats) -> Floats:
        """Interpolate values of the base mesh's vertices to this part."""
        interpolated: Floats = np.einsum(
            "vk,vk...->v...", self.weights, values[self.anchors]
        )
        return interpolated


def read_proxy(path: Path) -> Proxy:
    """Read a .mhclo file and the .obj that it names."""
    mesh: Mesh | None = None
    scales, rows, hidden = [], [], []
    section = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        match line.split():
            case ["obj_file", name]:
                mesh = read_obj(path.parent / name)
            case ["x_scale" | "y_scale" | "z_scale" as axis, a, b, distance]:
                scales.append(("xyz".index(axis[0]), int(a), int(b), float(distance)))
            case ["verts" | "delete_verts" as section, *_]:
                pass
            case [word, *_] as words if word.lstrip("-").isdigit():
                if section == "verts":
                    rows.append([float(w) for w in words])
                elif section == "delete_verts":
                    hidden += _ranges(words)
    assert mesh is not None, f"{path} has no line obj_file"
    # A row has one vertex, or three vertices, three weights and an offset.
    full = np.array([r if len(r) == 9 else [r[0]] * 3 + [1] + [0] * 5 for r in rows])
    return Proxy(
        mesh,
        scales,
        full[:, :3].astype(np.int64),
        full[:, 3:6],
        full[:, 6:],
        np.array(hidden, np.int64),
    )


def _ranges(words: list[str]) -> list[int]:
    """Return the numbers of a list with ranges: ``3 - 5 9`` is 3, 4, 5, 9."""
    numbers: list[int] = []
    for i, word in enumerate(words):
        if word == "-":
            numbers += range(int(words[i - 1]) + 1, int(words[i + 1]))
        else:
            numbers.append(int(word))
    return numbers
