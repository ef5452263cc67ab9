"""
Rotation of the head: sway, following the gaze, nods, and gestures of speech.

Each of these moves smoothly, so their sum does too.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from renderer.frames import POSES
from renderer.life.easing import Eased, Gesture, Gestures, Shares
from renderer.life.expressions import POSE_WEIGHTS, head_rotation
from renderer.life.gaze import Direction
from renderer.life.noise import Noise, RandomStream, Stream

_DEGREE = math.radians(1)
# Of the sway: seconds between two knots, and share.
_OCTAVES = ((3.7, 0.55), (1.6, 0.30), (0.7, 0.15))
_MIN_SETTLE_INTERVAL_S = 1.0
_POSE_FADE_S = 0.55  # slower than that of the face


@dataclass(frozen=True, slots=True)
class HeadStyle:
    """Head motion of one pose."""

    # Amplitude of the sway in radians.
    yaw: float
    pitch: float
    roll: float
    follow: float  # share of the gaze angle that the head turns
    lean: float  # radians of roll, to the side that `Posture._lean_side` selects


_STYLES = {
    "idle": HeadStyle(0.075, 0.040, 0.035, 0.22, 0.012),
    "listening": HeadStyle(0.040, 0.026, 0.030, 0.15, 0.042),
    "talking": HeadStyle(0.070, 0.034, 0.045, 0.20, 0.010),
    "thinking": HeadStyle(0.040, 0.030, 0.030, 0.30, 0.040),
}
_POSE_ROTATIONS = {pose: head_rotation(POSE_WEIGHTS[pose]) for pose in POSES}


class Posture:
    """Head of one face. Times must not decrease from call to call."""

    def __init__(self, seed: int) -> None:
        self._rng = RandomStream(seed, Stream.POSTURE)
        self._sway = [
            Noise(seed, stream, _OCTAVES)
            for stream in (Stream.SWAY_YAW, Stream.SWAY_PITCH, Stream.SWAY_ROLL)
        ]
        self._lean_side = Noise(seed, Stream.LEAN_SIDE, ((9.0, 1.0),))
        self._shares = Shares(POSES, _POSE_FADE_S)
        self._follow = (Eased(0.5), Eased(0.5))
        self._phrase = (Eased(1.1), Eased(1.3), Eased(1.2))  # yaw, pitch, roll
        self._phrase_goal = (0.0, 0.0, 0.0)
        self._loudness = Eased(0.22)
        self._nods, self._tilts = Gestures(), Gestures()
        self._next_settle_s = float("-inf")  # earliest time of the next `settle`
        self._next_nod_s: float | None = None

    def rotation(
        self,
        at_s: float,
        elapsed_s: float,
        pose: str,
        gaze: Direction,
        loudness: float,
    ) -> tuple[float, float, float]:
        """
        Return yaw, pitch and roll in radians.

        ``loudness`` is that of the speech, 0..1; 0.5 is usual for the speaker.
        """
        shares = self._shares.towards(pose, elapsed_s)
        settled = self._shares.settled
        style = _STYLES[settled] if settled else _blended(shares)
        pose_yaw, pose_pitch, pose_roll = (
            _POSE_ROTATIONS[settled] if settled else _blended_rotation(shares)
        )
        goals = self._phrase_goal if pose == "talking" else (0.0, 0.0, 0.0)
        yaw, pitch, roll = self._sway
        phrase_yaw, phrase_pitch, phrase_roll = self._phrase
        x = self._follow[0].towards(gaze[0], elapsed_s)
        y = self._follow[1].towards(gaze[1], elapsed_s)
        loud = self._loudness.towards(loudness, elapsed_s)
        lean_side = math.tanh(6 * self._lean_side.at(at_s))  # -1..1
        return (
            pose_yaw + style.yaw * yaw.at(at_s) + style.follow * x
            + phrase_yaw.towards(goals[0], elapsed_s),
            pose_pitch + style.pitch * pitch.at(at_s) + style.follow * y
            + phrase_pitch.towards(goals[1], elapsed_s)
            - 0.020 * loud + self._nods.at(at_s),
            pose_roll + style.roll * roll.at(at_s) + style.lean * lean_side
            + phrase_roll.towards(goals[2], elapsed_s) + self._tilts.at(at_s)
            + 0.15 * style.follow * x,
        )  # fmt: skip

    def nod(self, start_s: float, degrees: float) -> None:
        """Nod once, with the voice; negative ``degrees`` lift the chin."""
        rise_s = 0.125 + 0.015 * abs(degrees)
        fall_s = self._rng.uniform(0.26, 0.38)
        self._nods.add(Gesture(start_s, rise_s, 0.03, fall_s, -degrees * _DEGREE))

    def tilt(self, start_s: float, degrees: float) -> None:
        """Tilt the head once, with the voice; the side is random."""
        rise_s, fall_s = 0.2, self._rng.uniform(0.4, 0.6)
        height = self._rng.sign() * degrees * _DEGREE
        self._tilts.add(Gesture(start_s, rise_s, 0.1, fall_s, height))

    def settle(self, start_s: float) -> None:
        """Lower the head a little and raise it again, at the end of a phrase."""
        if start_s < self._next_settle_s:
            return
        self._next_settle_s = start_s + _MIN_SETTLE_INTERVAL_S
        depth = self._rng.uniform(1.0, 1.9) * _DEGREE
        self._nods.add(Gesture(start_s, 0.35, 0.2, 0.8, -depth))

    def begin_phrase(self) -> None:
        """Choose the rotation of the head for the next phrase."""
        rng = self._rng
        yaw = rng.uniform(0.5, 3.2) * (1 if self._phrase_goal[0] < 0 else -1)
        pitch, roll = rng.uniform(-0.7, 0.9), rng.uniform(-1.6, 1.6)
        self._phrase_goal = (yaw * _DEGREE, pitch * _DEGREE, roll * _DEGREE)

    def nod_as_listener(self, at_s: float) -> bool:
        """Nod every few seconds while listening; return whether a nod begins now."""
        if self._next_nod_s is None:
            self._next_nod_s = at_s + self._rng.uniform(1.2, 4.0)
        if at_s < self._next_nod_s:
            return False
        rng = self._rng
        self._next_nod_s = at_s + rng.uniform(3.2, 8.0)
        depth = rng.uniform(1.4, 3.0) * _DEGREE
        start_s = at_s
        for i in range(1 + rng.happens(0.45) + rng.happens(0.12)):
            rise_s, fall_s = rng.uniform(0.17, 0.21), rng.uniform(0.22, 0.28)
            self._nods.add(Gesture(start_s, rise_s, 0.0, fall_s, -depth * 0.65**i))
            start_s += rise_s + 0.85 * fall_s
        return True

    def stop_listening(self) -> None:
        self._next_nod_s = None


def _blended(shares: Sequence[float]) -> HeadStyle:
    styles = [_STYLES[pose] for pose in POSES]
    for share, style in zip(shares, styles, strict=True):
        if share > 0.999:
            return style
    return HeadStyle(*(
        sum(s * getattr(m, name) for s, m in zip(shares, styles, strict=True))
        for name in HeadStyle.__slots__
    ))  # fmt: skip


def _blended_rotation(shares: Sequence[float]) -> tuple[float, ...]:
    """Return yaw, pitch and roll of the poses' own rotations, in radians."""
    rotations = [_POSE_ROTATIONS[pose] for pose in POSES]
    return tuple(
        sum(s * r[axis] for s, r in zip(shares, rotations, strict=True))
        for axis in range(3)
    )
