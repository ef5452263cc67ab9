"""
The life that speech does not give a face: blinks, glances, sway, nods, a small smile.

Everything is a function of seed and time: what happens in a stretch of time is drawn
from a hash of its number, so there is no state and any moment can be asked for.
"""

import math

import torch
from torch import Tensor

from renderer.face import INDEX, SIZE

Weights = tuple[float, float, float]  # of idle, listening and talking; sum 1

_MASK = 2**64 - 1
_BLINK_EVERY_S = 4.0  # each stretch has one, in its first half: 2 to 6 s apart
_GLANCE_EVERY_S = 1.7
_GLANCE_TAKES_S = 0.05
_NOD_EVERY_S = 3.1
_NOD_TAKES_S = 0.9
_OCTAVES = ((7.3, 0.58), (3.1, 0.30), (1.27, 0.12))  # seconds, share
# Lanes: independent sources of chance.
_BLINK, _GLANCE, _NOD, _YAW, _PITCH, _ROLL, _BROW, _OUTER, _MOUTH = range(9)

_REST = {
    "mouthSmileLeft": 0.16, "mouthSmileRight": 0.14, "cheekSquintLeft": 0.05,
    "cheekSquintRight": 0.05,
}  # fmt: skip


class Life:
    """The life of one face; the same seed lives the same life."""

    def __init__(self, seed: int) -> None:
        self._seed = seed & _MASK

    def face(self, at_s: float, weights: Weights) -> Tensor:
        """The face ``[57]`` at a moment, as a mix of poses."""
        values = [0.0] * SIZE
        for name, amount in _REST.items():
            values[INDEX[name]] = amount
        self._add_head(values, at_s, weights)
        self._add_brows(values, at_s, weights)
        gaze_x, gaze_y = self._gaze(at_s, weights)
        values[INDEX["gazeX"]], values[INDEX["gazeY"]] = gaze_x, gaze_y
        blink = self.blink(at_s)
        values[INDEX["eyeBlinkLeft"]] = values[INDEX["eyeBlinkRight"]] = blink
        return torch.tensor(values)

    def blink(self, at_s: float) -> float:
        """How far the lids are closed, 0..1."""
        cell = math.floor(at_s / _BLINK_EVERY_S)
        return max(self._blink_of(cell, at_s), self._blink_of(cell - 1, at_s))

    def _blink_of(self, cell: int, at_s: float) -> float:
        start = (cell + 0.5 * self._chance(_BLINK, 4 * cell)) * _BLINK_EVERY_S
        takes = 0.14 + 0.04 * self._chance(_BLINK, 4 * cell + 1)
        kind = self._chance(_BLINK, 4 * cell + 2)
        depth = 0.55 if kind < 0.10 else 1.0
        closed = depth * _lid((at_s - start) / takes)
        if kind > 0.86:  # a second one right after
            closed = max(closed, _lid((at_s - start - 0.26) / takes))
        return closed

    def _gaze(self, at_s: float, weights: Weights) -> tuple[float, float]:
        idle, listening, talking = weights
        reach = 0.42 * idle + 0.10 * listening + 0.20 * talking
        cell = math.floor(at_s / _GLANCE_EVERY_S)
        begin = (cell + 0.75 * self._chance(_GLANCE, 4 * cell)) * _GLANCE_EVERY_S
        moved = _smooth((at_s - begin) / _GLANCE_TAKES_S)
        x0, y0 = self._target(cell - 1)
        x1, y1 = self._target(cell)
        drift = 0.015 * self._sway(_GLANCE, at_s)
        away = 0.30 * idle * self._sway(_OUTER, at_s / 2)
        x = reach * (x0 + (x1 - x0) * moved) + drift + 0.4 * away
        return x, reach * 0.6 * (y0 + (y1 - y0) * moved) - drift

    def _target(self, cell: int) -> tuple[float, float]:
        """Where a glance goes, -1..1; mostly back to the other's eyes."""
        x, y = self._chance(_GLANCE, 4 * cell + 1), self._chance(_GLANCE, 4 * cell + 2)
        far = 1.0 if self._chance(_GLANCE, 4 * cell + 3) < 0.35 else 0.22
        return far * (2 * x - 1), far * (2 * y - 1)

    def _add_head(self, values: list[float], at_s: float, weights: Weights) -> None:
        idle, listening, talking = weights
        yaw = 0.10 * idle + 0.055 * listening + 0.13 * talking
        pitch = 0.05 * idle + 0.04 * listening + 0.085 * talking
        roll = 0.045 * idle + 0.05 * listening + 0.06 * talking
        nod = -0.075 * self._nod(at_s) * listening
        values[INDEX["headYaw"]] = yaw * self._sway(_YAW, at_s)
        values[INDEX["headPitch"]] = (
            pitch * self._sway(_PITCH, at_s) - 0.045 * listening + nod
        )
        values[INDEX["headRoll"]] = roll * self._sway(_ROLL, at_s) + 0.03 * listening

    def _add_brows(self, values: list[float], at_s: float, weights: Weights) -> None:
        _, listening, talking = weights
        lively = 0.05 + 0.03 * listening + 0.16 * talking
        lift = max(0.0, self._sway(_BROW, at_s)) * lively + 0.16 * listening
        values[INDEX["browInnerUp"]] = lift
        for side, sign in (("Left", 1), ("Right", -1)):
            tilt = 0.03 * sign * self._sway(_OUTER, at_s)
            values[INDEX["browOuterUp" + side]] = max(0.0, 0.8 * lift + tilt)
            values[INDEX["eyeWide" + side]] = 0.12 * listening
            smile = 0.05 * self._sway(_MOUTH, at_s) + 0.06 * listening
            values[INDEX["mouthSmile" + side]] += smile

    def _nod(self, at_s: float) -> float:
        """0..1: two dips of the head, the second smaller, in some stretches."""
        cell = math.floor(at_s / _NOD_EVERY_S)
        if self._chance(_NOD, 2 * cell) > 0.45:
            return 0.0
        room = _NOD_EVERY_S - _NOD_TAKES_S
        begin = cell * _NOD_EVERY_S + room * self._chance(_NOD, 2 * cell + 1)
        t = (at_s - begin) / _NOD_TAKES_S
        if not 0 < t < 1:
            return 0.0
        return math.sin(2 * math.pi * t) ** 2 * (1 - 0.6 * t)

    def _sway(self, lane: int, at_s: float) -> float:
        """Smooth noise, -1..1."""
        total = 0.0
        for octave, (period_s, share) in enumerate(_OCTAVES):
            place = at_s / period_s
            cell = math.floor(place)
            t = place - cell
            key = 16 * lane + octave + 1000
            a, b = self._chance(key, cell), self._chance(key, cell + 1)
            total += share * (
                2 * (a + (b - a) * t * t * t * (t * (6 * t - 15) + 10)) - 1
            )
        return total

    def _chance(self, lane: int, cell: int) -> float:
        """0..1, always the same for the same seed, lane and cell."""
        x = (self._seed + lane * 0x9E3779B97F4A7C15 + cell * 0xD1B54A32D192ED03) & _MASK
        x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & _MASK
        x = (x ^ x >> 27) * 0x94D049BB133111EB & _MASK
        return (x ^ x >> 31) / 2**64


def _lid(t: float) -> float:
    """One blink over ``t`` 0..1: quick to close, shut for a frame, slower to open."""
    if t <= 0 or t >= 1:
        return 0.0
    return _smooth(t / 0.28) if t < 0.5 else 1 - _smooth((t - 0.55) / 0.45)


def _smooth(t: float) -> float:
    t = min(max(t, 0.0), 1.0)
    return t * t * (3 - 2 * t)
