"""
The life of a face: what it does besides making the sounds of its words.

Chance is seeded and time is given, so the same seed lives the same life when it is
asked for the same moments.  What little is remembered between moments is what is on
its way: a blink, a saccade, a nod.  `add_audio` lets head and brows go with the voice.
"""

import numpy as np
import torch
from torch import Tensor

from renderer.face import ARKIT, INDEX, SIZE
from renderer.frames import POSES
from renderer.life import expressions
from renderer.life.blinks import Blinks
from renderer.life.easing import Gesture, Gestures, Shares
from renderer.life.gaze import Gaze, in_head
from renderer.life.noise import Noise, RandomStream
from renderer.life.posture import Posture
from renderer.life.prosody import RATE, Accent, Event, PhraseBegins, PhraseEnds, Prosody

THINKING_S = 4.0  # then it looks idle again
_FACE_TAKES_S = 0.3  # from one pose or emotion to the next
_LONGEST_STEP_S = 1.0
_BLINK_PACE = {"idle": 1.0, "listening": 0.8, "talking": 1.15, "thinking": 0.75}
_NODS_APART_S = 0.5
_EMOTIONS = tuple(expressions.EMOTIONS)

_REST = expressions.of_skin(expressions.REST)
_POSE_ROWS = [expressions.of_skin(expressions.POSES[pose]) for pose in POSES]
_SILENT_ROWS = [expressions.of_skin(expressions.EMOTIONS[name]) for name in _EMOTIONS]
_SPOKEN_ROWS = [expressions.spoken(expressions.EMOTIONS[name]) for name in _EMOTIONS]
_HEADS = [expressions.of_head(expressions.EMOTIONS[name]) for name in _EMOTIONS]
_BROWS = expressions.row({"browInnerUp": 1.0, "browOuterUp": 0.72, "eyeWide": 0.16})
_LIDS = expressions.row({"eyeBlink": 1.0, "eyeSquint": 0.10, "cheekSquint": 0.05,
                   "browDown": 0.04})  # fmt: skip
_WIDE = (INDEX["eyeWideLeft"], INDEX["eyeWideRight"])
_PRESS = expressions.row(
    {"mouthPress": 1.0, "mouthRollLower": 0.5, "mouthRollUpper": 0.3}
)
_YAW, _GAZE_X = INDEX["headYaw"], INDEX["gazeX"]
_TALKING = POSES.index("talking")


