"""Close-ups of mouth and eyes: their boxes, expressions and feature matrices."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from renderer.arkit import UNITS
from renderer.portrait.layout import CLOSEUP_CELL_PX, FEATHER_PX
from studio.geometry import Geometry
from studio.mesh import Floats, Ints

Box = tuple[int, int, int, int]  # left, top, right, bottom; base-image pixels
_MOVED_PX = 4.0  # the mouth's box holds every vertex that a unit moves by more
_MOUTH_MARGIN_PX = 6
_EYE_MARGIN_PX = 24  # around an eyeball, for the lids
_LANDMARKS = 90  # vertices per group
_LIP_PAIRS = 30  # pairs of vertices at which closed lips touch
_GAP_WEIGHT = 1.5  # of the distance between the lips among the features
_SPOKEN_MOUTHS = 39  # expressions of spoken.json that are rendered

_LIPS = (
    *("mouthPucker", "mouthRollLower", "mouthRollUpper", "mouthUpperUpLeft"),
    *("mouthUpperUpRight", "mouthLowerDownLeft", "mouthLowerDownRight"),
)
# Units that stretch each close-up's box, with the largest weights that occur.
_STRETCHING = {
    "mouth": {"jawOpen": 0.75, "mouthPucker": 0.9, "mouthFunnel": 0.7,
              "mouthSmileLeft": 0.5, "mouthSmileRight": 0.5},
    "eyeLeft": {"eyeBlinkLeft": 1.0, "eyeWideLeft": 1.0},
    "eyeRight": {"eyeBlinkRight": 1.0, "eyeWideRight": 1.0},
}  # fmt: skip

Weights = Mapping[str, float]
_BOTH = ("Left", "Right")


@dataclass(frozen=True, slots=True)
class Expression:
    """Expression of one keyframe. Both eyes are cut out of the same rendered image."""

    weights: Weights  # by ARKit name
    gaze: tuple[float, float] = (0.0, 0.0)

    def units(self) -> Floats:
        """Return the unit weights ``[U]``."""
        x, y = self.gaze
        by_unit = {
            **self.weights, "gazeRight": max(x, 0), "gazeLeft": max(-x, 0),
            "gazeUp": max(y, 0), "gazeDown": max(-y, 0),
        }  # fmt: skip
        return np.array([by_unit.get(unit, 0.0) for unit in UNITS])


def _sides(**weights: float) -> Weights:
    return {name + side: value for name, value in weights.items() for side in _BOTH}


def eye_expressions() -> list[Expression]:
    """Return gazes with open lids, steps of a blink, wide and squinting eyes."""
    looks = [(0.0, 0.0), (0.5, 0.0), (-0.5, 0.0), (1.0, 0.0), (-1.0, 0.0)]
    looks += [(x, y) for y in (0.6, -0.65) for x in (0.0, 0.7, -0.7)]
    lids = [_sides(eyeBlink=shut) for shut in (0.25, 0.5, 0.72, 0.88, 1.0)]
    lids += [_sides(eyeWide=0.8), _sides(eyeSquint=0.7, cheekSquint=0.5)]
    expressions = [Expression({}, look) for look in looks]
    expressions += [Expression(weights) for weights in lids]
    return [*expressions, Expression(_sides(eyeBlink=0.5), (0.0, -0.6))]


def mouth_expressions() -> list[Expression]:
    """
    Return the mouths of speech, and lips that are about to close.

    `spoken.json` has the mouths of speech and how they were chosen.
    """
    spoken = json.loads(Path(__file__).with_name("spoken.json").read_text())
    mouths = [*spoken["mouth"][:_SPOKEN_MOUTHS], *_closures()]
    return [Expression(weights) for weights in mouths]


def _closures() -> list[Weights]:
    """
    Return lips on their way to and from each other, with the faint smile of speech.

    On that way a closed and an open mouth are blended, and half of each looks like two
    mouths. The distance between keyframes matters most here.
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


