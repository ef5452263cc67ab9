"""ARKit weights of the mouth, from the nine curves of the network."""

from functools import cache

import numpy as np
import numpy.typing as npt

from renderer.face import INDEX, SIZE
from renderer.speech.network_shape import CURVES

Array = npt.NDArray[np.float32]

# Values of a curve at which it begins to count, and counts in full: lips close, lips
# bite, the mouth rests.
SHUT_RANGE = (0.22, 0.46)
BITE_RANGE = (0.09, 0.22)
REST_RANGE = (0.2, 0.8)
PARTING = [
    INDEX[name + side]
    for name in ("mouthLowerDown", "mouthUpperUp")
    for side in ("Left", "Right")
]

# ARKit weights of each curve at 1, after lip closure and bite have been applied.
# "parted" is the opening of lips that speak and are not closed.
SHAPES: dict[str, dict[str, float]] = {
    "jaw": {"jawOpen": 0.72, "mouthLowerDown": 0.22, "mouthUpperUp": 0.12},
    "round": {"mouthPucker": 0.95, "mouthFunnel": 0.15},
    "funnel": {"mouthFunnel": 0.9, "mouthPucker": 0.1},
    "spread": {"mouthStretch": 0.55, "mouthSmile": 0.35, "mouthLowerDown": 0.1,
               "mouthUpperUp": 0.08, "mouthDimple": 0.12},
    "teeth": {"mouthStretch": 0.12, "mouthLowerDown": 0.28, "mouthUpperUp": 0.2},
    "tongue": {"tongueOut": 0.12},
    "parted": {"mouthLowerDown": 0.33, "mouthUpperUp": 0.12, "jawOpen": 0.05},
    "shut": {"mouthPress": 0.5, "mouthRollLower": 0.28, "mouthRollUpper": 0.22},
    "bite": {"jawOpen": 0.08, "mouthRollLower": 0.75, "mouthUpperUp": 0.75,
             "mouthStretch": 0.08},
}  # fmt: skip
# Share of each shape that closed lips, bitten lips and rounded lips take away.
REDUCTIONS: dict[str, tuple[float, float, float]] = {
    "jaw": (0.85, 0.55, 0.0),
    "round": (0.4, 0.5, 0.0),
    "funnel": (1.0, 0.75, 0.0),
    "spread": (0.5, 0.0, 1.0),
    "teeth": (1.0, 0.75, 0.0),
    "tongue": (1.0, 0.75, 0.0),
    "parted": (1.0, 0.75, 0.0),
    "shut": (0.0, 0.0, 0.0),
    "bite": (0.0, 0.0, 0.0),
}
# Curve of each shape. "parted" has none: it has the value 1, which follows the curves.
SHAPE_CURVES = [(*CURVES, "parted").index(name) for name in SHAPES]
_REDUCTIONS = np.array([REDUCTIONS[name] for name in SHAPES], np.float32)
_SHUT, _BITE, _ROUND, _REST = map(CURVES.index, ("shut", "bite", "round", "rest"))


def mouth_weights(curves: Array) -> Array:
    """
    Return the faces ``[B, 57]`` of curves ``[B, len(CURVES)]`` in 0..1.

    Head and eyes are at rest.
    """
    shut = _smoothstep(curves[:, _SHUT], *SHUT_RANGE)
    bite = _smoothstep(curves[:, _BITE], *BITE_RANGE) * (1 - shut)
    speaking = 1 - _smoothstep(curves[:, _REST], *REST_RANGE)
    values = np.column_stack([curves, np.ones(len(curves), np.float32)])
    values[:, _SHUT], values[:, _BITE] = shut, bite
    lips = values[:, [_SHUT, _BITE, _ROUND]]
    kept = (1 - _REDUCTIONS * lips[:, None]).prod(2)
    shares = values[:, SHAPE_CURVES] * kept * speaking[:, None]
    weights: Array = shares @ mixing()
    # With mouthClose at the weight of jawOpen, the lips of an open jaw meet.
    weights[:, INDEX["mouthClose"]] = shut * weights[:, INDEX["jawOpen"]]
    weights[:, PARTING] *= (1 - shut)[:, None]
    return weights.clip(0, 1)


def _smoothstep(x: Array, low: float, high: float) -> Array:
    t = np.clip((x - low) / (high - low), 0, 1)
    step: Array = t * t * (3 - 2 * t)
    return step


@cache
def mixing() -> Array:
    """Return `SHAPES` as a matrix ``[len(SHAPES), 57]``, with both sides."""
    mixing = np.zeros((len(SHAPES), SIZE), np.float32)
    for row, shares in enumerate(SHAPES.values()):
        for name, amount in shares.items():
            sides = (name,) if name in INDEX else (name + "Left", name + "Right")
            for side in sides:
                mixing[row, INDEX[side]] = amount
    return mixing
