"""
Schedule of one session's audio and video: decides what to send next, without I/O.

A turn is spoken in one or more *talkspurts*.  A talkspurt begins when enough audio has
arrived (at once for bursts) and ends when the turn is finished, cut or has an underrun.
Each talkspurt re-phases the frame clock, so its first frame is due immediately, and
its audio does not wait for it.  Frames and audio are both counted from the start of the
talkspurt and cannot drift apart.  Audio is the master: where the room runs dry, the
frames that follow are due later by as much.

Audio is submitted in steps of at most 40 ms, at most 100 ms ahead of the listener.

Positions are samples from the start of a turn, under three names: *consumed* (given to
the driver), *submitted* (given to the room's SDK) and *heard* (reached the listener).
"""

import math
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

from lite_gateway.playout.actions import (
    AudioAction,
    BeginTalkspurt,
    ClearSilence,
    LongUnderrun,
    MissingEnd,
    SendFade,
    SendSilence,
    SendStep,
    TurnFinished,
    TurnStarted,
    Underrun,
    Wait,
)
from lite_gateway.playout.frame_clock import FrameClock
from lite_gateway.playout.gaps import Gaps
from lite_gateway.playout.half_rate import HalfRate, LeftOut
from lite_gateway.playout.jitter_buffer import JitterBuffer
from lite_gateway.playout.lateness import Lateness
from lite_gateway.playout.talkspurt import Talkspurt
from lite_gateway.playout.turn_audio import TurnAudio, fade_out, loudness
from protocol.lite.messages import EMOTIONS, SAMPLE_RATE
from renderer.frames import FrameRequest

# The most audio submitted at once, 40 ms: each step wakes four threads. It is as long
# as a frame, so that the event loop wakes for both at once.
STEP_SAMPLES = SAMPLE_RATE // 25
STEP_S = STEP_SAMPLES / SAMPLE_RATE
# A step is submitted this long before it is due: by so much the event loop may be late
# until the listener hears a gap. An interrupt drops what was submitted and not heard.
AHEAD_S = 0.060
FADE_SAMPLES = SAMPLE_RATE * 8 // 1000  # a cut ends in an 8 ms fade, not in a click
LOOKAHEAD_SAMPLES = SAMPLE_RATE * 120 // 1000  # the most that a driver is given
# A listener sees a frame 30 to 45 ms before hearing its audio (`bench latency`, L4).
# Lips that move 20 ms later are in time, and the driver has consumed 20 ms more.
# So a frame shows the face of 20 ms before its middle, which at 25 frames per second
# is the face of its start. A frame that is seen later shows a later face.
FACE_DELAY_SAMPLES = SAMPLE_RATE * 20 // 1000
TIMER_TOLERANCE_S = 0.0005  # event loops wake in whole ms, some a little early
UNDERRUN_REPORT_S = 0.5  # shorter underruns are not reported to the listener
SILENCE = bytes(2 * STEP_SAMPLES)


@dataclass(frozen=True, slots=True)
class FlushResult:
    """End of a turn before it was finished."""

    at_s: float
    turn: int
    heard: int  # position
    spoken: bool  # audio of it was submitted: a fade follows
    gaps: Gaps


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