def closeup_box(geometry: Geometry, name: str, width: int, height: int) -> Box:
    """Return the box that a close-up has to cover, in whole cells."""
    points = _mouth_points(geometry) if name == "mouth" else _eye_points(geometry, name)
    margin = FEATHER_PX + (_MOUTH_MARGIN_PX if name == "mouth" else _EYE_MARGIN_PX)
    low, high = points.min(0) - margin, points.max(0) + margin
    cell = CLOSEUP_CELL_PX
    left, top = (int(max(0, side)) // cell * cell for side in low)
    right, bottom = (-(-int(side) // cell) * cell for side in high)
    return left, top, min(right, width), min(bottom, height)


def _mouth_points(geometry: Geometry) -> Floats:
    """Return the base-image pixels ``[n, 2]`` of moving vertices, before and after."""
    still = geometry.project(geometry.neutral)
    points = []
    for unit, amount in _STRETCHING["mouth"].items():
        shape = amount * geometry.blendshapes[UNITS.index(unit)]
        moved = geometry.project(geometry.neutral + shape)
        moving = np.abs(moved - still).max(1) > _MOVED_PX
        points += [still[moving], moved[moving]]
    return np.concatenate(points)


def _eye_points(geometry: Geometry, name: str) -> Floats:
    """
    Return the base-image pixels ``[n, 2]`` of one eyeball.

    The person's left eye is in the right half of the image.
    """
    eyes = geometry.part == geometry.part_names.index("eyes")
    both = geometry.project(geometry.neutral)[eyes]
    right_eye = both[:, 0] < np.median(both[:, 0])
    return both[right_eye if name == "eyeRight" else ~right_eye]


def feature_matrix(geometry: Geometry, name: str) -> Floats:
    """
    Return the matrix ``[U, M]`` that maps unit weights to features, in pixels.

    Two faces that look alike in the close-up have close features. Features are the
    moves of landmarks, vertices that matter in this close-up. The matrix is a factor
    of the Gram matrix of their moves: distances are the same, and it has no more
    columns than units.
    """
    still = geometry.project(geometry.neutral)
    moves = np.stack(
        [
            geometry.project(geometry.neutral + shape) - still
            for shape in geometry.blendshapes
        ]
    )
    parts = [
        weight * moves[:, landmarks].reshape(len(UNITS), -1) / np.sqrt(len(landmarks))
        for weight, landmarks in _landmarks(geometry, name, moves)
    ]
    if name == "mouth":
        parts.append(_GAP_WEIGHT * _lip_gap(geometry, moves))
    features = np.concatenate(parts, 1)
    values, vectors = np.linalg.eigh(features @ features.T)
    significant = values > 1e-6 * values.max()
    factors: Floats = vectors[:, significant] * np.sqrt(values[significant])
    return factors


def _lip_gap(geometry: Geometry, moves: Floats) -> Floats:
    """
    Return how far lips that touch at rest move apart, ``[U, 2n]``.

    Half a pixel matters if a slit shows teeth: a face with a slit should be far from
    every face with closed lips.
    """
    skin = np.flatnonzero(geometry.part == geometry.part_names.index("skin"))
    sides = []
    for unit in ("mouthUpperUp", "mouthLowerDown"):
        moved = sum(np.linalg.norm(moves[UNITS.index(unit + s)], axis=1) for s in _BOTH)
        sides.append(skin[moved[skin] > 0.6 * moved[skin].max()])
    upper, lower = sides
    distance, nearest = cKDTree(geometry.neutral[lower]).query(geometry.neutral[upper])
    pairs = np.argsort(distance, kind="stable")[:_LIP_PAIRS]
    gaps = moves[:, lower[nearest[pairs]]] - moves[:, upper[pairs]]
    return gaps.reshape(len(UNITS), -1) / np.sqrt(len(pairs))


def _landmarks(
    geometry: Geometry, name: str, moves: Floats
) -> list[tuple[float, Ints]]:
    """Return groups of landmark vertices, each with its weight."""
    skin = geometry.part == geometry.part_names.index("skin")
    units = _LIPS if name == "mouth" else tuple(_STRETCHING[name])
    motion = np.linalg.norm(moves[[UNITS.index(u) for u in units]], axis=2).max(0)
    if name == "mouth":
        lips = _most_moved(np.where(skin, motion, 0.0))
        tongue = geometry.part == geometry.part_names.index("tongue")
        out = np.linalg.norm(moves[UNITS.index("tongueOut")], axis=1)
        return [(1.0, lips), (2.0, _most_moved(np.where(tongue, out, 0.0)))]
    still = geometry.project(geometry.neutral)
    low, high = _eye_points(geometry, name).min(0), _eye_points(geometry, name).max(0)
    near = (still > low).all(1) & (still < high).all(1)
    eyes = near & (geometry.part == geometry.part_names.index("eyes"))
    front = geometry.neutral[:, 1] < np.median(geometry.neutral[eyes, 1])
    turned = np.linalg.norm(moves[UNITS.index("gazeRight")], axis=1)
    lids = _most_moved(np.where(skin & near, motion, 0.0))
    return [(1.0, lids), (1.0, _most_moved(np.where(eyes & front, turned, 0.0)))]


def _most_moved(motion: Floats) -> Ints:
    """Return every tenth of the vertices that move most, `_LANDMARKS` in all."""
    return np.argsort(-motion, kind="stable")[: 10 * _LANDMARKS : 10]
