"""What a mouth does, in nine curves, as ARKit weights."""

from functools import cache

import numpy as np
import numpy.typing as npt

from renderer.face import INDEX, SIZE
from renderer.speech.network import CURVES

Array = npt.NDArray[np.float32]

_SHUT_FROM, _SHUT_AT = 0.22, 0.46  # of the network's own certainty
_BITE_FROM, _BITE_AT = 0.09, 0.22  # of what is likely
_PARTS = [
    INDEX[name + side]
    for name in ("mouthLowerDown", "mouthUpperUp")
    for side in ("Left", "Right")
]

# Shares of what is left of each curve when lips that shut or bite have had their way.
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


def faces(curves: Array) -> Array:
    """``[B, len(CURVES)]`` 0..1 -> ``[B, 57]``, head and eyes at rest."""
    part = dict(zip(CURVES, curves.T, strict=True))
    shut = _steep(part["shut"], _SHUT_FROM, _SHUT_AT)
    bite = _steep(part["bite"], _BITE_FROM, _BITE_AT) * (1 - shut)
    awake = 1 - _steep(part["rest"], 0.2, 0.8)
    free = awake * (1 - shut) * (1 - 0.75 * bite)
    shares = {
        "jaw": part["jaw"] * awake * (1 - 0.85 * shut) * (1 - 0.55 * bite),
        "round": part["round"] * awake * (1 - 0.4 * shut) * (1 - 0.5 * bite),
        "funnel": part["funnel"] * free,
        "spread": part["spread"] * awake * (1 - 0.5 * shut) * (1 - part["round"]),
        "teeth": part["teeth"] * free,
        "tongue": part["tongue"] * free,
        "parted": free,
        "shut": shut * awake,
        "bite": bite * awake,
    }
    made: Array = np.stack([shares[name] for name in _SHAPES], 1) @ _mixing()
    # The lips of a jaw that is still open meet.
    made[:, INDEX["mouthClose"]] = shut * made[:, INDEX["jawOpen"]]
    made[:, _PARTS] *= (1 - shut)[:, None]
    return made.clip(0, 1)


def _steep(x: Array, low: float, high: float) -> Array:
    t = np.clip((x - low) / (high - low), 0, 1)
    steep: Array = t * t * (3 - 2 * t)
    return steep


@cache
def _mixing() -> Array:
    """``[len(_SHAPES), 57]``; a weight named without its side is both sides."""
    mixing = np.zeros((len(_SHAPES), SIZE), np.float32)
    for row, shares in enumerate(_SHAPES.values()):
        for name, amount in shares.items():
            sides = (name,) if name in INDEX else (name + "Left", name + "Right")
            for each in sides:
                mixing[row, INDEX[each]] = amount
    return mixing
