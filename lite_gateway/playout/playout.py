"""Playout of one session: plays audio and video from a single clock, without queues."""

import asyncio
from collections.abc import Callable, Sequence
from fractions import Fraction

from lite_gateway.metrics import Metrics
from lite_gateway.playout.audio_loop import AudioLoop
from lite_gateway.playout.frame_rates import FrameRates
from lite_gateway.playout.interfaces import PlaybackListener, Render, Room
from lite_gateway.playout.schedule import HeldTurn, TurnSchedule
from lite_gateway.playout.trace import (
    AudioReceived,
    FadeSent,
    Trace,
    TurnCut,
    TurnHeld,
    TurnReleased,
    untraced,
)
from lite_gateway.playout.video_loop import VideoLoop
from lite_gateway.playout.wakeups import Wakeups
from protocol.lite.messages import SAMPLE_RATE
from protocol.phones.phone_list import TimedPhone


class Playout:
    """
    Player of a session's turns in a room.

    `TurnSchedule` decides what is sent and when; `AudioLoop` and `VideoLoop` wait and
    send.  Turns have rising numbers.  The calls of the listener may call back.
    """

    def __init__(
        self,
        render: Render,
        room: Room,
        metrics: Metrics,
        trace: Trace = untraced,
        *,
        now: Callable[[], float],
        fps: Fraction = Fraction(25),
        missing_end_s: float = 10.0,
        source: str = "websocket",
        frame_rates: FrameRates | None = None,
    ) -> None:
        """Without ``frame_rates`` of all sessions it minds the lateness of its own."""
        self._render = render
        self._room = room
        self._metrics = metrics
        self._trace = trace
        self._now = now
        self._source = source
        self._frame_rates = frame_rates or FrameRates(metrics, now=now, fps=fps)
        self._schedule = TurnSchedule(fps, now(), missing_end_s=missing_end_s)
        self._wakeups = Wakeups()

    @property
    def buffered_s(self) -> float:
        """Audio received and not yet submitted, of all turns, in seconds."""
        return self._schedule.buffered_s

    @property
    def waiting_phones(self) -> int:
        """Phones of all turns that the driver was not given yet."""
        return self._schedule.waiting_phones

    @property
    def silent_s(self) -> float:
        """Seconds since the last turn; 0 while there is one."""
        return self._schedule.silent_s(self._now())

    @property
    def pose(self) -> str:
        """Pose between turns."""
        return self._schedule.frames.pose

    @pose.setter
    def pose(self, pose: str) -> None:
        self._schedule.frames.pose = pose

    @property
    def emotion(self) -> str:
        """Emotion between turns."""
        return self._schedule.frames.emotion

    @emotion.setter
    def emotion(self, emotion: str) -> None:
        self._schedule.frames.emotion = emotion

    def open(self, turn: int) -> None:
        """Add a turn to the end of the queue before its audio arrives."""
        self._schedule.open(turn, self._now())
        self._wakeups.audio.set()

    def append(
        self,
        turn: int,
        pcm: bytes,
        emotion: str | None = None,
        phones: Sequence[TimedPhone] = (),
    ) -> int:
        """
        Add audio to a turn, opening it if needed.

        ``pcm`` is s16le, 24 kHz, mono, of any length.  ``emotion`` is shown from its
        first sample on.  ``phones`` of the turn follow those before.  Return how many
        of them came after their audio was played: those are left out.
        """
        now_s = self._now()
        total = self._schedule.append(turn, pcm, now_s, emotion)
        late = self._schedule.add_phones(turn, phones) if phones else 0
        self._metrics.phones_late.inc(late)
        self._trace(AudioReceived(now_s, turn, total))
        self._metrics.pcm_buffered.observe(self._schedule.front_buffered_s)
        self._wakeups.audio.set()
        return late

    def seal(self, turn: int) -> None:
        """Mark the end of a turn: no more audio follows."""
        self._schedule.seal(turn)
        self._wakeups.audio.set()

    def hold(self) -> HeldTurn | None:
        """
        Stop speaking now, in this call, until `release`; an 8 ms fade follows.

        Return the turn in front, with the position that the listener has heard, or None
        if there is no turn: the next one then waits for the release. A second call
        returns the same. A held turn still takes audio and its end, reports no underrun
        and does not finish, and turns behind it wait. A `flush` of it ends the hold.
        """
        was_held = self._schedule.is_held
        now_s = self._now()
        held = self._schedule.hold(now_s, self._room.unsent_s)
        if held is None or was_held:
            return held
        has_faded = self._fade_out()
        self._trace(TurnHeld(now_s, held.turn, held.heard))
        if has_faded:
            self._trace(FadeSent(self._now(), held.turn))
        self._metrics.turns_held.labels(self._source).inc()
        self._wakeups.audio.set()
        self._wakeups.video.set()
        return held

    def release(self) -> None:
        """
        Go on with the sample at which `hold` stopped; without a hold do nothing.

        The fade is not counted as heard, so up to 8 ms of speech are heard again. It is
        heard to its end: speech waits for that within 10 ms after the hold.
        """
        now_s = self._now()
        turn = self._schedule.release(now_s)
        if turn is not None:
            self._trace(TurnReleased(now_s, turn))
        self._wakeups.audio.set()

    def flush(self, upto: int, outcome: str = "interrupted") -> float:
        """
        Cut every turn up to ``upto``: now, in this call, which sends an 8 ms fade.

        Return how many seconds of the turn being spoken the listener hears: all that
        the room has sent, to the sample. The fade goes on from there and is not counted
        as heard, although some 4 ms of it are loud enough.
        """
        cut = self._schedule.flush(upto, self._now(), self._room.unsent_s)
        if cut is None:
            return 0.0
        self._fade_out()
        self._trace(TurnCut(cut.at_s, cut.turn, cut.heard, upto, outcome))
        if cut.spoken:
            faded_s = self._now()
            self._trace(FadeSent(faded_s, cut.turn))
            self._metrics.interrupt.observe(faded_s - cut.at_s)
            self._metrics.turns.labels(self._source, outcome).inc()
            self._metrics.observe_gaps(cut.gaps.audio_late_s, cut.gaps.server_late_s)
        self._wakeups.audio.set()
        self._wakeups.video.set()
        return cut.heard / SAMPLE_RATE

    def _fade_out(self) -> bool:
        """Replace the speech in the room by its fade; return whether there was any."""
        fade = self._schedule.take_fade()
        if fade is not None:
            self._room.clear(fade)
        return fade is not None

    async def run(self, listener: PlaybackListener) -> None:
        """Play until cancelled, and report playback events to ``listener``."""
        audio = AudioLoop(
            self._schedule,
            self._room,
            listener,
            self._wakeups,
            metrics=self._metrics,
            trace=self._trace,
            now=self._now,
            source=self._source,
        )
        with self._frame_rates.session() as frame_rate:
            video = VideoLoop(
                self._schedule,
                self._render,
                self._room,
                listener,
                self._wakeups,
                frame_rate=frame_rate,
                metrics=self._metrics,
                trace=self._trace,
                now=self._now,
            )
            self._schedule.start(self._now(), frame_rate.parity)
            async with asyncio.TaskGroup() as group:
                group.create_task(video.run(), name="video")
                group.create_task(audio.run(), name="audio")
