"""Schedule of one session's frames: which one is due next, and what it shows."""

from collections.abc import Collection
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

from lite_gateway.playout.frame_clock import FrameClock
from lite_gateway.playout.half_rate import HalfRate, LeftOut
from lite_gateway.playout.lateness import Lateness
from lite_gateway.playout.talkspurt import Talkspurt
from lite_gateway.playout.turn_audio import TurnAudio, loudness
from protocol.lite.messages import EMOTIONS, SAMPLE_RATE
from renderer.frames import FrameRequest, Phone

LOOKAHEAD_SAMPLES = SAMPLE_RATE * 120 // 1000  # the most that a driver is given
# How far past a face its driver is given phones: enough for coarticulation.
PHONES_AHEAD_SAMPLES = SAMPLE_RATE
# On its way to a listener audio takes 30 to 55 ms longer than video (`bench latency`,
# `browser`, L4). So frames of speech are due so much later than the audio that they
# show. The first one of a talkspurt is due at once: it shows that speech begins.
VIDEO_DELAY_S = 0.020


@dataclass(frozen=True, slots=True)
class FrameTask:
    """One frame to render and send."""

    due_s: float
    skipped: int  # frames dropped since the task before
    left_out: int  # frames left out on purpose since the task before
    request: FrameRequest
    talkspurt: Talkspurt | None = None
    first: int = 0  # position in the turn at which the frame begins
    samples: int = 0  # how long it lasts; 0 for a frame without speech


class FrameSchedule:
    """Frames of one session, at the pace of its talkspurt or of the idle face."""

    def __init__(self, fps: Fraction, now_s: float) -> None:
        self.pose, self.emotion = "idle", EMOTIONS[0]  # between turns
        self._created_s = now_s
        self._clock = FrameClock(fps, now_s)
        self._half_rate = HalfRate()
        self._lateness = Lateness()

    @property
    def next(self) -> int:
        """Index of the next frame."""
        return self._clock.next

    @property
    def period_s(self) -> float:
        """Seconds from one frame to the next."""
        return self._clock.period_s

    def start(self, now_s: float, parity: int) -> None:
        """Make the first frame due now; ``parity`` is that of `HalfRate`."""
        self._half_rate = HalfRate(parity)
        self.rephase(now_s)

    def rephase(self, now_s: float, delay_s: float = 0.0) -> None:
        """
        Make the next frame due now, also if the rate is halved.

        The frames after it are due ``delay_s`` later than one frame after the other.
        """
        self._clock.rephase(now_s, delay_s)
        self._half_rate.show_next()

    def delay(self, by_s: float) -> None:
        """Make the next frame, and all later ones, due later by ``by_s``."""
        self._clock.delay(by_s)

    def due_s(self, now_s: float, *, in_speech: bool) -> float:
        """
        Return when the next frame is due.

        In speech it is the one nearest to now: a frame that is later than half a frame
        is skipped, and lips that were late are in time again with the next one. The
        first frame of a talkspurt is due before its time, and never waits.
        """
        if in_speech:
            self._clock.skip_before(now_s - 0.5 * self._clock.period_s)
        return self._clock.due_s

    def take(
        self,
        now_s: float,
        talkspurt: Talkspurt | None,
        front: TurnAudio | None,
        halved: Collection[str],
    ) -> FrameTask | LeftOut:
        """
        Return the newest frame that is due; older ones are skipped.

        ``front`` is the turn in front, spoken or not. In the poses ``halved``, every
        second frame is left out, see `HalfRate`.
        """
        tick = self._clock.take(now_s)
        at_s = tick.due_s - self._created_s
        pose = self.pose if talkspurt is None else "talking"
        left_out = 0
        if pose in halved:
            if self._half_rate.leaves_out(tick.slot):
                return LeftOut(pose)
            left_out = self._half_rate.left_out_of(tick.slot, tick.skipped)
        self._half_rate.show(tick.slot)
        task = partial(FrameTask, tick.due_s, tick.skipped - left_out, left_out)
        if talkspurt is None:
            return task(self._idle_frame(tick.index, at_s, front))
        turn = talkspurt.turn
        first, samples = self._span(tick.index, talkspurt)
        if turn.sealed and first >= turn.end:
            return task(self._idle_frame(tick.index, at_s, turn), talkspurt)
        pcm = turn.consume(first + samples + LOOKAHEAD_SAMPLES)
        turn.shown = first + samples // 2 + self._face_shift(pose in halved)
        phones = turn.take_phones(turn.shown + PHONES_AHEAD_SAMPLES)
        request = FrameRequest(
            tick.index,
            at_s,
            "talking",
            turn.number,
            pcm,
            turn.consumed - turn.shown,
            loudness(turn.peek(first, samples)),
            turn.emotion_at(first),
            tuple(Phone(*phone) for phone in phones),
        )
        return task(request, talkspurt, first, samples)

    def sent(self, task: FrameTask, now_s: float) -> None:
        """Note that the room has the frame."""
        self._lateness.observe(now_s - task.due_s)
        if task.talkspurt is not None:
            task.talkspurt.frame_sent = True

    def _face_shift(self, is_halved: bool) -> int:
        """
        Return the moment of a frame's face, in samples after its middle.

        A frame that is seen later than usual shows a later face.
        """
        seen_s = self._lateness.unusual_s
        if is_halved:  # it is seen for two frames
            seen_s += 0.5 * self._clock.period_s
        return round(seen_s * SAMPLE_RATE)

    def _idle_frame(
        self, index: int, at_s: float, turn: TurnAudio | None
    ) -> FrameRequest:
        emotion = self.emotion
        if turn is not None and turn.submitted:
            emotion = turn.emotion_at(turn.submitted)
        return FrameRequest(index, at_s, self.pose, emotion=emotion)

    def _span(self, index: int, talkspurt: Talkspurt) -> tuple[int, int]:
        frames = index - talkspurt.first_frame
        first = talkspurt.first_sample + self._clock.samples(frames, SAMPLE_RATE)
        return first, self._clock.samples(1, SAMPLE_RATE)
