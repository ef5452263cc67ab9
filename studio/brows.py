"""Eyebrows: strands on a tapered band over the fitted eyebrow card."""

from dataclasses import dataclass

import numpy as np

from studio.human import Human
from studio.mesh import Floats, Ints, Proxy
from studio.people import Brows

_STEPS = 6
# Fraction of the hairs that is kept, by the position from nose to temple.
_REACH = (0.0, 0.12, 0.3, 0.7, 0.88, 0.9)
_DENSITY = (0.4, 0.85, 1.0, 0.9, 0.4, 0.0)


@dataclass(frozen=True, slots=True)
class BrowStrands:
    """Hairs of both eyebrows, with what is random about each; decimetres."""

    proxy: Proxy
    corners: Ints  # [n, 4]: vertices of the face of the card that holds the root
    weights: Floats  # [n, 4]: bilinear weights of the root in that face
    along: Floats  # [n]: 0 at the nose, 1 at the temple
    jitter: Floats  # [n, 3]: change of the direction
    length: Floats  # [n]

    def fit(self, base: Floats) -> Floats:
        """Return the strands [n, steps, 3] on a posed base mesh."""
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


def brows(human: Human, settings: Brows) -> BrowStrands:
    """Distribute hairs over the eyebrow card; sparse at the nose and the tail."""
    proxy = human.proxy("eyebrows", settings.style)
    rng = np.random.default_rng(human.person.seed + 1)
    quads = np.array([f for f in proxy.mesh.faces if len(f) == 4])
    card = proxy.fit(human.rest)
    area = np.linalg.norm(
        np.cross(
            card[quads[:, 1]] - card[quads[:, 0]], card[quads[:, 3]] - card[quads[:, 0]]
        ),
        axis=1,
    )
    picked = rng.choice(len(quads), settings.count, p=area / area.sum())
    u, v = rng.random((2, settings.count))
    weights = np.stack([(1 - u) * (1 - v), u * (1 - v), u * v, (1 - u) * v], 1)
    across = np.abs(np.einsum("nk,nk->n", weights, card[quads[picked]][:, :, 0]))
    reach = np.abs(card[:, 0])
    along = (across - reach.min()) / np.ptp(reach)
    keep = rng.random(settings.count) < np.interp(along, _REACH, _DENSITY)
    low, high = settings.length
    length = rng.uniform(low, high, settings.count)
    length *= np.interp(along, [0, 0.2, 0.7, 1], [0.9, 1, 0.8, 0.5])
    jitter = rng.normal(0, 1, (settings.count, 3))
    return BrowStrands(
        proxy,
        quads[picked][keep],
        weights[keep],
        along[keep],
        jitter[keep],
        length[keep],
    )
