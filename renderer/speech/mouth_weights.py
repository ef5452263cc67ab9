"""ARKit weights of the mouth, from the nine curves of the network."""

from functools import cache

import numpy as np
import numpy.typing as npt

from renderer.face import INDEX, SIZE
from renderer.speech.network import CURVES

Array = npt.NDArray[np.float32]

# Values of the curve at which lips begin to close (or bite), and have closed.
_SHUT_RANGE = (0.22, 0.46)
_BITE_RANGE = (0.09, 0.22)
_PARTING = [
    INDEX[name + side]
    for name in ("mouthLowerDown", "mouthUpperUp")
    for side in ("Left", "Right")
]

# ARKit weights of each curve at 1, after lip closure and bite have been applied.
# "parted" is the opening of lips that speak and are not closed.
_SHAPES: dict[str, dict[str, float]] = {
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


def mouth_weights(curves: Array) -> Array:
    """
    Return the faces ``[B, 57]`` of curves ``[B, len(CURVES)]`` in 0..1.

    Head and eyes are at rest.
    """
    curve = dict(zip(CURVES, curves.T, strict=True))
    shut = _smoothstep(curve["shut"], *_SHUT_RANGE)
    bite = _smoothstep(curve["bite"], *_BITE_RANGE) * (1 - shut)
    speaking = 1 - _smoothstep(curve["rest"], 0.2, 0.8)
    free = speaking * (1 - shut) * (1 - 0.75 * bite)
    shares = {
        "jaw": curve["jaw"] * speaking * (1 - 0.85 * shut) * (1 - 0.55 * bite),
        "round": curve["round"] * speaking * (1 - 0.4 * shut) * (1 - 0.5 * bite),
        "funnel": curve["funnel"] * free,
        "spread": curve["spread"] * speaking * (1 - 0.5 * shut) * (1 - curve["round"]),
        "teeth": curve["teeth"] * free,
        "tongue": curve["tongue"] * free,
        "parted": free,
        "shut": shut * speaking,
        "bite": bite * speaking,
    }
    weights: Array = np.stack([shares[name] for name in _SHAPES], 1) @ _mixing()
    # With mouthClose at the weight of jawOpen, the lips of an open jaw meet.
    weights[:, INDEX["mouthClose"]] = shut * weights[:, INDEX["jawOpen"]]
    weights[:, _PARTING] *= (1 - shut)[:, None]
    return weights.clip(0, 1)


def _smoothstep(x: Array, low: float, high: float) -> Array:
    t = np.clip((x - low) / (high - low), 0, 1)
    step: Array = t * t * (3 - 2 * t)
    return step


@cache
def _mixing() -> Array:
    """Return `_SHAPES` as a matrix ``[len(_SHAPES), 57]``, with both sides."""
    mixing = np.zeros((len(_SHAPES), SIZE), np.float32)
    for row, shares in enumerate(_SHAPES.values()):
        for name, amount in shares.items():
            sides = (name,) if name in INDEX else (name + "Left", name + "Right")
            for side in sides:
                mixing[row, INDEX[side]] = amount
    return mixing
