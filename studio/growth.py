"""Strands grown on the scalp: short hair, and the soft hairline of long hair."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from studio.human import BODY, Human
from studio.mesh import Floats, Ints

# positions [n, 3] -> a value [n] or a direction [n, 3] of each
ScalpFunction = Callable[[Floats], Floats]


@dataclass(frozen=True, slots=True)
class Growth:
    """Plan of the strands. Lengths are in decimetres."""

    count: int
    steps: int  # points of a strand
    length: ScalpFunction
    comb: ScalpFunction  # direction; its part along the skin's normal is ignored
    lift: ScalpFunction  # height above the skin, as a fraction of the length
    spread: float  # standard deviation of the direction's random part


def grow(human: Human, mask: Floats, plan: Growth, rng: np.random.Generator) -> Floats:
    """
    Return strands [count, steps, 3].

    ``mask`` 0..1 over the base vertices is the density of the roots.
    """
    skin = _Skin(human)
    roots = skin.scatter(mask, plan.count, rng)
    length = plan.length(roots) * rng.uniform(0.75, 1.1, plan.count)
    lift = plan.lift(roots) * rng.uniform(0.5, 1.2, plan.count)
    stray = rng.normal(0, plan.spread, (plan.count, 3))
    stray[rng.random(plan.count) < 0.04] *= 3
    paths = np.zeros((plan.count, plan.steps, 3))
    at = roots
    step = (length / (plan.steps - 1))[:, None]
    for k in range(plan.steps):
        t = k / (plan.steps - 1)
        near, normal = skin.nearest(at)
        height = (length * lift * np.sin(np.pi * (0.15 + 0.6 * t)) * t)[:, None]
        above = ((at - near) * normal).sum(1, keepdims=True)
        paths[:, k] = at + normal * (height - above) * min(1.0, 3 * t)
        direction = plan.comb(at) + stray * (0.3 + t)
        direction -= normal * (direction * normal).sum(1, keepdims=True)
        at = paths[:, k] + step * direction / (
            np.linalg.norm(direction, axis=1, keepdims=True) + 1e-9
        )
    return paths


class _Skin:
    """Skin of the head: samples roots and finds nearest points."""

    def __init__(self, human: Human) -> None:
        groups = zip(human.base.faces, human.base.groups, strict=True)
        low = human.chin()[1] - 0.5
        head = [f for f, g in groups if g == "body" and human.rest[f, 1].min() > low]
        quads = np.array([f if len(f) == 4 else [*f, f[2]] for f in head])
        self._at = human.rest[BODY]
        a, b, c, d = (self._at[quads[:, k]] for k in range(4))
        doubled = np.cross(c - a, d - b)  # normal, its length is twice the area
        normal = np.zeros_like(self._at)
        for k in range(4):
            np.add.at(normal, quads[:, k], doubled)
        self._normal = normal / (np.linalg.norm(normal, axis=1, keepdims=True) + 1e-12)
        self._quads: Ints = quads
        self._area = np.linalg.norm(doubled, axis=1)
        self._used = np.unique(quads)
        self._tree = cKDTree(self._at[self._used])

    def scatter(self, mask: Floats, count: int, rng: np.random.Generator) -> Floats:
        """Return random points [count, 3], with a density proportional to ``mask``."""
        density = self._area * mask[self._quads].mean(1)
        picked = self._quads[rng.choice(len(density), count, p=density / density.sum())]
        u, v = rng.random((2, count))
        weights = np.stack([(1 - u) * (1 - v), u * (1 - v), u * v, (1 - u) * v], 1)
        roots: Floats = np.einsum("nk,nkx->nx", weights, self._at[picked])
        return roots

    def nearest(self, points: Floats) -> tuple[Floats, Floats]:
        """Return points on the skin and normals, smoothed over four vertices."""
        distance, index = self._tree.query(points, k=4)
        weight = 1 / (distance + 0.02)
        weight /= weight.sum(1, keepdims=True)
        used = self._used[index]
        at = np.einsum("nk,nkx->nx", weight, self._at[used])
        normal = np.einsum("nk,nkx->nx", weight, self._normal[used])
        return at, normal / np.linalg.norm(normal, axis=1, keepdims=True)
