"""
What poses and emotions look like on a face: two tables of ARKit weights.

Amounts are added to the face at rest and may take from it.  Emotions come and go with
`renderer.life.easing.Shares`.  While the avatar talks the mouth belongs to its words:
`MOUTH_LEFT` of an emotion's mouth stays, and nothing that would part closed lips.
"""

from collections.abc import Mapping, Sequence

from renderer.face import HEAD, INDEX

Amounts = Mapping[str, float]  # a name without its side is both sides
Row = list[tuple[int, float]]  # place in the face and amount

MOUTH_LEFT = 0.4
PARTING = ("jawOpen", "mouthUpperUp", "mouthLowerDown", "mouthFunnel", "mouthStretch")

REST: Amounts = {"mouthSmile": 0.15, "cheekSquint": 0.05}

POSES: Mapping[str, Amounts] = {
    "idle": {},
    "listening": {
        "browInnerUp": 0.13, "browOuterUp": 0.10, "eyeWide": 0.08, "mouthSmile": 0.07,
        "headPitch": -0.02,
    },
    "talking": {"browInnerUp": 0.03, "eyeWide": 0.02},
    "thinking": {
        "browDown": 0.16, "browInnerUp": 0.14, "eyeSquint": 0.14, "mouthSmile": -0.08,
        "mouthPress": 0.16, "mouthRollLower": 0.05, "headPitch": 0.02,
    },
}  # fmt: skip

EMOTIONS: Mapping[str, Amounts] = {
    "neutral": {},
    "happy": {
        "mouthSmile": 0.42, "mouthDimple": 0.10, "cheekSquint": 0.38,
        "eyeSquint": 0.14, "browInnerUp": 0.06, "browOuterUp": 0.10,
    },
    "sad": {
        "browInnerUp": 0.55, "browDown": 0.10, "mouthSmile": -0.13, "mouthFrown": 0.38,
        "mouthShrugLower": 0.18, "eyeBlink": 0.08, "headPitch": -0.045,
    },
    "surprised": {
        "browInnerUp": 0.65, "browOuterUp": 0.60, "eyeWide": 0.50, "jawOpen": 0.10,
        "mouthSmile": -0.08, "headPitch": 0.02,
    },
    "concerned": {
        "browInnerUp": 0.48, "browDown": 0.24, "mouthSmile": -0.10, "mouthFrown": 0.16,
        "mouthPress": 0.12, "eyeSquint": 0.08, "headPitch": -0.02, "headRoll": 0.03,
    },
    "serious": {
        "browDown": 0.32, "mouthSmile": -0.12, "mouthPress": 0.10, "eyeSquint": 0.12,
        "headPitch": -0.015,
    },
    "angry": {
        "browDown": 0.68, "eyeSquint": 0.26, "noseSneer": 0.20, "mouthSmile": -0.14,
        "mouthFrown": 0.22, "mouthPress": 0.24, "headPitch": -0.04,
    },
}  # fmt: skip


def row(amounts: Amounts) -> Row:
    """By place in the face."""
    return [(INDEX[name], x) for short, x in amounts.items() for name in sides(short)]


def sides(name: str) -> Sequence[str]:
    return (name,) if name in INDEX else (name + "Left", name + "Right")


def spoken(amounts: Amounts) -> Row:
    """As much of an emotion as there is under speech, all but the head."""
    return row({
        name: amount * (MOUTH_LEFT if name.startswith(("mouth", "jaw")) else 1)
        for name, amount in amounts.items()
        if name not in (*PARTING, *HEAD)
    })  # fmt: skip


def of_head(amounts: Amounts) -> tuple[float, float, float]:
    """Yaw, pitch and roll in radians."""
    yaw, pitch, roll = (amounts.get(name, 0.0) for name in HEAD)
    return yaw, pitch, roll


def of_skin(amounts: Amounts) -> Row:
    """All but the head."""
    return row({name: x for name, x in amounts.items() if name not in HEAD})
