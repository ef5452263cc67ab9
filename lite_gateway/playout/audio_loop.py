"""Audio loop of one session: waits, sends and reports as the schedule decides."""

from collections.abc import Callable

from lite_gateway.metrics import Metrics
from lite_gateway.playout.actions import (
    AudioAction,
    AudioReport,
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
from lite_gateway.playout.gaps import REPORTED_S
from lite_gateway.playout.interfaces import PlaybackListener, Room
from lite_gateway.playout.schedule import SILENCE, TurnSchedule
from lite_gateway.playout.trace import AudioSent, Trace, TurnHeard
from lite_gateway.playout.wakeups import Wakeups


class AudioLoop:
    """Loop that performs the audio actions of a `TurnSchedule`, one after the other."""

    def __init__(
        self,
        schedule: TurnSchedule,
        room: Room,
        listener: PlaybackListener,
        wakeups: Wakeups,
        *,
        metrics: Metrics,
        trace: Trace,
        now: Callable[[], float],
        source: str,
    ) -> None:
        self._schedule = schedule
        self._room = room
        self._listener = listener
        self._wakeups = wakeups
        self._metrics = metrics
        self._trace = trace
        self._now = now
        self._source = source

    async def run(self) -> None:
        """Send audio until cancelled."""
        while True:
            for action in self._schedule.next_audio(self._now(), self._room.queued_s):
                await self._perform(action)

    async def _perform(self, action: AudioAction) -> None:
        match action:
            case Wait(wait_s):
                await self._wakeups.audio.wait(wait_s)
            case SendSilence():
                await self._room.send_audio(SILENCE)
            case BeginTalkspurt():
                self._wakeups.video.set()
            case ClearSilence():
                self._room.clear()
            case SendStep():
                await self._send_step(action)
            case _:
                self._report(action)

    def _report(self, report: AudioReport) -> None:
        match report:
            case TurnStarted(turn, added_s):
                added_latency = self._metrics.added_latency.labels(self._source)
                added_latency.observe(added_s)
                self._listener.started(turn)
            case TurnFinished(turn, spoken, gaps):
                if spoken:
                    self._metrics.turns.labels(self._source, "finished").inc()
                self._metrics.observe_gaps(gaps.audio_late_s, gaps.server_late_s)
                self._trace(TurnHeard(self._now(), turn))
                if gaps.total_s >= REPORTED_S:
                    self._listener.gaps(turn, gaps)
                self._listener.finished(turn)
            case Underrun():
                self._metrics.underruns.inc()
            case LongUnderrun(turn):
                self._listener.long_underrun(turn)
            case MissingEnd(turn):
                self._listener.missing_end(turn)

    async def _send_step(self, step: SendStep) -> None:
        queued_s = self._room.queued_s
        await self._room.send_audio(step.pcm)
        if not self._schedule.is_speaking:
            return  # a cut or a hold during the wait has dropped it
        samples = len(step.pcm) // 2
        self._trace(AudioSent(self._now(), step.turn, step.first, samples, queued_s))
