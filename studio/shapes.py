"""Meshes that are computed: tubes, discs and sheets; decimetres."""

import numpy as np

from studio.mesh import Floats, Mesh

_SIDES = 10  # of a tube


def tube(path: Floats, radius: float, closed: bool = False) -> Mesh:
    """Return a tube along ``path`` [n, 3]; a closed path has no repeated point."""
    ahead = np.roll(path, -1, 0) - np.roll(path, 1, 0)
    if not closed:
        ahead[0], ahead[-1] = path[1] - path[0], path[-1] - path[-2]
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    # Any direction that no part of the path is parallel to gives a frame.
    across = np.cross(ahead, [0.31, 0.13, 0.94])
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    other = np.cross(ahead, across)
    turn = 2 * np.pi * np.arange(_SIDES) / _SIDES
    ring = (
        np.cos(turn)[:, None] * across[:, None]
        + np.sin(turn)[:, None] * (other[:, None])
    )
    return sheet(path[:, None] + radius * ring, wrap=(closed, True))


def disc(rim: Floats, bulge: Floats) -> Mesh:
    """Return a disc inside ``rim`` [n, 3]; its centre is moved by ``bulge`` [3]."""
    share = np.linspace(0, 1, 8)
    centre = rim.mean(0)
    rings = centre + share[:, None, None] * (rim - centre)
    rings = rings + (1 - share**2)[:, None, None] * bulge
    return sheet(rings, wrap=(False, True))


def sheet(grid: Floats, wrap: tuple[bool, bool] = (False, False)) -> Mesh:
    """
    Return the quads of a grid [rows, columns, 3] of points.

    ``wrap`` says whether the last row, and the last column, are joined to the first.
    """
    rows, columns, _ = grid.shape
    number = np.arange(rows * columns).reshape(rows, columns)
    down = np.arange(rows if wrap[0] else rows - 1)
    right = np.arange(columns if wrap[1] else columns - 1)
    below, beside = (down + 1) % rows, (right + 1) % columns
    corners = (down, right), (down, beside), (below, beside), (below, right)
    quads = np.stack([number[np.ix_(*c)].ravel() for c in corners], 1)
    return _mesh(grid.reshape(-1, 3), quads.tolist())


def joined(*meshes: Mesh) -> Mesh:
    """Return one mesh of several."""
    first = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes])
    faces = [
        [i + int(offset) for i in face]
        for mesh, offset in zip(meshes, first[:-1], strict=True)
        for face in mesh.faces
    ]
    return _mesh(np.concatenate([mesh.vertices for mesh in meshes]), faces)


def _mesh(vertices: Floats, faces: list[list[int]]) -> Mesh:
    """Return a mesh without texture coordinates."""
    flat = [[0] * len(face) for face in faces]
    return Mesh(vertices, np.zeros((1, 2)), faces, flat, [""] * len(faces))
