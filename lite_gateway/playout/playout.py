"""Playout of one session: plays audio and video from a single clock, without queues."""

import asyncio
from collections.abc import Callable
from fractions import Fraction

from lite_gateway.metrics import Metrics
from lite_gateway.playout.audio_loop import AudioLoop
from lite_gateway.playout.frame_rates import FrameRates
from lite_gateway.playout.interfaces import PlaybackListener, Render, Room
from lite_gateway.playout.schedule import TurnSchedule
from lite_gateway.playout.trace import AudioReceived, Trace, TurnCut, untraced
from lite_gateway.playout.video_loop import VideoLoop
from lite_gateway.playout.wakeups import Wakeups
from protocol.lite.messages import SAMPLE_RATE


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
    def silent_s(self) -> float:
        """Seconds since the last turn; 0 while there is one."""
        return self._schedule.silent_s(self._now())

    @property
    def pose(self) -> str:
        """Pose between turns."""
        return self._schedule.pose

    @pose.setter
    def pose(self, pose: str) -> None:
        self._schedule.pose = pose

    @property
    def emotion(self) -> str:
        """Emotion between turns."""
        return self._schedule.emotion

    @emotion.setter
    def emotion(self, emotion: str) -> None:
        self._schedule.emotion = emotion

    def open(self, turn: int) -> None:
        """Add a turn to the end of the queue before its audio arrives."""
        self._schedule.open(turn, self._now())
        self._wakeups.audio.set()

    def append(self, turn: int, pcm: bytes, emotion: str | None = None) -> None:
        """
        Add audio to a turn, opening it if needed.

        ``pcm`` is s16le, 24 kHz, mono, of any length.  ``emotion`` is shown from its
        first sample on.
        """
        now_s = self._now()
        total = self._schedule.append(turn, pcm, now_s, emotion)
        self._trace(AudioReceived(now_s, turn, total))
        self._metrics.pcm_buffered.observe(self._schedule.front_buffered_s)
        self._wakeups.audio.set()

    def seal(self, turn: int) -> None:
        """Mark the end of a turn: no more audio follows."""
        self._schedule.seal(turn)
        self._wakeups.audio.set()

    def flush(self, upto: int, outcome: str = "interrupted") -> float:
        """
        Cut every turn up to ``upto``: now, in this call.

        Return how many seconds of the turn being spoken the listener has heard.
        """
        cut = self._schedule.flush(upto, self._now(), self._room.queued_s)
        if cut is None:
            return 0.0
        self._trace(TurnCut(cut.at_s, cut.turn, cut.heard, upto, outcome))
        if cut.spoken:
            self._room.clear()
            self._metrics.turns.labels(self._source, outcome).inc()
            self._metrics.observe_gaps(cut.gaps.audio_late_s, cut.gaps.server_late_s)
        self._wakeups.audio.set()
        self._wakeups.video.set()
        return cut.heard / SAMPLE_RATE

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
