"""Geometry of triangle meshes: normals, smooth fields, distances."""

import numpy as np
import numpy.typing as npt
import torch

from creation.arrays import Floats, Ints, Mask
from creation.fit.camera import camera_centre

_CHUNK = 4096  # points that are compared with all others at a time
_ROUNDS = 600  # of the conjugate gradients; some hundred are enough
_RESIDUAL = 1e-6  # of the right side, at which they end
_LEAST = 1e-6  # weight of the mean, for vertices without a connection to a known one


def normals(vertices: Floats, triangles: Ints) -> Floats:
    """Return unit normals ``[V, 3]``; their side follows the order of the corners."""
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    face = np.cross(b - a, c - a)
    total = np.zeros_like(vertices)
    for k in range(3):
        for axis in range(3):
            total[:, axis] += np.bincount(
                triangles[:, k], face[:, axis], minlength=len(vertices)
            )
    return np.asarray(total / (np.linalg.norm(total, axis=1, keepdims=True) + 1e-12))


def facing(vertices: Floats, camera: Floats, triangles: Ints, visible: Mask) -> Floats:
    """
    Return the cosine ``[V]`` between each normal and the way to the camera.

    ``visible`` ``[V]`` tells of vertices in front, which fix the normals' side.
    """
    away = vertices - camera_centre(camera)
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    cosine: Floats = -(normals(vertices, triangles) * away).sum(1)
    return cosine if np.median(cosine[visible]) >= 0 else -cosine


def distances(points: Floats, spots: Floats) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Return distance and number of the nearest of ``spots`` for each point."""
    other = torch.from_numpy(spots)
    near, number = np.empty(len(points)), np.empty(len(points), np.int64)
    for begin in range(0, len(points), _CHUNK):
        part = slice(begin, begin + _CHUNK)
        least = torch.cdist(torch.from_numpy(points[part]), other).min(1)
        near[part], number[part] = least.values.numpy(), least.indices.numpy()
    return near, number


def harmonic(triangles: Ints, known: Floats, values: Floats, weight: float) -> Floats:
    """
    Return ``values`` ``[V, C]`` where they are known, and smooth ones elsewhere.

    It solves (L + weight * known) x = weight * known * values, where L is the graph
    Laplacian of the mesh and ``known`` ``[V]`` is 0..1, by conjugate gradients.
    """
    matrix, diagonal = _laplacian(triangles, len(known))
    pull = torch.from_numpy(known * weight + _LEAST)[:, None]
    mean = (values * known[:, None]).sum(0) / max(known.sum(), 1e-9)
    right = torch.from_numpy((known * weight)[:, None] * values + _LEAST * mean)
    scale = 1 / (diagonal[:, None] + pull)
    x = torch.from_numpy(np.where(known[:, None] > 0, values, mean))
    rest = right - (matrix @ x + pull * x)
    step = scale * rest
    product = (rest * step).sum(0)
    limit = _RESIDUAL * right.norm()
    for _ in range(_ROUNDS):
        if rest.norm() <= limit:
            break
        image = matrix @ step + pull * step
        along = product / (step * image).sum(0).clamp(min=1e-300)
        x += along * step
        rest -= along * image
        smooth = scale * rest
        product, before = (rest * smooth).sum(0), product
        step = smooth + (product / before.clamp(min=1e-300)) * step
    solution: Floats = x.numpy()
    return solution


def _laplacian(triangles: Ints, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the graph Laplacian as a sparse matrix, and its diagonal."""
    pairs = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]],
                            triangles[:, [2, 0]]]).astype(np.int64)  # fmt: skip
    pairs.sort(1)
    pairs = np.unique(pairs[:, 0] * count + pairs[:, 1])
    a, b = pairs // count, pairs % count
    degree = np.bincount(np.concatenate([a, b]), minlength=count).astype(np.float64)
    at = np.concatenate([[a, b], [b, a], [np.arange(count)] * 2], 1)
    entries = np.concatenate([np.full(2 * len(a), -1.0), degree])
    matrix = torch.sparse_coo_tensor(
        torch.from_numpy(at), torch.from_numpy(entries), (count, count),
        check_invariants=False,
    )  # fmt: skip
    return matrix.coalesce(), torch.from_numpy(degree)
