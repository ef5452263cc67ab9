"""
Voice activity detector whose speech is also passed on to speech recognition.

The framework would run a second one for a recogniser that takes whole utterances.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from livekit import rtc
from livekit.agents import inference
from livekit.agents.vad import VADEventType

MIN_SILENCE_S = 0.25
MAX_WAITING = 20  # utterances that speech recognition has not taken; older are dropped
# Audio that a busy machine leaves undetected. The framework would keep any amount, and
# answer minutes later.
MAX_BEHIND_S = 10.0
_MAX_SPEECH_S = 60.0  # of one utterance


@dataclass(frozen=True, slots=True)
class Utterance:
    """Speech of the user between two silences; ``ended_at`` is in monotonic s."""

    frames: list[rtc.AudioFrame] = field(repr=False)
    ended_at: float


class VoiceActivity(inference.VAD):
    """Voice activity detector of one conversation."""

    def __init__(self) -> None:
        super().__init__(
            model="silero",
            min_silence_duration=MIN_SILENCE_S,
            max_buffered_speech=_MAX_SPEECH_S,
        )
        self._utterances: asyncio.Queue[Utterance] = asyncio.Queue()
        self._speaking = False

    def stream(self) -> Any:
        """Return a stream of its events, which passes the utterances on."""
        return _PassingStream(super().stream(), self._pass_on)

    async def utterances(self) -> AsyncIterator[Utterance]:
        """Yield the utterances as they end, for ever."""
        while True:
            yield await self._utterances.get()

    @property
    def goes_on(self) -> bool:
        """The user speaks, or has spoken more than was taken."""
        return self._speaking or not self._utterances.empty()

    def _pass_on(self, event: Any) -> None:
        if event.type == VADEventType.START_OF_SPEECH:
            self._speaking = True
        if event.type != VADEventType.END_OF_SPEECH:
            return
        self._speaking = False
        if self._utterances.qsize() >= MAX_WAITING:
            self._utterances.get_nowait()
        self._utterances.put_nowait(Utterance(event.frames, time.monotonic()))


class _PassingStream:
    """Stream of a voice activity detector that shows each event to a function."""

    def __init__(self, stream: Any, show: Any) -> None:
        self._stream = stream
        self._show = show

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def push_frame(self, frame: rtc.AudioFrame) -> None:
        """Let the detector have a frame, unless it is far behind."""
        if self._stream._input_ch.qsize() * frame.duration < MAX_BEHIND_S:
            self._stream.push_frame(frame)

    def __aiter__(self) -> "_PassingStream":
        return self

    async def __anext__(self) -> Any:
        event = await anext(self._stream)
        self._show(event)
        return event
