"""The parts of a face that no plate can be bent into, and the expressions they need."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from renderer.arkit import UNITS
from renderer.portrait.layout import CLOSEUP_CELL_PX, FEATHER_PX
from studio.geometry import Array, Geometry, Integers

Box = tuple[int, int, int, int]  # left, top, right, bottom; plate pixels
_MOVED_PX = 4.0  # by a unit that a close-up is there for
_MARGIN = 6
_LIDS = 24  # plate pixels around an eyeball
_LANDMARKS = 90
_TOUCHING = 30  # pairs of vertices where lips meet
_GAP = 1.5  # how much their parting counts
_MOUTHS = 39  # of those that speech was found to make

_LIPS = (
    *("mouthPucker", "mouthRollLower", "mouthRollUpper", "mouthUpperUpLeft"),
    *("mouthUpperUpRight", "mouthLowerDownLeft", "mouthLowerDownRight"),
)
_SHOWN = {  # what stretches each close-up's box, and how far a face goes there
    "mouth": {"jawOpen": 0.75, "mouthPucker": 0.9, "mouthFunnel": 0.7,
              "mouthSmileLeft": 0.5, "mouthSmileRight": 0.5},
    "eyeLeft": {"eyeBlinkLeft": 1.0, "eyeWideLeft": 1.0},
    "eyeRight": {"eyeBlinkRight": 1.0, "eyeWideRight": 1.0},
}  # fmt: skip

Weights = Mapping[str, float]
_BOTH = ("Left", "Right")


@dataclass(frozen=True, slots=True)
class Expression:
    """One to be rendered; the same for both eyes, which are cut out of one picture."""

    weights: Weights  # of ARKit names
    gaze: tuple[float, float] = (0.0, 0.0)

    def units(self) -> Array:
        """``[U]``."""
        x, y = self.gaze
        every = {
            **self.weights, "gazeRight": max(x, 0), "gazeLeft": max(-x, 0),
            "gazeUp": max(y, 0), "gazeDown": max(-y, 0),
        }  # fmt: skip
        return np.array([every.get(unit, 0.0) for unit in UNITS])


def _sides(**weights: float) -> Weights:
    return {name + side: value for name, value in weights.items() for side in _BOTH}


def eyes() -> list[Expression]:
    """Gazes with open lids, lids on their way down, and what brows and cheeks do."""
    looks = [(0.0, 0.0), (0.5, 0.0), (-0.5, 0.0), (1.0, 0.0), (-1.0, 0.0)]
    looks += [(x, y) for y in (0.6, -0.65) for x in (0.0, 0.7, -0.7)]
    lids = [_sides(eyeBlink=shut) for shut in (0.25, 0.5, 0.72, 0.88, 1.0)]
    lids += [_sides(eyeWide=0.8), _sides(eyeSquint=0.7, cheekSquint=0.5)]
    made = [Expression({}, look) for look in looks]
    made += [Expression(weights) for weights in lids]
    return [*made, Expression(_sides(eyeBlink=0.5), (0.0, -0.6))]


def mouths() -> list[Expression]:
    """What speech does most; `spoken.json` says how it was found."""
    found = json.loads(Path(__file__).with_name("spoken.json").read_text())
    every = [*found["mouth"][:_MOUTHS], *_closures()]
    return [Expression(weights) for weights in every]


def _closures() -> list[Weights]:
    """
    Lips on their way to and from each other, with the faint smile of speech.

    A closed and an open mouth are blended on that way, and half of each is two mouths:
    the distance between keys matters more here than anywhere else.
    """
    shut = _sides(mouthSmile=0.16, mouthPress=0.5)
    bite = _sides(mouthSmile=0.16, mouthUpperUp=0.6, mouthLowerDown=0.08)
    pout = _sides(mouthSmile=0.1, mouthUpperUp=0.2, mouthLowerDown=0.2)
    return [
        {**shut, "mouthRollLower": 0.28, "mouthRollUpper": 0.22},
        {**_sides(mouthSmile=0.16, mouthLowerDown=0.1, mouthUpperUp=0.06),
         "jawOpen": 0.03},
        {**_sides(mouthSmile=0.16, mouthLowerDown=0.2, mouthUpperUp=0.12),
         "jawOpen": 0.08},
        {**_sides(mouthSmile=0.2, mouthStretch=0.35, mouthLowerDown=0.47,
                  mouthUpperUp=0.33), "jawOpen": 0.08},
        {**bite, "mouthRollLower": 0.75, "jawOpen": 0.08},
        {**pout, "mouthFunnel": 0.65, "jawOpen": 0.12},
    ]  # fmt: skip


def box_of(geometry: Geometry, name: str, width: int, height: int) -> Box:
    """The pixels that a close-up has to cover, in whole cells."""
    around = _mouth(geometry) if name == "mouth" else _eyeball(geometry, name)
    margin = FEATHER_PX + (_MARGIN if name == "mouth" else _LIDS)
    low, high = around.min(0) - margin, around.max(0) + margin
    left, top = (int(max(0, side)) // CLOSEUP_CELL_PX * CLOSEUP_CELL_PX for side in low)
    right, bottom = (
        -(-int(side) // CLOSEUP_CELL_PX) * CLOSEUP_CELL_PX for side in high
    )
    return left, top, min(right, width), min(bottom, height)


def _mouth(geometry: Geometry) -> Array:
    """Everything that a mouth moves, wherever it goes: ``[n, 2]`` plate pixels."""
    still = geometry.seen(geometry.neutral)
    spots = []
    for unit, amount in _SHOWN["mouth"].items():
        shape = amount * geometry.shapes[UNITS.index(unit)]
        moved = geometry.seen(geometry.neutral + shape)
        hit = np.abs(moved - still).max(1) > _MOVED_PX
        spots += [still[hit], moved[hit]]
    return np.concatenate(spots)


def _eyeball(geometry: Geometry, name: str) -> Array:
    """Plate pixels ``[n, 2]`` of one eye, whose left is the picture's right."""
    eyes = geometry.surface == geometry.names.index("eyes")
    left = geometry.seen(geometry.neutral)[eyes]
    right = left[:, 0] < np.median(left[:, 0])
    return left[right if name == "eyeRight" else ~right]


