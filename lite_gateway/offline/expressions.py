"""Faces to look at: the 15 visemes of Oculus, poses, a blink."""

from collections.abc import Mapping

from renderer.face import INDEX

Weights = Mapping[str, float]


def both(**weights: float) -> dict[str, float]:
    """``both(mouthSmile=0.4)``: names without a side get both."""
    sided = {}
    for name, weight in weights.items():
        ends = ("",) if name in INDEX else ("Left", "Right")
        sided.update({name + end: weight for end in ends})
    return sided


VISEMES: dict[str, Weights] = {
    "sil": {},
    "PP": both(mouthPress=0.6, mouthRollLower=0.4, mouthRollUpper=0.4, jawOpen=0.05),
    "FF": both(jawOpen=0.1, mouthRollLower=0.75, mouthUpperUp=0.6),
    "TH": both(jawOpen=0.2, tongueOut=0.5, mouthLowerDown=0.2, mouthUpperUp=0.2),
    "DD": both(jawOpen=0.18, mouthLowerDown=0.25, mouthUpperUp=0.15),
    "kk": both(jawOpen=0.25, mouthLowerDown=0.15, mouthUpperUp=0.1),
    "CH": both(jawOpen=0.12, mouthFunnel=0.65, mouthUpperUp=0.2, mouthLowerDown=0.2),
    "SS": both(jawOpen=0.06, mouthStretch=0.35, mouthUpperUp=0.3, mouthLowerDown=0.4),
    "nn": both(jawOpen=0.15, mouthLowerDown=0.2),
    "RR": both(jawOpen=0.2, mouthFunnel=0.3, mouthPucker=0.2),
    "aa": both(jawOpen=0.7, mouthLowerDown=0.3, mouthUpperUp=0.2),
    "E": both(jawOpen=0.4, mouthStretch=0.3, mouthLowerDown=0.25, mouthUpperUp=0.15),
    "ih": both(jawOpen=0.2, mouthStretch=0.45, mouthSmile=0.2, mouthLowerDown=0.25),
    "oh": both(jawOpen=0.45, mouthFunnel=0.55, mouthPucker=0.25),
    "ou": both(jawOpen=0.2, mouthPucker=0.7, mouthFunnel=0.4),
}
POSES: dict[str, Weights] = {
    "left": {"headYaw": -0.3},
    "right": {"headYaw": 0.3},
    "up": {"headPitch": 0.2},
    "down": {"headPitch": -0.2},
    "roll": {"headRoll": 0.15},
    "gaze": {"gazeX": 0.8, "gazeY": 0.4},
    "smile": both(mouthSmile=0.9, cheekSquint=0.5),
    "brows up": both(browInnerUp=1.0, browOuterUp=0.8, eyeWide=0.8),
    "brows down": both(browDown=1.0, mouthFrown=0.6),
    "jaw": {"jawOpen": 1.0},
}
BLINK: dict[str, Weights] = {
    f"blink {amount:.2f}": both(eyeBlink=amount) for amount in (0, 0.25, 0.5, 0.75, 1)
}