class TurnSchedule:
    """Turns in their order, and the next audio and video of the one in front."""

    def __init__(self, fps: Fraction, now_s: float, *, missing_end_s: float) -> None:
        self.pose, self.emotion = "idle", EMOTIONS[0]  # between turns
        self._missing_end_s = missing_end_s
        self._created_s = now_s
        self._clock = FrameClock(fps, now_s)
        self._half_rate = HalfRate()
        self._jitter = JitterBuffer()
        self._lateness = Lateness()
        self._turns: deque[TurnAudio] = deque()  # neither finished nor cut
        self._unsubmitted = 0  # samples of all turns
        self._cut_turn = 0  # the newest turn that was cut
        self._talkspurt: Talkspurt | None = None
        self._fade: SendFade | None = None
        self._free_s = 0.0  # when the last turn ended
        self._reported = 0  # the turn whose present underrun was reported

    @property
    def buffered_s(self) -> float:
        """Audio received and not yet submitted, of all turns, in seconds."""
        return self._unsubmitted / SAMPLE_RATE

    def silent_s(self, now_s: float) -> float:
        """Return how long there has been no turn; 0 while there is one."""
        return 0.0 if self._turns else now_s - self._free_s

    @property
    def front_buffered_s(self) -> float:
        """Audio received and not yet submitted, of the turn in front, in seconds."""
        return self._turns[0].unsubmitted_s if self._turns else 0.0

    # Input.

    def open(self, number: int, now_s: float) -> None:
        """Add a turn to the end of the queue before its audio arrives."""
        self._turns.append(TurnAudio(number, now_s))

    def append(
        self, number: int, pcm: bytes, now_s: float, emotion: str | None = None
    ) -> int:
        """Add audio to a turn, opening it if needed; return its samples so far."""
        if not self._turns or self._turns[-1].number < number:
            self.open(number, now_s)
        turn = next(turn for turn in reversed(self._turns) if turn.number == number)
        end = turn.end
        turn.append(pcm, now_s, emotion)
        self._unsubmitted += turn.end - end
        return turn.end

    def seal(self, number: int) -> None:
        """Mark the end of a turn: no more audio follows."""
        for turn in self._turns:
            if turn.number == number:
                turn.sealed = True

    def flush(self, upto: int, now_s: float, queued_s: float) -> FlushResult | None:
        """
        Cut every turn up to ``upto`` and return the cut of the one in front, if any.

        ``queued_s``: audio in the room that the listener has not heard yet.
        """
        turn = self._turns[0] if self._turns else None
        if turn is None or turn.number > upto:
            return None
        # Without a talkspurt the room queues silence and nothing of the turn.
        queued = round(queued_s * SAMPLE_RATE) if self._talkspurt else 0
        heard = max(0, turn.submitted - queued)
        spoken = turn.submitted > 0
        cut = FlushResult(now_s, turn.number, heard, spoken, turn.gaps)
        if cut.spoken:
            pcm = fade_out(turn.peek(heard, FADE_SAMPLES)) or SILENCE
            self._fade = SendFade(turn.number, now_s, pcm)
        while self._turns and self._turns[0].number <= upto:
            self._unsubmitted -= self._turns.popleft().unsubmitted
        self._cut_turn = upto
        self._free_s = now_s
        self._end_talkspurt()
        self._rephase(now_s)
        return cut

    # Video.

    def start(self, now_s: float, parity: int = 0) -> None:
        """Make the first frame due now; ``parity`` is that of `HalfRate`."""
        self._half_rate = HalfRate(parity)
        self._rephase(now_s)

    def frame_due_s(self, now_s: float) -> float:
        """
        Return when the next frame is due.

        In speech it is the one nearest to now: a frame that is later than half a frame
        is skipped, and lips that were late are in time again with the next one.
        """
        self._follow_audio(now_s)
        if self._talkspurt is not None:
            self._clock.skip_before(now_s - 0.5 * self._clock.period_s)
        return self._clock.due_s

    def next_frame(
        self, now_s: float, halved: Collection[str] = ()
    ) -> FrameTask | LeftOut:
        """
        Return the newest frame that is due; older ones are skipped.

        In the poses ``halved``, every second frame is left out, see `HalfRate`.
        """
        tick = self._clock.take(now_s)
        at_s = tick.due_s - self._created_s
        talkspurt = self._talkspurt
        pose = self.pose if talkspurt is None else "talking"
        slot, left_out = round(tick.due_s * self._clock.rate), 0
        if pose in halved:
            if self._half_rate.leaves_out(slot):
                return LeftOut(pose)
            left_out = self._half_rate.left_out_of(slot, tick.skipped)
        self._half_rate.show(slot)
        task = partial(FrameTask, tick.due_s, tick.skipped - left_out, left_out)
        if talkspurt is None:
            turn = self._turns[0] if self._turns else None
            return task(self._idle_frame(tick.index, at_s, turn))
        turn = talkspurt.turn
        first, samples = self._span(tick.index, talkspurt)
        if turn.sealed and first >= turn.end:
            return task(self._idle_frame(tick.index, at_s, turn), talkspurt)
        pcm = turn.consume(first + samples + LOOKAHEAD_SAMPLES)
        request = FrameRequest(
            tick.index,
            at_s,
            "talking",
            turn.number,
            pcm,
            turn.consumed - (first + samples // 2 + self._face_shift(pose in halved)),
            loudness(turn.peek(first, samples)),
            turn.emotion_at(first),
        )
        return task(request, talkspurt, first, samples)

    def frame_rendered(self, task: FrameTask) -> bool:
        """Return whether to send a rendered frame: False if its turn was cut."""
        return not 0 < task.request.turn <= self._cut_turn

    def frame_sent(self, task: FrameTask, now_s: float) -> None:
        """Note that the room has the frame."""
        self._lateness.observe(now_s - task.due_s)
        if task.talkspurt is not None:
            task.talkspurt.frame_sent = True

    def _face_shift(self, is_halved: bool) -> int:
        """Return the moment of a frame's face, in samples after its middle."""
        seen_s = self._lateness.unusual_s
        if is_halved:  # it is seen for two frames
            seen_s += 0.5 * self._clock.period_s
        return round(seen_s * SAMPLE_RATE) - FACE_DELAY_SAMPLES

    def _follow_audio(self, now_s: float) -> None:
        """Delay the frames by as much as the audio, if the room ran dry."""
        if self._talkspurt is not None:
            self._clock.delay(self._talkspurt.note_delay(now_s))

    def _rephase(self, now_s: float) -> None:
        """Make the next frame due now, also if the rate is halved."""
        self._clock.rephase(now_s)
        self._half_rate.show_next()

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

    # Audio.

    def next_audio(self, now_s: float, queued_s: float) -> list[AudioAction]:
        """
        Return what to do now; the caller does it and asks again.

        ``queued_s``: audio in the room that the listener has not heard yet.
        """
        if self._fade is not None:
            fade, self._fade = self._fade, None
            return [fade]
        if self._talkspurt is not None:
            return self._continue(self._talkspurt, now_s)
        if not self._turns:
            return [_idle(STEP_S, queued_s)]
        turn = self._turns[0]
        if turn.sealed and not turn.unsubmitted:
            return [self._finish(now_s)]
        if not turn.unsubmitted:
            idle_s = now_s - turn.arrived_s
            return [*self._reports(turn, idle_s), _idle(STEP_S, queued_s)]
        hold_s = self._hold_s(turn, now_s)
        if hold_s > TIMER_TOLERANCE_S:
            return [_idle(min(hold_s, STEP_S), queued_s)]
        talkspurt = self._begin_talkspurt(turn, now_s)
        return [BeginTalkspurt(), ClearSilence(), self._step(talkspurt, now_s)]

    def _reports(self, turn: TurnAudio, idle_s: float) -> list[AudioAction]:
        reports: list[AudioAction] = []
        if idle_s >= UNDERRUN_REPORT_S and self._reported != turn.number:
            self._reported = turn.number
            reports.append(LongUnderrun(turn.number))
        if idle_s >= self._missing_end_s:
            reports.append(MissingEnd(turn.number))
        return reports

    def _hold_s(self, turn: TurnAudio, now_s: float) -> float:
        """Return how long to hold audio back, so that no underrun follows at once."""
        target_s = self._jitter.target_s
        if turn.sealed or turn.unsubmitted_s >= target_s:
            return 0.0
        return target_s - (now_s - turn.arrived_s)

    def _continue(self, talkspurt: Talkspurt, now_s: float) -> list[AudioAction]:
        self._follow_audio(now_s)
        turn, heard_s = talkspurt.turn, talkspurt.due_s - now_s
        start_s = talkspurt.starts_by_s - now_s if talkspurt.starts_turn else math.inf
        runs_dry = heard_s <= TIMER_TOLERANCE_S and not turn.unsubmitted
        if talkspurt.starts_turn and (
            talkspurt.frame_sent
            or start_s <= TIMER_TOLERANCE_S
            or (runs_dry and not turn.sealed)
        ):
            return [self._start_turn(talkspurt, now_s)]
        if turn.unsubmitted:
            early_s = heard_s - AHEAD_S
            if early_s > TIMER_TOLERANCE_S:
                return [Wait(min(early_s, start_s))]
            return [self._step(talkspurt, now_s)]
        if not runs_dry:
            return [Wait(min(heard_s, start_s))]
        if talkspurt.starts_turn:  # a short one finishes when it was seen as well
            return [Wait(start_s)]
        if turn.sealed:
            return [self._finish(now_s)]
        self._jitter.on_underrun()
        self._reported = 0
        self._end_talkspurt()
        return [Underrun()]

    def _step(self, talkspurt: Talkspurt, now_s: float) -> SendStep:
        turn, first = talkspurt.turn, talkspurt.turn.submitted
        if not turn.sealed:
            held_s = max(0.0, turn.unsubmitted_s - STEP_S)
            spare_s = talkspurt.due_s - now_s + held_s
            talkspurt.spare_s = min(talkspurt.spare_s, spare_s)
        pcm = self._submit(turn)
        audio_s = len(pcm) / 2 / SAMPLE_RATE
        is_first = first == talkspurt.first_sample
        turn.gaps.submit(now_s, audio_s, after_underrun=is_first)
        return SendStep(turn.number, first, pcm)

    def _submit(self, turn: TurnAudio) -> bytes:
        pcm = turn.submit(STEP_SAMPLES)
        self._unsubmitted -= len(pcm) // 2
        return pcm

    def _start_turn(self, talkspurt: Talkspurt, now_s: float) -> TurnStarted:
        """Start the turn: its first frame is sent, or it is late by a whole frame."""
        talkspurt.starts_turn = False
        # The time that a turn waited behind another one is not added latency.
        since_s = max(talkspurt.turn.received_s, self._free_s)
        return TurnStarted(talkspurt.turn.number, now_s - since_s)

    def _begin_talkspurt(self, turn: TurnAudio, now_s: float) -> Talkspurt:
        self._talkspurt = Talkspurt(
            turn,
            self._clock.next,
            turn.submitted,
            origin_s=now_s,
            starts_by_s=now_s + self._clock.period_s,
            starts_turn=turn.submitted == 0,
        )
        self._rephase(now_s)
        return self._talkspurt

    def _end_talkspurt(self) -> None:
        if self._talkspurt is not None:
            self._jitter.on_talkspurt_end(self._talkspurt.spare_s)
            self._talkspurt = None

    def _finish(self, now_s: float) -> TurnFinished:
        turn = self._turns.popleft()
        self._free_s = now_s
        self._end_talkspurt()
        return TurnFinished(turn.number, spoken=turn.submitted > 0, gaps=turn.gaps)


def _idle(wait_s: float, queued_s: float) -> AudioAction:
    """Send silence, or wait while the room has enough of it queued."""
    spare_s = queued_s - AHEAD_S
    if spare_s <= TIMER_TOLERANCE_S:
        return SendSilence()
    return Wait(min(wait_s, spare_s))
