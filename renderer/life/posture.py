"""
How the head is held: sway, glances that it follows, nods, and the beat of speech.

Each cause moves smoothly by itself, so their sum does.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from renderer.frames import POSES
from renderer.life.easing import Eased, Gesture, Gestures, Shares
from renderer.life.expressions import POSES as LOOKS
from renderer.life.expressions import of_head
from renderer.life.gaze import Direction
from renderer.life.noise import Noise, RandomStream

_DEGREE = math.radians(1)
_OCTAVES = ((3.7, 0.55), (1.6, 0.30), (0.7, 0.15))  # seconds, share
_SETTLES_APART_S = 1.0
_POSE_TAKES_S = 0.55  # a body is slower than a face


@dataclass(frozen=True, slots=True)
class HeadStyle:
    """How one pose holds the head; reach of the sway in radians."""

    yaw: float
    pitch: float
    roll: float
    follow: float  # share of a glance that the head goes along
    tilt: float  # to whichever side it is now


_MANNERS = {
    "idle": HeadStyle(0.075, 0.040, 0.035, 0.22, 0.012),
    "listening": HeadStyle(0.040, 0.026, 0.030, 0.15, 0.042),
    "talking": HeadStyle(0.070, 0.034, 0.045, 0.20, 0.010),
    "thinking": HeadStyle(0.040, 0.030, 0.030, 0.30, 0.040),
}
_ROWS = [_MANNERS[pose] for pose in POSES]
_HELD = [of_head(LOOKS[pose]) for pose in POSES]


class Posture:
    """The head of one face. Ask for moments in their order."""

    def __init__(self, seed: int) -> None:
        self._chance = RandomStream(seed, 8)
        self._sway = [Noise(seed, lane, _OCTAVES) for lane in (9, 10, 11)]
        self._side = Noise(seed, 12, ((9.0, 1.0),))
        self._shares = Shares(POSES, _POSE_TAKES_S)
        self._follow = (Eased(0.5), Eased(0.5))
        self._phrase = (Eased(1.1), Eased(1.3), Eased(1.2))  # yaw, pitch, roll
        self._to = (0.0, 0.0, 0.0)
        self._effort = Eased(0.22)
        self._nods, self._tilts = Gestures(), Gestures()
        self._settled_s = float("-inf")  # until then it does not again
        self._next_nod_s: float | None = None

    def turned(
        self, at_s: float, passed_s: float, pose: str, glance: Direction, effort: float
    ) -> tuple[float, float, float]:
        """Yaw, pitch and roll; ``effort`` 0..1: how loud it speaks, 0.5 as usual."""
        shares = self._shares.towards(pose, passed_s)
        m = _mixed(shares)
        yaw, pitch, roll = (noise.at(at_s) for noise in self._sway)
        goals = self._to if pose == "talking" else (0.0, 0.0, 0.0)
        phrase = [
            e.towards(g, passed_s) for e, g in zip(self._phrase, goals, strict=True)
        ]
        x, y = (
            e.towards(g, passed_s) for e, g in zip(self._follow, glance, strict=True)
        )
        loud = self._effort.towards(effort, passed_s)
        lean = math.tanh(6 * self._side.at(at_s))
        held = [
            sum(s * h[i] for s, h in zip(shares, _HELD, strict=True)) for i in range(3)
        ]
        return (
            held[0] + m.yaw * yaw + m.follow * x + phrase[0],
            held[1] + m.pitch * pitch + m.follow * y + phrase[1]
            - 0.020 * loud + self._nods.at(at_s),
            held[2] + m.roll * roll + m.tilt * lean + phrase[2] + self._tilts.at(at_s)
            + 0.15 * m.follow * x,
        )  # fmt: skip

    def nod(self, start_s: float, degrees: float) -> None:
        """Once, with the voice."""
        rise_s = 0.125 + 0.015 * abs(degrees)
        fall_s = self._chance.between(0.26, 0.38)
        self._nods.add(Gesture(start_s, rise_s, 0.03, fall_s, -degrees * _DEGREE))

    def tilt(self, start_s: float, degrees: float) -> None:
        rise_s, fall_s = 0.2, self._chance.between(0.4, 0.6)
        height = self._chance.sign() * degrees * _DEGREE
        self._tilts.add(Gesture(start_s, rise_s, 0.1, fall_s, height))

    def settle(self, start_s: float) -> None:
        """A phrase is over: the head sinks a little and comes back."""
        if start_s < self._settled_s:
            return
        self._settled_s = start_s + _SETTLES_APART_S
        depth = self._chance.between(1.0, 1.9) * _DEGREE
        self._nods.add(Gesture(start_s, 0.35, 0.2, 0.8, -depth))

    def begin_phrase(self) -> None:
        """Hold the head in another way for what comes now."""
        chance = self._chance
        yaw = chance.between(0.5, 3.2) * (1 if self._to[0] < 0 else -1)
        pitch, roll = chance.between(-0.7, 0.9), chance.between(-1.6, 1.6)
        self._to = (yaw * _DEGREE, pitch * _DEGREE, roll * _DEGREE)

    def attend(self, at_s: float) -> bool:
        """While listening: nod now and then; whether it begins now."""
        if self._next_nod_s is None:
            self._next_nod_s = at_s + self._chance.between(1.2, 4.0)
        if at_s < self._next_nod_s:
            return False
        chance = self._chance
        self._next_nod_s = at_s + chance.between(3.2, 8.0)
        depth = chance.between(1.4, 3.0) * _DEGREE
        start_s = at_s
        for times in range(1 + chance.happens(0.45) + chance.happens(0.12)):
            rise_s, fall_s = chance.between(0.17, 0.21), chance.between(0.22, 0.28)
            self._nods.add(Gesture(start_s, rise_s, 0.0, fall_s, -depth * 0.65**times))
            start_s += rise_s + 0.85 * fall_s
        return True

    def stop_attending(self) -> None:
        self._next_nod_s = None


def _mixed(shares: Sequence[float]) -> HeadStyle:
    for share, manner in zip(shares, _ROWS, strict=True):
        if share > 0.999:
            return manner
    return HeadStyle(*(
        sum(s * getattr(m, name) for s, m in zip(shares, _ROWS, strict=True))
        for name in HeadStyle.__slots__
    ))  # fmt: skip
