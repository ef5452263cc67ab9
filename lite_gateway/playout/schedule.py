"""
Schedule of one session's audio and video: decides what to send next, without I/O.

A turn is spoken in one or more *talkspurts*.  A talkspurt begins when enough audio has
arrived (at once for bursts) and ends when the turn is finished, cut or has an underrun.
Each talkspurt re-phases the frame clock, so its first frame is due immediately, and
its audio does not wait for it.  Frames and audio are both counted from the start of the
talkspurt and cannot drift apart: but for the first one, a frame is due `VIDEO_DELAY_S`
after the room plays its first sample.  Audio is the master: where the room runs dry,
the frames that follow are due later by as much, and a frame that is due after the last
sample of a turn was heard shows no speech.

Audio is submitted in steps of at most 40 ms, at most 100 ms ahead of the listener.

Positions are samples from the start of a turn, under three names: *consumed* (given to
the driver), *submitted* (given to the room's SDK) and *heard* (reached the listener).
"""

import math
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fractions import Fraction

from lite_gateway.playout.actions import (
    AudioAction,
    BeginTalkspurt,
    ClearSilence,
    LongUnderrun,
    MissingEnd,
    SendSilence,
    SendStep,
    TurnFinished,
    TurnStarted,
    Underrun,
    Wait,
)
from lite_gateway.playout.frame_schedule import (
    VIDEO_DELAY_S,
    FrameSchedule,
    FrameTask,
)
from lite_gateway.playout.gaps import Gaps
from lite_gateway.playout.half_rate import LeftOut
from lite_gateway.playout.jitter_buffer import JitterBuffer
from lite_gateway.playout.talkspurt import Talkspurt
from lite_gateway.playout.turn_audio import TurnAudio, fade_out
from protocol.lite.messages import SAMPLE_RATE
from protocol.phones.phone_list import TimedPhone

# The most audio submitted at once, 40 ms: each step wakes four threads. It is as long
# as a frame, so that the event loop wakes for both at once.
STEP_SAMPLES = SAMPLE_RATE // 25
STEP_S = STEP_SAMPLES / SAMPLE_RATE
# A step is submitted this long before it is due: by so much the event loop may be late
# until the listener hears a gap. An interrupt drops what was submitted and not heard.
AHEAD_S = 0.060
FADE_SAMPLES = SAMPLE_RATE * 8 // 1000  # a cut ends in an 8 ms fade, not in a click
FADE_S = 0.010  # until the room has sent a fade: speech that follows waits for that
TIMER_TOLERANCE_S = 0.0005  # event loops wake in whole ms, some a little early
UNDERRUN_REPORT_S = 0.5  # shorter underruns are not reported to the listener
SILENCE = bytes(2 * STEP_SAMPLES)


@dataclass(frozen=True, slots=True)
class FlushResult:
    """End of a turn before it was finished."""

    at_s: float
    turn: int
    heard: int  # position
    spoken: bool  # audio of it was submitted
    gaps: Gaps


@dataclass(frozen=True, slots=True)
class HeldTurn:
    """Turn that is held: nothing of it is submitted until it is released."""

    turn: int
    heard: int  # position


