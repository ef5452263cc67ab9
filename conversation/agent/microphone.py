"""
Audio input of an agent session: the voice of one person in the room.

With push to talk, the ears are shut outside start and stop, whatever the microphone of
the person does. Half a second from before the start is kept, because people begin to
speak when they press.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable

import numpy as np
from livekit import rtc
from livekit.agents.voice.io import AudioInput

SAMPLE_RATE = 24_000
FRAME_MS = 32  # window of the voice activity detector: each frame is one inference
KEPT_S = 0.5  # of audio from before the ears were opened
# Audio that the session has not read; older audio is dropped. It is there while the
# models start, and when a busy machine has stopped this process for seconds.
MAX_WAITING_S = 10.0
# Root mean square of a frame of speech, of 32,768: some 40 dB below full scale.
LOUD = 330.0


class RecentAudio:
    """
    Audio of the last ``seconds``, for ears that are opened a moment late.

    The time of each frame counts, because a muted microphone sends none for a while.
    """

    def __init__(self, seconds: float, now: Callable[[], float]) -> None:
        self._seconds = seconds
        self._now = now
        self._frames: deque[tuple[float, rtc.AudioFrame]] = deque(
            maxlen=round(seconds * 1000 / FRAME_MS)
        )

    def add(self, frame: rtc.AudioFrame) -> None:
        """Keep a frame of `FRAME_MS` that comes now."""
        self._frames.append((self._now(), frame))

    def take(self) -> list[rtc.AudioFrame]:
        """Return the frames of the last ``seconds``, and forget all."""
        since = self._now() - self._seconds - FRAME_MS / 2000
        recent = [frame for at, frame in self._frames if at >= since]
        self._frames.clear()
        return recent


class Microphone(AudioInput):
    """
    Audio input that gates what the room hears.

    ``heard_s`` counts the audio that was passed on since the ears were last opened,
    without what was kept from before. ``last_loud`` is when the last frame of speech
    was passed on, in monotonic s; None before the first.
    """

    def __init__(
        self, *, listening: bool, now: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(label="Microphone")
        self._listening = listening
        self._now = now
        self._frames: deque[rtc.AudioFrame] = deque(
            maxlen=round(MAX_WAITING_S * 1000 / FRAME_MS)
        )
        self._kept = RecentAudio(KEPT_S, now)
        self._available = asyncio.Event()
        self._read = asyncio.Event()
        self._ended = False
        self.heard_s = 0.0
        self.last_loud: float | None = None

    @property
    def listening(self) -> bool:
        """The ears are open."""
        return self._listening

    def hear(self, frame: rtc.AudioFrame) -> None:
        """Take a frame of the person, mono at `SAMPLE_RATE`, of `FRAME_MS`."""
        if not self._listening:
            self._kept.add(frame)
            return
        self._pass_on(frame)

    def listen(self) -> None:
        """Open the ears, half a second back. It changes nothing if they are open."""
        if self._listening:
            return
        self._listening = True
        for frame in self._kept.take():
            self._pass_on(frame)
        self.heard_s = 0.0

    def stop_listening(self) -> None:
        """Shut the ears. What was heard before stays for the session to read."""
        self._listening = False

    def forget(self) -> None:
        """Drop what was kept, because another person speaks from now on."""
        self._kept.take()

    def end(self) -> None:
        """End the audio; the session then reads no more."""
        self._ended = True
        self._available.set()

    async def wait_read(self) -> None:
        """Wait until the session has read all that was heard."""
        while self._frames and not self._ended:
            self._read.clear()
            await self._read.wait()

    async def __anext__(self) -> rtc.AudioFrame:
        while not self._frames:
            self._read.set()
            if self._ended:
                raise StopAsyncIteration
            self._available.clear()
            await self._available.wait()
        return self._frames.popleft()

    def _pass_on(self, frame: rtc.AudioFrame) -> None:
        if is_loud(frame):
            self.last_loud = self._now()
        self.heard_s += frame.duration
        self._frames.append(frame)
        self._available.set()


def is_loud(frame: rtc.AudioFrame) -> bool:
    """Return whether a frame is as loud as speech."""
    samples = np.frombuffer(frame.data, np.int16).astype(np.float32)
    # A mean and a root would take twice the time.
    return bool(samples.size) and samples.dot(samples) >= LOUD**2 * samples.size
