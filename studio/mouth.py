"""Teeth, gums and tongue, refitted for every pose."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.human import Human
from studio.mesh import Floats, Proxy

_CROWN = 1.35  # the base mesh's mouth makes upper teeth flat


@dataclass(frozen=True, slots=True)
class Teeth:
    proxy: Proxy
    upper: NDArray[np.bool_]  # vertices
    gum: NDArray[np.bool_]
    drop: tuple[float, float]  # upper, lower; else only lower teeth would show
    back: float
    rest: Floats  # base mesh; an open jaw would else stretch the teeth
    depth: float  # what lies lower in the rest pose would only pierce the chin

    def fit(self, base: Floats) -> Floats:
        vertices = self.proxy.fit(base, self.rest)
        y = vertices[:, 1]
        y -= np.where(self.upper, *self.drop)
        edge = y[self.upper & ~self.gum].min()
        y[self.upper] += (_CROWN - 1) * (y[self.upper] - edge)
        vertices[:, 2] -= self.back
        return vertices

    def faces(self, gum: bool) -> list[int]:
        height = self.proxy.fit(self.rest)[:, 1]
        return [
            k
            for k, f in enumerate(self.proxy.mesh.faces)
            if self.gum[f[0]] == gum and (not gum or height[f].min() > self.depth)
        ]


def teeth(human: Human) -> Teeth:
    person = human.person
    proxy = human.proxy("teeth", "teeth_base")
    island = proxy.mesh.islands()
    height = proxy.fit(human.rest)[:, 1]
    middle = np.array([height[island == k].mean() for k in np.unique(island)])
    drop = (person.upper_teeth_drop, person.lower_teeth_drop)
    gum = island == np.bincount(island).argmax()  # one part; each tooth is another
    upper = np.where(gum, height, middle[island]) > np.median(middle)
    depth = float(np.percentile(height[~upper & ~gum], 20))
    return Teeth(proxy, upper, gum, drop, person.teeth_back, human.rest, depth)
