"""Faces for inspection: the 15 visemes of Oculus, head poses, a blink."""

from collections.abc import Mapping

from renderer.face import INDEX

Weights = Mapping[str, float]


def both_sides(**weights: float) -> dict[str, float]:
    """
    Return weights in which a name without a side stands for left and right.

    ``both_sides(mouthSmile=0.4)`` gives ``mouthSmileLeft`` and ``mouthSmileRight``.
    """
    result = {}
    for name, weight in weights.items():
        suffixes = ("",) if name in INDEX else ("Left", "Right")
        result.update({name + suffix: weight for suffix in suffixes})
    return result


VISEMES: dict[str, Weights] = {
    "sil": {},
    "PP": both_sides(
        mouthPress=0.6, mouthRollLower=0.4, mouthRollUpper=0.4, jawOpen=0.05
    ),
    "FF": both_sides(jawOpen=0.1, mouthRollLower=0.75, mouthUpperUp=0.6),
    "TH": both_sides(jawOpen=0.2, tongueOut=0.5, mouthLowerDown=0.2, mouthUpperUp=0.2),
    "DD": both_sides(jawOpen=0.18, mouthLowerDown=0.25, mouthUpperUp=0.15),
    "kk": both_sides(jawOpen=0.25, mouthLowerDown=0.15, mouthUpperUp=0.1),
    "CH": both_sides(
        jawOpen=0.12, mouthFunnel=0.65, mouthUpperUp=0.2, mouthLowerDown=0.2
    ),
    "SS": both_sides(
        jawOpen=0.06, mouthStretch=0.35, mouthUpperUp=0.3, mouthLowerDown=0.4
    ),
    "nn": both_sides(jawOpen=0.15, mouthLowerDown=0.2),
    "RR": both_sides(jawOpen=0.2, mouthFunnel=0.3, mouthPucker=0.2),
    "aa": both_sides(jawOpen=0.7, mouthLowerDown=0.3, mouthUpperUp=0.2),
    "E": both_sides(
        jawOpen=0.4, mouthStretch=0.3, mouthLowerDown=0.25, mouthUpperUp=0.15
    ),
    "ih": both_sides(
        jawOpen=0.2, mouthStretch=0.45, mouthSmile=0.2, mouthLowerDown=0.25
    ),
    "oh": both_sides(jawOpen=0.45, mouthFunnel=0.55, mouthPucker=0.25),
    "ou": both_sides(jawOpen=0.2, mouthPucker=0.7, mouthFunnel=0.4),
}
POSES: dict[str, Weights] = {
    "left": {"headYaw": -0.3},
    "right": {"headYaw": 0.3},
    "up": {"headPitch": 0.2},
    "down": {"headPitch": -0.2},
    "roll": {"headRoll": 0.15},
    "gaze": {"gazeX": 0.8, "gazeY": 0.4},
    "smile": both_sides(mouthSmile=0.9, cheekSquint=0.5),
    "brows up": both_sides(browInnerUp=1.0, browOuterUp=0.8, eyeWide=0.8),
    "brows down": both_sides(browDown=1.0, mouthFrown=0.6),
    "jaw": {"jawOpen": 1.0},
}
BLINK: dict[str, Weights] = {
    f"blink {amount:.2f}": both_sides(eyeBlink=amount)
    for amount in (0, 0.25, 0.5, 0.75, 1)
}