class TurnSchedule:
    """Turns in their order, and the next audio and video of the one in front."""

    def __init__(self, fps: Fraction, now_s: float, *, missing_end_s: float) -> None:
        self.frames = FrameSchedule(fps, now_s)
        self._missing_end_s = missing_end_s
        self._jitter = JitterBuffer()
        self._turns: deque[TurnAudio] = deque()  # neither finished nor cut
        self._unsubmitted = 0  # samples of all turns
        self._cut_turn = 0  # the newest turn that was cut
        self._talkspurt: Talkspurt | None = None
        self._fade: bytes | None = None  # of a flush or a hold just now
        self._faded_s = 0.0  # when the room has sent the last fade
        self._held = False  # no turn is spoken
        self._free_s = 0.0  # when the last turn ended
        self._released_s = 0.0  # when the last hold ended, with a turn in front
        self._reported = 0  # the turn whose present underrun was reported

    @property
    def buffered_s(self) -> float:
        """Audio received and not yet submitted, of all turns, in seconds."""
        return self._unsubmitted / SAMPLE_RATE

    @property
    def is_held(self) -> bool:
        """Return whether no turn is spoken until `release`."""
        return self._held

    @property
    def is_speaking(self) -> bool:
        """Return whether the room has, or gets, audio of a turn."""
        return self._talkspurt is not None

    @property
    def waiting_phones(self) -> int:
        """Phones of all turns that the driver was not given yet."""
        return sum(turn.waiting_phones for turn in self._turns)

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

    def add_phones(self, number: int, phones: Sequence[TimedPhone]) -> int:
        """Add phones to a turn; return how many are late, see `TurnAudio`."""
        turn = next(turn for turn in reversed(self._turns) if turn.number == number)
        return turn.add_phones(phones)

    def seal(self, number: int) -> None:
        """Mark the end of a turn: no more audio follows."""
        for turn in self._turns:
            if turn.number == number:
                turn.sealed = True

    def flush(self, upto: int, now_s: float, unsent_s: float) -> FlushResult | None:
        """
        Cut every turn up to ``upto`` and return the cut of the one in front, if any.

        ``unsent_s``: audio that the room drops before the fade (`take_fade`).
        """
        turn = self._turns[0] if self._turns else None
        if turn is None or turn.number > upto:
            return None
        heard = self._heard(turn, unsent_s)
        cut = FlushResult(now_s, turn.number, heard, turn.spoken, turn.gaps)
        self._fade_out(now_s, heard)
        while self._turns and self._turns[0].number <= upto:
            self._unsubmitted -= self._turns.popleft().unsubmitted
        self._cut_turn = upto
        self._held = False
        self._free_s = now_s
        self._end_talkspurt()
        self.frames.rephase(now_s)
        return cut

    def hold(self, now_s: float, unsent_s: float) -> HeldTurn | None:
        """
        Speak no turn until `release` or `flush`; return the turn in front, if any.

        Its samples that the listener has not heard yet count as not submitted again.
        ``unsent_s`` is as in `flush`.
        """
        turn = self._turns[0] if self._turns else None
        if turn is not None and not self._held:
            turn.gaps.hold(now_s, in_underrun=self._talkspurt is None)
            if self._talkspurt is not None:
                self._hold_talkspurt(self._talkspurt, now_s, unsent_s)
        self._held = True
        return None if turn is None else HeldTurn(turn.number, turn.submitted)

    def _hold_talkspurt(
        self, talkspurt: Talkspurt, now_s: float, unsent_s: float
    ) -> None:
        turn = talkspurt.turn
        heard = self._heard(turn, unsent_s)
        self._fade_out(now_s, heard)
        self._unsubmitted += turn.submitted - heard
        turn.submitted = heard
        talkspurt.held = True
        self._talkspurt = None  # the jitter buffer learns nothing from it
        self.frames.rephase(now_s)

    def release(self, now_s: float) -> int | None:
        """End a hold; return the number of the turn that goes on, if there is one."""
        turn = self._turns[0] if self._held and self._turns else None
        self._held = False
        if turn is None:
            return None
        turn.was_held = True
        self._released_s = now_s
        return turn.number

    def _heard(self, turn: TurnAudio, unsent_s: float) -> int:
        """Return the position in the turn in front that the listener hears at least."""
        if self._talkspurt is None:  # the room queues silence and nothing of the turn
            return turn.submitted
        heard = turn.submitted - round(unsent_s * SAMPLE_RATE)
        return max(self._talkspurt.first_sample, heard)

    def _fade_out(self, now_s: float, heard: int) -> None:
        """Make the fade of the talkspurt, whose audio in the room ends at ``heard``."""
        if self._talkspurt is None:
            return
        self._fade = b""
        if heard > self._talkspurt.first_sample:  # else silence was sent
            self._fade = fade_out(self._talkspurt.turn.peek(heard, FADE_SAMPLES))
            self._faded_s = now_s + FADE_S

    def take_fade(self) -> bytes | None:
        """Return the fade of a flush or hold just now; None if no speech is queued."""
        fade, self._fade = self._fade, None
        return fade

    # Video.

    def start(self, now_s: float, parity: int = 0) -> None:
        """Make the first frame due now; ``parity`` is that of `HalfRate`."""
        self.frames.start(now_s, parity)

    def frame_due_s(self, now_s: float) -> float:
        """Return when the next frame is due, see `FrameSchedule.due_s`."""
        self._follow_audio(now_s)
        return self.frames.due_s(now_s, in_speech=self._talkspurt is not None)

    def next_frame(
        self, now_s: float, halved: Collection[str] = ()
    ) -> FrameTask | LeftOut:
        """Return the newest frame that is due, see `FrameSchedule.take`."""
        front = self._turns[0] if self._turns else None
        return self.frames.take(now_s, self._talkspurt, front, halved)

    def frame_rendered(self, task: FrameTask) -> bool:
        """Return whether to send a rendered frame: False if its turn is cut or held."""
        if task.talkspurt is not None and task.talkspurt.held:
            return False
        return not 0 < task.request.turn <= self._cut_turn

    def _follow_audio(self, now_s: float) -> None:
        """Delay the frames by as much as the audio, if the room ran dry."""
        if self._talkspurt is not None:
            self.frames.delay(self._talkspurt.note_delay(now_s))

    # Audio.

    def next_audio(self, now_s: float, queued_s: float) -> list[AudioAction]:
        """
        Return what to do now; the caller does it and asks again.

        ``queued_s``: audio in the room that the listener has not heard yet.
        """
        if self._talkspurt is not None:
            return self._continue(self._talkspurt, now_s)
        if not self._turns:
            return [_idle(STEP_S, queued_s)]
        turn = self._turns[0]
        if turn.submitted and not turn.started:  # it was held before its first frame
            return [self._start_turn(turn, now_s)]
        if self._held:
            return [_idle(STEP_S, queued_s)]
        if turn.sealed and not turn.unsubmitted:
            return [self._finish(now_s)]
        if not turn.unsubmitted:
            idle_s = now_s - max(turn.arrived_s, self._released_s)
            return [*self._reports(turn, idle_s), _idle(STEP_S, queued_s)]
        delay_s = max(self._delay_s(turn, now_s), self._faded_s - now_s)
        if delay_s > TIMER_TOLERANCE_S:
            return [_idle(min(delay_s, STEP_S), queued_s)]
        talkspurt = self._begin_talkspurt(turn, now_s)
        step = self._step(talkspurt, now_s)
        if 0 < queued_s <= TIMER_TOLERANCE_S:  # the end of the speech before it
            return [BeginTalkspurt(), step]
        return [BeginTalkspurt(), ClearSilence(), step]

    def _reports(self, turn: TurnAudio, idle_s: float) -> list[AudioAction]:
        reports: list[AudioAction] = []
        if idle_s >= UNDERRUN_REPORT_S and self._reported != turn.number:
            self._reported = turn.number
            reports.append(LongUnderrun(turn.number))
        if idle_s >= self._missing_end_s:
            reports.append(MissingEnd(turn.number))
        return reports

    def _delay_s(self, turn: TurnAudio, now_s: float) -> float:
        """Return how long to delay audio, so that no underrun follows at once."""
        target_s = self._jitter.target_s
        if turn.sealed or turn.unsubmitted_s >= target_s:
            return 0.0
        return target_s - (now_s - turn.arrived_s)

    def _continue(self, talkspurt: Talkspurt, now_s: float) -> list[AudioAction]:
        self._follow_audio(now_s)
        turn, heard_s = talkspurt.turn, talkspurt.due_s - now_s
        starts_turn = not turn.started
        start_s = talkspurt.starts_by_s - now_s if starts_turn else math.inf
        runs_dry = heard_s <= TIMER_TOLERANCE_S and not turn.unsubmitted
        if starts_turn and (
            talkspurt.frame_sent
            or start_s <= TIMER_TOLERANCE_S
            or (runs_dry and not turn.sealed)
        ):
            return [self._start_turn(turn, now_s)]
        if turn.unsubmitted:
            early_s = heard_s - AHEAD_S
            if early_s > TIMER_TOLERANCE_S:
                return [Wait(min(early_s, start_s))]
            return [self._step(talkspurt, now_s)]
        if not runs_dry:
            return [Wait(min(heard_s, start_s))]
        if starts_turn:  # a short one finishes when it was seen as well
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
            waiting_s = max(0.0, turn.unsubmitted_s - STEP_S)
            spare_s = talkspurt.due_s - now_s + waiting_s
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

    def _start_turn(self, turn: TurnAudio, now_s: float) -> TurnStarted:
        """Start a turn: its first frame is sent, or it is late by a whole frame."""
        turn.started = True
        # The time that a turn waited behind another one, or held, is no added latency.
        since_s = max(turn.received_s, self._free_s, self._released_s)
        return TurnStarted(turn.number, max(0.0, now_s - since_s))

    def _begin_talkspurt(self, turn: TurnAudio, now_s: float) -> Talkspurt:
        self._talkspurt = Talkspurt(
            turn,
            self.frames.next,
            turn.submitted,
            origin_s=now_s,
            starts_by_s=now_s + self.frames.period_s,
        )
        self.frames.rephase(now_s, VIDEO_DELAY_S)
        return self._talkspurt

    def _end_talkspurt(self) -> None:
        if self._talkspurt is None:
            return
        if not self._talkspurt.turn.was_held:  # audio that waited shows no jitter
            self._jitter.on_talkspurt_end(self._talkspurt.spare_s)
        self._talkspurt = None

    def _finish(self, now_s: float) -> TurnFinished:
        turn = self._turns.popleft()
        self._free_s = now_s
        self._end_talkspurt()
        return TurnFinished(turn.number, spoken=turn.spoken, gaps=turn.gaps)


def _idle(wait_s: float, queued_s: float) -> AudioAction:
    """Send silence, or wait while the room has enough of it queued."""
    spare_s = queued_s - AHEAD_S
    if spare_s <= TIMER_TOLERANCE_S:
        return SendSilence()
    return Wait(min(wait_s, spare_s))
