"""
Expressions of poses and emotions: two tables of ARKit weights.

Amounts are added to the face at rest; negative amounts subtract from it.
`renderer.life.easing.Shares` fades between poses and between emotions. While the avatar
talks, only `SPOKEN_MOUTH_SHARE` of an emotion's mouth weights remains, and no weight
that would part closed lips.
"""

from collections.abc import Mapping, Sequence

from renderer.face import HEAD, INDEX

Amounts = Mapping[str, float]  # by weight; a name without a side means both sides
Row = list[tuple[int, float]]  # index in the face, and amount

SPOKEN_MOUTH_SHARE = 0.4
# Weights that part the lips, by prefix.
PARTING = ("jawOpen", "mouthUpperUp", "mouthLowerDown", "mouthFunnel", "mouthStretch")

REST_WEIGHTS: Amounts = {"mouthSmile": 0.15, "cheekSquint": 0.05}

POSE_WEIGHTS: Mapping[str, Amounts] = {
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

EMOTION_WEIGHTS: Mapping[str, Amounts] = {
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
    """Return the amounts by index in the face."""
    return [
        (INDEX[name], amount)
        for short_name, amount in amounts.items()
        for name in with_sides(short_name)
    ]


def with_sides(name: str) -> Sequence[str]:
    """Return the full names of a weight: itself, or its left and its right."""
    return (name,) if name in INDEX else (name + "Left", name + "Right")


def while_talking(amounts: Amounts) -> Row:
    """Return the part of an emotion that remains while talking, without the head."""
    return row({
        name: amount * (SPOKEN_MOUTH_SHARE if name.startswith(("mouth", "jaw")) else 1)
        for name, amount in amounts.items()
        if name not in (*PARTING, *HEAD)
    })  # fmt: skip


def head_rotation(amounts: Amounts) -> tuple[float, float, float]:
    """Return yaw, pitch and roll in radians."""
    yaw, pitch, roll = (amounts.get(name, 0.0) for name in HEAD)
    return yaw, pitch, roll


def without_head(amounts: Amounts) -> Row:
    """Return all amounts except the head's rotation, by index in the face."""
    return row({name: amount for name, amount in amounts.items() if name not in HEAD})
