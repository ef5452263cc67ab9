"""Test expressions for modelling a person: visemes, smiles and blinks."""

from collections.abc import Mapping
from types import MappingProxyType

_SIDED = {
    *("mouthSmile", "mouthUpperUp", "mouthLowerDown", "mouthStretch", "mouthPress"),
    *("eyeBlink", "eyeSquint", "cheekSquint"),
}
_SHORT: dict[str, dict[str, float]] = {
    "neutral": {},
    "AA": {"jawOpen": 0.55, "mouthLowerDown": 0.15, "mouthUpperUp": 0.12},
    "OO": {"mouthPucker": 0.55, "mouthFunnel": 0.45, "jawOpen": 0.14},
    "EE": {
        "mouthStretch": 0.35,
        "mouthLowerDown": 0.4,
        "mouthUpperUp": 0.25,
        "jawOpen": 0.12,
    },
    "FV": {"mouthRollLower": 0.6, "mouthUpperUp": 0.45, "jawOpen": 0.08},
    "TH": {
        "jawOpen": 0.3,
        "tongueOut": 0.75,
        "mouthUpperUp": 0.25,
        "mouthLowerDown": 0.1,
    },
    "MBP": {"mouthPress": 0.5, "mouthRollLower": 0.35, "mouthRollUpper": 0.35},
    "smile": {
        "mouthSmile": 0.4,
        "cheekSquint": 0.35,
        "eyeSquint": 0.2,
        "mouthUpperUp": 0.28,
        "mouthLowerDown": 0.35,
        "jawOpen": 0.1,
    },
    "grin": {"mouthSmile": 0.75, "mouthUpperUp": 0.4, "cheekSquint": 0.4},
    "blink": {"eyeBlink": 1.0},
    "half": {"eyeBlink": 0.5},
}


def _full(short: Mapping[str, float]) -> Mapping[str, float]:
    """Return the weights with sided units set on both sides."""
    pairs = [
        (name + side, weight)
        for name, weight in short.items()
        for side in (("Left", "Right") if name in _SIDED else ("",))
    ]
    return MappingProxyType(dict(pairs))


EXPRESSIONS: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {name: _full(short) for name, short in _SHORT.items()}
)
