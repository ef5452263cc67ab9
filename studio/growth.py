"""Strands grown on the scalp itself: short hair, and the soft hairline of long hair."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from studio.human import BODY, Human
from studio.mesh import Floats, Ints

Field = Callable[[Floats], Floats]  # places [n, 3] -> a value or a direction of each


@dataclass(frozen=True, slots=True)
class Growth:
    """Lengths in decimetres; ``comb`` need not be tangent to the skull."""

    count: int
    steps: int
    length: Field
    comb: Field
    lift: Field  # height over the skin that a strand reaches, of its length
    spread: float  # random part of the direction


def grown(human: Human, mask: Floats, plan: Growth, rng: np.random.Generator) -> Floats:
    """Strands [count, steps, 3] rooted where ``mask`` of the base vertices is 1."""
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
        over = ((at - near) * normal).sum(1, keepdims=True)
        paths[:, k] = at + normal * (height - over) * min(1.0, 3 * t)
        way = plan.comb(at) + stray * (0.3 + t)
        way -= normal * (way * normal).sum(1, keepdims=True)
        at = paths[:, k] + step * way / (
            np.linalg.norm(way, axis=1, keepdims=True) + 1e-9
        )
    return paths


class _Skin:
    def __init__(self, human: Human) -> None:
        groups = zip(human.base.faces, human.base.groups, strict=True)
        low = human.chin()[1] - 0.5
        head = [f for f, g in groups if g == "body" and human.rest[f, 1].min() > low]
        quads = np.array([f if len(f) == 4 else [*f, f[2]] for f in head])
        self._at = human.rest[BODY]
        a, b, c, d = (self._at[quads[:, k]] for k in range(4))
        flat = np.cross(c - a, d - b)  # twice the area, along the normal
        normal = np.zeros_like(self._at)
        for k in range(4):
            np.add.at(normal, quads[:, k], flat)
        self._normal = normal / (np.linalg.norm(normal, axis=1, keepdims=True) + 1e-12)
        self._quads: Ints = quads
        self._area = np.linalg.norm(flat, axis=1)
        self._used = np.unique(quads)
        self._tree = cKDTree(self._at[self._used])

    def scatter(self, mask: Floats, count: int, rng: np.random.Generator) -> Floats:
        chance = self._area * mask[self._quads].mean(1)
        pick = self._quads[rng.choice(len(chance), count, p=chance / chance.sum())]
        u, v = rng.random((2, count))
        weights = np.stack([(1 - u) * (1 - v), u * (1 - v), u * v, (1 - u) * v], 1)
        roots: Floats = np.einsum("nk,nkx->nx", weights, self._at[pick])
        return roots

    def nearest(self, points: Floats) -> tuple[Floats, Floats]:
        """A place on the skin and its normal, smoothed over four vertices."""
        distance, index = self._tree.query(points, k=4)
        weight = 1 / (distance + 0.02)
        weight /= weight.sum(1, keepdims=True)
        used = self._used[index]
        at = np.einsum("nk,nkx->nx", weight, self._at[used])
        normal = np.einsum("nk,nkx->nx", weight, self._normal[used])
        return at, normal / np.linalg.norm(normal, axis=1, keepdims=True)