def measure(geometry: Geometry, name: str) -> Array:
    """
    ``[U, M]``: faces that look alike in a close-up are near by this, in pixels.

    Its landmarks are the vertices that matter there.  A factor of the Gram matrix of
    their moves has the same distances, with no more columns than units.
    """
    still = geometry.seen(geometry.neutral)
    moves = np.stack(
        [geometry.seen(geometry.neutral + shape) - still for shape in geometry.shapes]
    )
    parts = [
        weight * moves[:, chosen].reshape(len(UNITS), -1) / np.sqrt(len(chosen))
        for weight, chosen in _landmarks(geometry, name, moves)
    ]
    if name == "mouth":
        parts.append(_GAP * _gap(geometry, moves))
    seen = np.concatenate(parts, 1)
    values, vectors = np.linalg.eigh(seen @ seen.T)
    kept = values > 1e-6 * values.max()
    factors: Array = vectors[:, kept] * np.sqrt(values[kept])
    return factors


def _gap(geometry: Geometry, moves: Array) -> Array:
    """
    ``[U, 2n]``: how lips that touch part.

    Half of a pixel matters where a slit shows teeth: a face with one is far from any
    whose lips are shut.
    """
    skin = np.flatnonzero(geometry.surface == geometry.names.index("skin"))
    sides = []
    for unit in ("mouthUpperUp", "mouthLowerDown"):
        moved = sum(np.linalg.norm(moves[UNITS.index(unit + s)], axis=1) for s in _BOTH)
        sides.append(skin[moved[skin] > 0.6 * moved[skin].max()])
    upper, lower = sides
    far, nearest = cKDTree(geometry.neutral[lower]).query(geometry.neutral[upper])
    chosen = np.argsort(far, kind="stable")[:_TOUCHING]
    parted = moves[:, lower[nearest[chosen]]] - moves[:, upper[chosen]]
    return parted.reshape(len(UNITS), -1) / np.sqrt(len(chosen))


def _landmarks(
    geometry: Geometry, name: str, moves: Array
) -> list[tuple[float, Integers]]:
    """Groups of vertices, and how much each of them counts."""
    skin = geometry.surface == geometry.names.index("skin")
    units = _LIPS if name == "mouth" else tuple(_SHOWN[name])
    active = np.linalg.norm(moves[[UNITS.index(u) for u in units]], axis=2).max(0)
    if name == "mouth":
        around = _most(np.where(skin, active, 0.0))
        tongue = geometry.surface == geometry.names.index("tongue")
        out = np.linalg.norm(moves[UNITS.index("tongueOut")], axis=1)
        return [(1.0, around), (2.0, _most(np.where(tongue, out, 0.0)))]
    still = geometry.seen(geometry.neutral)
    low, high = _eyeball(geometry, name).min(0), _eyeball(geometry, name).max(0)
    here = (still > low).all(1) & (still < high).all(1)
    eyes = here & (geometry.surface == geometry.names.index("eyes"))
    front = geometry.neutral[:, 1] < np.median(geometry.neutral[eyes, 1])
    turned = np.linalg.norm(moves[UNITS.index("gazeRight")], axis=1)
    lids = _most(np.where(skin & here, active, 0.0))
    return [(1.0, lids), (1.0, _most(np.where(eyes & front, turned, 0.0)))]


def _most(active: Array) -> Integers:
    """Some of the vertices that move most."""
    return np.argsort(-active, kind="stable")[: 10 * _LANDMARKS : 10]
