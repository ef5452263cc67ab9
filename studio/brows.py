"""Eyebrows: strands on an own tapered band over the fitted eyebrow card."""

from dataclasses import dataclass

import numpy as np

from studio.human import Human
from studio.mesh import Floats, Ints, Proxy
from studio.people import Brows as Look

_STEPS = 6
# Hairs kept, from the nose to the temple: sparse, dense, then none.
_REACH = (0.0, 0.12, 0.3, 0.7, 0.88, 0.9)
_DENSITY = (0.4, 0.85, 1.0, 0.9, 0.4, 0.0)


@dataclass(frozen=True, slots=True)
class Brows:
    proxy: Proxy
    corners: Ints  # [n, 4] vertices of the card's face a hair stands in
    weights: Floats  # [n, 4]
    along: Floats  # [n] 0 at the nose, 1 at the temple
    jitter: Floats  # [n, 3]
    length: Floats  # [n]

    def fit(self, base: Floats) -> Floats:
        card = self.proxy.fit(base)
        quad = card[self.corners]
        root = np.einsum("nk,nkx->nx", self.weights, quad)
        side = np.sign(root[:, :1])
        normal = np.cross(quad[:, 1] - quad[:, 0], quad[:, 3] - quad[:, 0])
        normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-9
        normal *= np.sign(normal[:, 2:] + 1e-9)
        lean = np.radians(np.interp(self.along, [0, 0.12, 0.4, 1], [70, 42, 18, -20]))
        out = np.stack([np.cos(lean), np.sin(lean), 0 * lean], 1) * [1, 1, 0]
        out[:, :1] *= side
        out = out + 0.09 * self.jitter
        out -= normal * (out * normal).sum(1, keepdims=True)
        out /= np.linalg.norm(out, axis=1, keepdims=True)
        t = np.linspace(0, 1, _STEPS)[None, :, None]
        fall = np.array([0, -0.15, 0]) * (lean / 1.3).clip(0, 1)[:, None]
        lift = normal[:, None] * (0.2 * t - 0.2 * t * t)
        path = out[:, None] * t + fall[:, None] * t * t + lift
        roots = root[:, None] - normal[:, None] * 0.004
        strands: Floats = roots + path * self.length[:, None, None]
        return strands


def brows(human: Human, look: Look) -> Brows:
    proxy = human.proxy("eyebrows", look.style)
    rng = np.random.default_rng(human.person.seed + 1)
    quads = np.array([f for f in proxy.mesh.faces if len(f) == 4])
    card = proxy.fit(human.rest)
    area = np.linalg.norm(
        np.cross(
            card[quads[:, 1]] - card[quads[:, 0]], card[quads[:, 3]] - card[quads[:, 0]]
        ),
        axis=1,
    )
    pick = rng.choice(len(quads), look.count, p=area / area.sum())
    u, v = rng.random((2, look.count))
    weights = np.stack([(1 - u) * (1 - v), u * (1 - v), u * v, (1 - u) * v], 1)
    across = np.abs(np.einsum("nk,nk->n", weights, card[quads[pick]][:, :, 0]))
    reach = np.abs(card[:, 0])
    along = (across - reach.min()) / np.ptp(reach)
    # sparse at the nose, dense in the middle, fine at the tail
    keep = rng.random(look.count) < np.interp(along, _REACH, _DENSITY)
    low, high = look.length
    length = rng.uniform(low, high, look.count)
    length *= np.interp(along, [0, 0.2, 0.7, 1], [0.9, 1, 0.8, 0.5])
    jitter = rng.normal(0, 1, (look.count, 3))
    return Brows(
        proxy, quads[pick][keep], weights[keep], along[keep], jitter[keep], length[keep]
    )
