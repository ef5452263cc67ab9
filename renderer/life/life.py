"""
Idle and co-speech motion of a face: everything except the mouth's articulation.

Random numbers are seeded and the time is a parameter, so the same seed and the same
calls give the same faces. The state between calls is small: the blinks, saccades and
gestures in progress. `Life.add_audio` makes head and brows move with the voice.
"""

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

from renderer.face import ARKIT, INDEX, SIZE
from renderer.frames import POSES, SAMPLE_RATE
from renderer.life import expressions
from renderer.life.blinks import Blinks
from renderer.life.easing import Gesture, Gestures, Shares
from renderer.life.gaze import Gaze, in_head
from renderer.life.noise import Noise, RandomStream, Stream
from renderer.life.posture import Posture
from renderer.life.prosody import Accent, Event, PhraseBegins, PhraseEnds, Prosody
from renderer.life.voice import NumpyVoice, VoiceAnalysis

THINKING_S = 4.0  # after which the pose "thinking" looks like "idle"
_FADE_S = 0.3  # from one pose or emotion to the next
_MAX_STEP_S = 1.0  # of time between two faces, for the easing
_BLINK_RATES = {"idle": 1.0, "listening": 0.8, "talking": 1.15, "thinking": 0.75}
_MIN_NOD_INTERVAL_S = 0.5
_EMOTIONS = tuple(expressions.EMOTION_WEIGHTS)

_REST = expressions.without_head(expressions.REST_WEIGHTS)
_POSE_ROWS = [
    expressions.without_head(expressions.POSE_WEIGHTS[pose]) for pose in POSES
]
_EMOTION_WEIGHTS = expressions.EMOTION_WEIGHTS.values()
_SILENT_ROWS = [expressions.without_head(amounts) for amounts in _EMOTION_WEIGHTS]
_TALKING_ROWS = [expressions.while_talking(amounts) for amounts in _EMOTION_WEIGHTS]
_EMOTION_ROTATIONS = [
    expressions.head_rotation(amounts) for amounts in _EMOTION_WEIGHTS
]
_BROWS = expressions.row({"browInnerUp": 1.0, "browOuterUp": 0.72, "eyeWide": 0.16})
_LIDS = expressions.row({"eyeBlink": 1.0, "eyeSquint": 0.10, "cheekSquint": 0.05,
                   "browDown": 0.04})  # fmt: skip
_WIDE = (INDEX["eyeWideLeft"], INDEX["eyeWideRight"])
_PRESS = expressions.row(
    {"mouthPress": 1.0, "mouthRollLower": 0.5, "mouthRollUpper": 0.3}
)
_YAW, _PITCH, _ROLL = INDEX["headYaw"], INDEX["headPitch"], INDEX["headRoll"]
_GAZE_X, _GAZE_Y = INDEX["gazeX"], INDEX["gazeY"]
_BROW_LEFT, _BROW_RIGHT = INDEX["browOuterUpLeft"], INDEX["browOuterUpRight"]
_SMILE_LEFT, _SMILE_RIGHT = INDEX["mouthSmileLeft"], INDEX["mouthSmileRight"]
_TALKING = POSES.index("talking")


