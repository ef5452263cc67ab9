"""
MakeHuman's plain text formats: meshes (.obj), morphs (.target), fitted parts (.mhclo).

All lengths are decimetres, y up, z towards the viewer, x to the person's left
(the right of the picture).
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
    """Polygons with texture coordinates; ``groups`` names the group of each face."""

    vertices: Floats  # [V, 3]
    uvs: Floats  # [U, 2]
    faces: list[list[int]]
    uv_faces: list[list[int]]
    groups: list[str]

    def islands(self) -> Ints:
        """The number of the connected part each vertex belongs to."""
        return components(self.faces, len(self.vertices))

    def uv_islands(self) -> Ints:
        return components(self.uv_faces, len(self.uvs))


def components(faces: list[list[int]], count: int) -> Ints:
    edges = np.array([p for f in faces for p in zip(f, [*f[1:], f[0]], strict=True)])
    graph = coo_matrix((np.ones(len(edges)), edges.T), shape=(count, count))
    labels: Ints = connected_components(graph, directed=False)[1]
    return labels


def read_obj(path: Path) -> Mesh:
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
    """Moves some vertices of the base mesh."""

    index: Ints  # [N]
    delta: Floats  # [N, 3]


def read_target(path: Path) -> Morph:
    packed = path.read_bytes()
    text = gzip.decompress(packed) if path.suffix == ".gz" else packed
    lines = text.decode().splitlines()
    words = [line.split() for line in lines if not line.startswith(("#", '"'))]
    rows = np.array([[float(x) for x in w] for w in words if len(w) == 4])
    rows = rows.reshape(-1, 4)
    return Morph(rows[:, 0].astype(np.int64), rows[:, 1:])


@dataclass(frozen=True, slots=True)
class Proxy:
    """A part whose every vertex hangs on three vertices of the base mesh."""

    mesh: Mesh
    scales: list[tuple[int, int, int, float]]  # axis, two vertices, their distance
    anchors: Ints  # [V, 3]
    weights: Floats  # [V, 3]
    offsets: Floats  # [V, 3]
    hidden: Ints  # vertices of the base mesh that this part covers

    def fit(self, base: Floats, sized: Floats | None = None) -> Floats:
        """Where the vertices are on this base mesh, by the size of it or ``sized``."""
        sized = base if sized is None else sized
        scale = np.ones(3)
        for axis, a, b, distance in self.scales:
            scale[axis] = abs(sized[a, axis] - sized[b, axis]) / distance
        return self.blend(base) + self.offsets * scale

    def blend(self, values: Floats) -> Floats:
        """Values of the base mesh's vertices, carried over to this part."""
        carried: Floats = np.einsum(
            "vk,vk...->v...", self.weights, values[self.anchors]
        )
        return carried


def read_proxy(path: Path) -> Proxy:
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
    assert mesh is not None, f"{path} names no obj_file"
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
    """``3 - 5 9`` is 3, 4, 5, 9."""
    numbers: list[int] = []
    for i, word in enumerate(words):
        if word == "-":
            numbers += range(int(words[i - 1]) + 1, int(words[i + 1]))
        else:
            numbers.append(int(word))
    return numbers
