"""Beard: short strands on chin, cheeks and upper lip that move with the skin."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from studio import complexion
from studio.growth import Growth, grow
from studio.human import BODY, Human
from studio.mesh import Floats, Ints

_STEPS = 6
_THIN, _FULL = 0.2, 0.7  # values of the mask between which the beard gets dense
_NEIGHBOURS = 3  # base vertices that a root follows


@dataclass(frozen=True, slots=True)
class Beard:
    """Look of a beard; the length is in decimetres."""

    length: float = 0.1
    count: int = 30000


@dataclass(frozen=True, slots=True)
class BeardStrands:
    """Hairs of a beard at rest, and the base vertices that each follows."""

    rest: Floats  # [n, steps, 3]
    human_rest: Floats  # base mesh that ``rest`` belongs to
    anchors: Ints  # [n, 3]
    weights: Floats  # [n, 3]; the sum is 1

    def fit(self, base: Floats) -> Floats:
        """Return the strands [n, steps, 3] on a posed base mesh."""
        moved = base[self.anchors] - self.human_rest[self.anchors]
        shift = np.einsum("nk,nkx->nx", self.weights, moved)
        return self.rest + shift[:, None]


def beard_strands(human: Human, look: Beard) -> BeardStrands:
    """Distribute the hairs of a beard over the skin, without the lips."""
    rng = np.random.default_rng(human.person.seed + 5)
    bare = complexion.image_mask(human, "lips")
    bare = np.maximum(bare, complexion.image_mask(human, "inside-mouth"))
    dense = ((complexion.beard(human) - _THIN) / (_FULL - _THIN)).clip(0, 1)
    chin = human.chin()

    def comb(places: Floats) -> Floats:
        side = 0.8 * places[:, 0] - chin[0]
        return np.stack([side, np.full(len(side), -1.0), np.full(len(side), 0.2)], 1)

    plan = Growth(
        count=look.count,
        steps=_STEPS,
        # Hair on the chin is longest.
        length=lambda p: look.length * (1.1 - 0.7 * np.abs(p[:, 0]).clip(0, 1)),
        comb=comb,
        lift=lambda p: np.full(len(p), 0.35),
        spread=0.3,
    )
    strands = grow(human, dense * (bare < 0.1), plan, rng)
    skin = human.rest[BODY]
    distance, anchors = cKDTree(skin).query(strands[:, 0], k=_NEIGHBOURS)
    weights = 1 / (distance + 1e-3)
    weights /= weights.sum(1, keepdims=True)
    return BeardStrands(strands, human.rest, anchors, weights)