class Life:
    """Motion of one face. Times must not decrease from call to call."""

    def __init__(
        self, seed: int, begin_voice: Callable[[], VoiceAnalysis] = NumpyVoice
    ) -> None:
        """Begin at rest; ``begin_voice`` makes the analysis of each turn's voice."""
        self._rng = RandomStream(seed, Stream.LIFE)
        self._blinks, self._gaze = Blinks(seed), Gaze(seed)
        self._posture = Posture(seed)
        self._poses = Shares(POSES, _FADE_S)
        self._emotions = Shares(_EMOTIONS, _FADE_S)
        self._brow_lift, self._asymmetry = (
            Noise(seed, stream, ((2.9, 0.7), (1.3, 0.3)))
            for stream in (Stream.BROW_LIFT, Stream.ASYMMETRY)
        )
        self._smile = Noise(seed, Stream.SMILE, ((4.3, 1.0),))
        self._brow_raises, self._lip_presses = Gestures(), Gestures()
        self._at_s: float | None = None  # of the latest face
        self._pose, self._pose_start_s = "", 0.0
        self._next_press_s = 0.0
        self._begin_voice = begin_voice
        self._turn, self._voice = 0, Prosody(begin_voice())
        # Of the latest audio, and the time of the face that it came with.
        self._loudness, self._audio_s = 0.0, float("-inf")
        self._last_nod_s = float("-inf")

    def add_audio(
        self, at_s: float, turn: int, pcm: bytes, lookahead_samples: int
    ) -> None:
        """
        Add the next audio of a turn, s16le at 24 kHz, before `face` of the same time.

        ``lookahead_samples`` is the audio so far past the moment that the face shows.
        """
        if turn != self._turn:
            self._turn, self._voice = turn, Prosody(self._begin_voice())
            self._blinks.prompt(at_s, 0.4)
        events = self._voice.feed(pcm)
        moment = self._voice.consumed - lookahead_samples
        self._loudness, self._audio_s = self._voice.loudness(moment), at_s
        for event in events:
            event_s = at_s + (event.at - moment) / SAMPLE_RATE
            self._on_voice_event(event, at_s, event_s)

    def face(
        self, at_s: float, pose: str, emotion: str = "neutral"
    ) -> npt.NDArray[np.float32]:
        """Return the face ``[57]`` at ``at_s``, without the mouth's articulation."""
        face = np.array(self.values(at_s, pose, emotion), np.float32)
        weights = face[: len(ARKIT)]
        weights.clip(0, 1, out=weights)
        return face

    def values(self, at_s: float, pose: str, emotion: str) -> list[float]:
        """Return the values of `face` as they are before they are limited to 0..1."""
        elapsed_s = 0.0 if self._at_s is None else at_s - self._at_s
        elapsed_s = min(max(elapsed_s, 0.0), _MAX_STEP_S)
        self._at_s = at_s
        pose = self._effective_pose(at_s, pose)
        emotions = self._emotions.towards(emotion, elapsed_s)
        poses = self._poses.towards(pose, elapsed_s)
        if self._poses.settled and self._emotions.settled:
            values = list(_settled_expression(pose, emotion))
        else:
            values = _expression(poses, emotions)
        self._add_small_motion(values, at_s, poses[_TALKING])
        self._add_head_and_eyes(values, at_s, elapsed_s, pose)
        return values

    # Changes of pose and events of the voice.

    def _effective_pose(self, at_s: float, pose: str) -> str:
        if pose != self._pose:
            previous, self._pose, self._pose_start_s = self._pose, pose, at_s
            self._on_pose_change(at_s, previous, pose)
        is_over = pose == "thinking" and at_s - self._pose_start_s > THINKING_S
        return "idle" if is_over else pose

    def _on_pose_change(self, at_s: float, previous: str, pose: str) -> None:
        """Blink and move the gaze, as people do when they begin something else."""
        gaze, rng = self._gaze, self._rng
        self._next_press_s = at_s + rng.uniform(3, 14)
        if not previous:
            return
        if previous == "talking":
            self._posture.settle(at_s)
        if pose != "listening":
            self._posture.stop_listening()
        self._blinks.prompt(at_s, 0.4)
        match pose:
            case "thinking":
                gaze.look_away(at_s, rng.uniform(0.08, 0.25))
            case "talking":
                self._posture.begin_phrase()
                if previous == "thinking":
                    gaze.look_back(at_s, rng.uniform(0.15, 0.5))
                elif rng.happens(0.4):
                    gaze.look_away(at_s, rng.uniform(0.1, 0.5))
            case _:
                gaze.look_back(at_s, rng.uniform(0.05, 0.2))
                gaze.stay(at_s + 1.5)

    def _on_voice_event(self, event: Event, now_s: float, event_s: float) -> None:
        """Start the gestures of an event at ``event_s``, or now if that is past."""
        rng = self._rng
        match event:
            case PhraseBegins():
                self._posture.begin_phrase()
            case PhraseEnds():
                self._posture.settle(max(now_s, event_s))
                self._blinks.prompt(now_s, 0.25)
            case Accent(_, strength, pitch):
                start_s = max(now_s, event_s - 0.12)
                if pitch > 2.5 and rng.happens(0.25 + 0.35 * strength):
                    height = rng.uniform(0.14, 0.24) + 0.18 * strength
                    self._raise_brows(start_s, height)
                if start_s - self._last_nod_s < _MIN_NOD_INTERVAL_S:
                    return
                self._last_nod_s = start_s
                if rng.happens(0.3 + 0.5 * strength):
                    self._posture.nod(start_s, 0.7 + 2.1 * strength)
                elif rng.happens(0.3):
                    self._posture.nod(start_s, -0.6 - 0.6 * strength)  # lifts the chin
                elif rng.happens(0.5):
                    self._posture.tilt(start_s, 0.8 + 1.2 * strength)

    def _raise_brows(self, start_s: float, height: float) -> None:
        rng = self._rng
        rise_s, hold_s = rng.uniform(0.13, 0.18), rng.uniform(0.06, 0.2)
        fall_s = rng.uniform(0.3, 0.45)
        self._brow_raises.add(Gesture(start_s, rise_s, hold_s, fall_s, height))

    # Parts of the face.

    def _add_small_motion(
        self, values: list[float], at_s: float, talking: float
    ) -> None:
        """Add the motion of brows, smile and lips; ``talking`` is the pose's share."""
        liveliness = 0.05 + 0.07 * talking
        lift = liveliness * max(0.0, 0.4 + self._brow_lift.at(at_s))
        _add(values, _BROWS, lift + min(self._brow_raises.at(at_s), 0.5))
        asymmetry = 0.06 * self._asymmetry.at(at_s)
        smile = 0.05 * self._smile.at(at_s)
        values[_BROW_LEFT] += max(0.0, asymmetry)
        values[_BROW_RIGHT] += max(0.0, -asymmetry)
        values[_SMILE_LEFT] += smile + 0.3 * asymmetry
        values[_SMILE_RIGHT] += smile - 0.3 * asymmetry
        if at_s >= self._next_press_s and self._pose != "talking":
            self._next_press_s = at_s + self._rng.uniform(9, 26)
            height = self._rng.uniform(0.12, 0.3)
            self._lip_presses.add(Gesture(at_s, 0.3, 0.25, 0.5, height))
        pressed = self._lip_presses.at(at_s) * (1 - talking) ** 2
        if pressed:
            _add(values, _PRESS, pressed)

    def _add_head_and_eyes(
        self, values: list[float], at_s: float, elapsed_s: float, pose: str
    ) -> None:
        """Add head, gaze and lids: the eyes compensate for the rotation of the head."""
        if pose == "listening" and self._posture.nod_as_listener(at_s):
            self._blinks.prompt(at_s, 0.2)
        saccade_degrees = self._gaze.advance(at_s, pose)
        if saccade_degrees > 4:
            self._blinks.prompt(at_s, 0.4 if saccade_degrees > 8 else 0.15)
        loudness = self._loudness if self._audio_s == at_s else 0.0
        rotation = self._posture.rotation(
            at_s, elapsed_s, pose, self._gaze.target, loudness
        )
        yaw = values[_YAW] = values[_YAW] + rotation[0]
        pitch = values[_PITCH] = values[_PITCH] + rotation[1]
        values[_ROLL] += rotation[2]
        self._blinks.advance(at_s, elapsed_s, _BLINK_RATES[pose])
        closure = self._blinks.closure(at_s)
        if closure:
            for i in _WIDE:  # eyeWide would keep the lids from closing
                values[i] *= 1 - closure
            _add(values, _LIDS, closure)
        x, y = in_head(self._gaze.direction(at_s), yaw, pitch)
        values[_GAZE_X], values[_GAZE_Y] = x, y - 0.07 * closure


def _expression(poses: Sequence[float], emotions: Sequence[float]) -> list[float]:
    """Return the face at rest plus the shares of poses and emotions, not limited."""
    values, talking = [0.0] * SIZE, poses[_TALKING]
    _add(values, _REST, 1.0)
    for row, share in zip(_POSE_ROWS, poses, strict=True):
        if share > 0.001:
            _add(values, row, share)
    for i, share in enumerate(emotions):
        if share > 0.001:
            _add(values, _TALKING_ROWS[i], share * talking)
            _add(values, _SILENT_ROWS[i], share * (1 - talking))
            for axis, radians in enumerate(_EMOTION_ROTATIONS[i]):
                values[_YAW + axis] += share * radians
    return values


@cache
def _settled_expression(pose: str, emotion: str) -> tuple[float, ...]:
    """Return the expression of one pose and one emotion."""
    poses = [float(name == pose) for name in POSES]
    return tuple(_expression(poses, [float(name == emotion) for name in _EMOTIONS]))


def _add(values: list[float], row: expressions.Row, share: float) -> None:
    for i, amount in row:
        values[i] += share * amount
