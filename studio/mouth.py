"""Teeth and gums, fitted again for every pose."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from studio import complexion
from studio.human import BODY, Human
from studio.mesh import Floats, Proxy

# A wide open jaw, in which teeth are nearest to the skin of the chin.
_OPEN = {"jawOpen": 0.8}
# Decimetres: teeth that are further out than _PIERCING come _SKIN below the skin.
_PIERCING, _SKIN = 0.01, 0.04
_NEAR = 0.06  # decimetres in which that skin is looked for
_FURTHEST = 0.3  # by which teeth are moved backwards, decimetres
_CROWN_SCALE = 1.35  # height of upper teeth, which fitting to the base mesh flattens


@dataclass(frozen=True, slots=True)
class Teeth:
    """Teeth and gums of a person; lengths are in decimetres."""

    proxy: Proxy
    upper: NDArray[np.bool_]  # [V]: whether the vertex belongs to the upper jaw
    gum: NDArray[np.bool_]  # [V]
    # Lowers upper and lower teeth. Without it a smile shows only the lower teeth.
    drop: tuple[float, float]
    back: float  # moves the teeth backwards
    rest: Floats  # base mesh that gives the size; an open jaw would stretch the teeth
    depth: float  # gums below this height at rest are left out: they pierce the chin

    def fit(self, base: Floats) -> Floats:
        """Return the vertices on a posed base mesh."""
        vertices = self.proxy.fit(base, self.rest)
        y = vertices[:, 1]
        y -= np.where(self.upper, *self.drop)
        edge = y[self.upper & ~self.gum].min()
        y[self.upper] += (_CROWN_SCALE - 1) * (y[self.upper] - edge)
        vertices[:, 2] -= self.back
        return vertices

    def faces(self, gum: bool) -> list[int]:
        """Return the faces of the gums, or those of the teeth."""
        height = self.proxy.fit(self.rest)[:, 1]
        return [
            k
            for k, f in enumerate(self.proxy.mesh.faces)
            if self.gum[f[0]] == gum and (not gum or height[f].min() > self.depth)
        ]


def teeth(human: Human) -> Teeth:
    """Return the teeth and gums of ``human``."""
    person = human.person
    proxy = human.proxy("teeth", "teeth_base")
    island = proxy.mesh.islands()
    height = proxy.fit(human.rest)[:, 1]
    middle = np.array([height[island == k].mean() for k in np.unique(island)])
    drop = (person.upper_teeth_drop, person.lower_teeth_drop)
    # The gums are the largest island; each tooth is an island of its own.
    gum = island == np.bincount(island).argmax()
    upper = np.where(gum, height, middle[island]) > np.median(middle)
    depth = float(np.percentile(height[~upper & ~gum], 20))
    return Teeth(proxy, upper, gum, drop, person.teeth_back, human.rest, depth)


def needed_back(human: Human) -> float:
    """Return how far teeth have to be moved back so that none pierces the chin."""
    own = teeth(human)
    base = human.posed(_OPEN)
    skin = base[BODY]
    red = skin[complexion.image_mask(human, "lips")[BODY] > 0.5]
    middle = red[np.abs(red[:, 0]) < 0.1]
    lower = middle[middle[:, 1] < middle[:, 1].mean()]
    edge = lower[:, 1].max()  # of the lower lip, above which teeth may be seen
    at = own.fit(base)[~own.upper]
    hidden = at[at[:, 1] < edge]
    near = cKDTree(skin[:, :2]).query_ball_point(hidden[:, :2], _NEAR)
    front = np.array([skin[index, 2].max(initial=-9.0) for index in near])
    covered = front > -9.0
    beyond = float((hidden[:, 2] - front)[covered].max(initial=0.0))
    return min(beyond + _SKIN, _FURTHEST) if beyond > _PIERCING else 0.0