class Life:
    """One face. Ask for moments in their order; the first one may be any."""

    def __init__(self, seed: int) -> None:
        self._chance = RandomStream(seed, 0)
        self._blinks, self._gaze = Blinks(seed), Gaze(seed)
        self._posture = Posture(seed)
        self._poses = Shares(POSES, _FACE_TAKES_S)
        self._moods = Shares(_EMOTIONS, _FACE_TAKES_S)
        self._lift, self._uneven = (
            Noise(seed, lane, ((2.9, 0.7), (1.3, 0.3))) for lane in (13, 14)
        )
        self._smile = Noise(seed, 15, ((4.3, 1.0),))
        self._raised, self._pressed = Gestures(), Gestures()
        self._at_s: float | None = None
        self._pose, self._since_s = "", 0.0
        self._press_s = 0.0
        self._turn, self._voice = 0, Prosody()
        self._effort, self._heard_s = 0.0, float("-inf")
        self._nod_s = float("-inf")

    def add_audio(
        self, at_s: float, turn: int, pcm: bytes, lookahead_samples: int
    ) -> None:
        """
        What a turn says next, s16le at 24 kHz, before `face` of the same moment.

        ``lookahead_samples``: of the turn so far, past the moment of the next `face`.
        """
        if turn != self._turn:
            self._turn, self._voice = turn, Prosody()
            self._blinks.prompt(at_s, 0.4)
        events = self._voice.feed(pcm)
        moment = self._voice.heard - lookahead_samples
        self._effort, self._heard_s = self._voice.loudness(moment), at_s
        for event in events:
            self._move(event, at_s, at_s + (event.at - moment) / RATE)

    def face(self, at_s: float, pose: str, emotion: str = "neutral") -> Tensor:
        """The face ``[57]`` at a moment, without what speech does to its mouth."""
        passed_s = 0.0 if self._at_s is None else at_s - self._at_s
        passed_s = min(max(passed_s, 0.0), _LONGEST_STEP_S)
        self._at_s = at_s
        pose = self._posed(at_s, pose)
        values = [0.0] * SIZE
        moods_now = self._moods.towards(emotion, passed_s)
        poses_now = self._poses.towards(pose, passed_s)
        talks = poses_now[_TALKING]
        self._add_skin(values, at_s, poses_now)
        self._add_mood(values, moods_now, talks)
        self._add_eyes(values, at_s, passed_s, pose)
        shown = np.array(values, np.float32)
        shown[: len(ARKIT)].clip(0, 1, out=shown[: len(ARKIT)])
        return torch.from_numpy(shown)

    # What begins.

    def _posed(self, at_s: float, pose: str) -> str:
        if pose != self._pose:
            before, self._pose, self._since_s = self._pose, pose, at_s
            self._change(at_s, before, pose)
        relaxed = pose == "thinking" and at_s - self._since_s > THINKING_S
        return "idle" if relaxed else pose

    def _change(self, at_s: float, before: str, pose: str) -> None:
        """People blink and look elsewhere when they begin something else."""
        gaze, chance = self._gaze, self._chance
        self._press_s = at_s + chance.between(3, 14)
        if not before:
            return
        if before == "talking":
            self._posture.settle(at_s)
        if pose != "listening":
            self._posture.stop_attending()
        self._blinks.prompt(at_s, 0.4)
        match pose:
            case "thinking":
                gaze.leave(at_s, chance.between(0.08, 0.25))
            case "talking":
                self._posture.begin_phrase()
                if before == "thinking":
                    gaze.come_back(at_s, chance.between(0.15, 0.5))
                elif chance.happens(0.4):
                    gaze.leave(at_s, chance.between(0.1, 0.5))
            case _:
                gaze.come_back(at_s, chance.between(0.05, 0.2))
                gaze.hold(at_s + 1.5)

    def _move(self, event: Event, now_s: float, at_s: float) -> None:
        """Something in the voice, to be seen at ``at_s`` or as soon as may be."""
        chance = self._chance
        match event:
            case PhraseBegins():
                self._posture.begin_phrase()
            case PhraseEnds():
                self._posture.settle(max(now_s, at_s))
                self._blinks.prompt(now_s, 0.25)
            case Accent(_, strength, pitch):
                start_s = max(now_s, at_s - 0.12)
                if pitch > 2.5 and chance.happens(0.25 + 0.35 * strength):
                    height = chance.between(0.14, 0.24) + 0.18 * strength
                    self._raise(start_s, height)
                if start_s - self._nod_s < _NODS_APART_S:
                    return
                self._nod_s = start_s
                if chance.happens(0.3 + 0.5 * strength):
                    self._posture.nod(start_s, 0.7 + 2.1 * strength)
                elif chance.happens(0.3):
                    self._posture.nod(start_s, -0.6 - 0.6 * strength)  # the chin, up
                elif chance.happens(0.5):
                    self._posture.tilt(start_s, 0.8 + 1.2 * strength)

    def _raise(self, start_s: float, height: float) -> None:
        """The brows, for a moment."""
        chance = self._chance
        rise_s, hold_s = chance.between(0.13, 0.18), chance.between(0.06, 0.2)
        fall_s = chance.between(0.3, 0.45)
        self._raised.add(Gesture(start_s, rise_s, hold_s, fall_s, height))

    # What is shown.

    def _add_skin(self, values: list[float], at_s: float, poses: list[float]) -> None:
        _add(values, _REST, 1.0)
        for row, share in zip(_POSE_ROWS, poses, strict=True):
            if share > 0.001:
                _add(values, row, share)
        lively = 0.05 + 0.07 * poses[_TALKING]
        lift = lively * max(0.0, 0.4 + self._lift.at(at_s))
        _add(values, _BROWS, lift + min(self._raised.at(at_s), 0.5))
        uneven, smile = 0.06 * self._uneven.at(at_s), 0.05 * self._smile.at(at_s)
        values[INDEX["browOuterUpLeft"]] += max(0.0, uneven)
        values[INDEX["browOuterUpRight"]] += max(0.0, -uneven)
        values[INDEX["mouthSmileLeft"]] += smile + 0.3 * uneven
        values[INDEX["mouthSmileRight"]] += smile - 0.3 * uneven
        if at_s >= self._press_s and self._pose != "talking":
            self._press_s = at_s + self._chance.between(9, 26)
            height = self._chance.between(0.12, 0.3)
            self._pressed.add(Gesture(at_s, 0.3, 0.25, 0.5, height))
        pressed = self._pressed.at(at_s) * (1 - poses[_TALKING]) ** 2
        if pressed:
            _add(values, _PRESS, pressed)

    def _add_mood(self, values: list[float], now: list[float], talks: float) -> None:
        for i, share in enumerate(now):
            if share > 0.001:
                _add(values, _SPOKEN_ROWS[i], share * talks)
                _add(values, _SILENT_ROWS[i], share * (1 - talks))
                for axis, radians in enumerate(_HEADS[i]):
                    values[_YAW + axis] += share * radians

    def _add_eyes(
        self, values: list[float], at_s: float, passed_s: float, pose: str
    ) -> None:
        """Head and eyes, which go together."""
        if pose == "listening" and self._posture.attend(at_s):
            self._blinks.prompt(at_s, 0.2)
        far = self._gaze.advance(at_s, pose)
        if far > 4:
            self._blinks.prompt(at_s, 0.4 if far > 8 else 0.15)
        effort = self._effort if self._heard_s == at_s else 0.0
        head = self._posture.turned(at_s, passed_s, pose, self._gaze.target, effort)
        for axis, radians in enumerate(head):
            values[_YAW + axis] += radians
        self._blinks.advance(at_s, passed_s, _BLINK_PACE[pose])
        closed = self._blinks.closed(at_s)
        for place in _WIDE:  # lids that are open wide would not close
            values[place] *= 1 - closed
        _add(values, _LIDS, closed)
        yaw, pitch = values[_YAW], values[_YAW + 1]
        x, y = in_head(self._gaze.look(at_s), yaw, pitch)
        values[_GAZE_X], values[_GAZE_X + 1] = x, y - 0.07 * closed


def _add(values: list[float], row: expressions.Row, share: float) -> None:
    for place, amount in row:
        values[place] += share * amount
