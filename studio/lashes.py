"""Eyelashes: strands on the cards of the fitted eyelashes."""

from dataclasses import dataclass

import numpy as np

from studio.human import LEFT_EYE, RIGHT_EYE, Human
from studio.mesh import Floats, Ints, Proxy

_STEPS = 7
_CLOSED = {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0}
_CLOSED_DEG = 62.0  # by which upper lashes turn down when the eye closes


@dataclass(frozen=True, slots=True)
class _Lid:
    """Lashes of one lid; lengths are in decimetres."""

    roots: Ints  # vertices of the card, from one corner of the eye to the other
    upper: bool
    at: Floats  # [n]: position of each lash along the roots, 0..1
    strands: Floats  # [n, steps, 3]: offsets from the root, eyes open
    open: Floats  # [n]: height of the roots, eyes open
    closing: float  # mean drop of the roots when the eye closes


@dataclass(frozen=True, slots=True)
class Lashes:
    """Lashes of both eyes."""

    proxy: Proxy
    lids: tuple[_Lid, ...]

    def fit(self, base: Floats) -> Floats:
        """Return the strands [n, steps, 3] on a posed base mesh."""
        return np.concatenate([self._moved(base, lid) for lid in self.lids])

    def roots(self, base: Floats) -> Floats:
        """
        Return points along the lids, for a dark line.

        Upper lids have every point, lower lids every second one.
        """
        card = self.proxy.fit(base)
        return np.concatenate(
            [card[d.roots[:: 1 if d.upper else 2]] for d in self.lids]
        )

    def margins(self, base: Floats) -> list[Floats]:
        """Return points [n, 3] along each lid from one corner to the other."""
        card = self.proxy.fit(base)
        return [card[lid.roots] for lid in self.lids]

    def _moved(self, base: Floats, lid: _Lid) -> Floats:
        """Return the strands of a lid. They keep their shape and turn with the lid."""
        card = self.proxy.fit(base)
        root = _along(card[lid.roots], lid.at)
        if not lid.upper:
            return self._pushed(root, card)[:, None] + lid.strands
        # The mean of the lid decides, because its corners hardly move.
        closed = np.clip((lid.open - root[:, 1]).mean() / lid.closing, -0.3, 1)
        turn = np.radians(_CLOSED_DEG) * closed
        x, y, z = np.moveaxis(lid.strands, -1, 0)
        down = y * np.cos(turn) - z * np.sin(turn)
        turned = np.stack([x, down, z * np.cos(turn) + y * np.sin(turn)], -1)
        return root[:, None] + turned

    def _pushed(self, root: Floats, card: Floats) -> Floats:
        """Return roots of lower lashes, pushed down where an upper lid covers them."""
        pushed = root.copy()
        for lid in self.lids:
            line = card[lid.roots]
            if lid.upper and np.sign(line[0, 0]) == np.sign(root[0, 0]):
                line = line[np.argsort(line[:, 0])]
                low, near = (
                    np.interp(root[:, 0], line[:, 0], line[:, k]) for k in (1, 2)
                )
                under = low < root[:, 1]
                pushed[under, 1] = low[under]
                pushed[under, 2] = np.maximum(near, root[:, 2])[under]
        return pushed


def _strands(
    card: Floats,
    roots: Ints,
    tips: Ints,
    upper: bool,
    at: Floats,
    rng: np.random.Generator,
) -> Floats:
    """Return lashes as offsets from their roots: curves from ``roots`` to ``tips``."""
    count = len(at)
    root = _along(card[roots], at)
    tip = _along(card[tips], (at + rng.normal(0, 0.025, count)).clip(0, 1))
    low, high = (0.75, 1.05) if upper else (0.4, 0.7)
    sweep = np.array([0, -0.02 if upper else 0.01, 0.02])
    middle = (root + tip) / 2 + sweep
    t = np.linspace(0, 1, _STEPS)[None, :, None]
    t = t * rng.uniform(low, high, count)[:, None, None]
    start, middle, tip = root[:, None], middle[:, None], tip[:, None]
    curve = (1 - t) ** 2 * start + 2 * t * (1 - t) * middle + t * t * tip
    strands: Floats = curve - start
    return strands


def lashes(human: Human, style: str) -> Lashes:
    """Distribute lashes over the cards of the eyelashes ``style``."""
    proxy = human.proxy("eyelashes", style)
    card = proxy.fit(human.posed({}))
    closed = proxy.fit(human.posed(_CLOSED))
    rng = np.random.default_rng(human.person.seed + 2)
    island = proxy.mesh.islands()
    lids = []
    for k in np.unique(island):
        own = np.flatnonzero(island == k)
        side = LEFT_EYE if card[own, 0].mean() > 0 else RIGHT_EYE
        eye = human.eye_centre(side)
        reach = np.linalg.norm(card[own] - eye, axis=1)
        inner = own[reach < np.percentile(reach, 40)]
        outer = own[reach > np.percentile(reach, 70)]
        roots, tips = (v[np.argsort(card[v, 0])] for v in (inner, outer))
        both = card[np.sign(card[:, 0]) == np.sign(card[own[0], 0])]
        upper = bool(card[own, 1].mean() > both[:, 1].mean())
        count = int((120 if upper else 55) * human.person.lashes)
        at = np.sort(rng.random(count))
        strands = _strands(card, roots, tips, upper, at, rng)
        root = _along(card[roots], at)
        closing = float((root - _along(closed[roots], at))[:, 1].mean())
        lids.append(_Lid(roots, upper, at, strands, root[:, 1], closing))
    return Lashes(proxy, tuple(lids))


def _along(line: Floats, at: Floats) -> Floats:
    """Return the points at ``at`` 0..1 of a polyline."""
    knots = np.linspace(0, 1, len(line))
    return np.stack([np.interp(at, knots, line[:, k]) for k in range(3)], 1)
