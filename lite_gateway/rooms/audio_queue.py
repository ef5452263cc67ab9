"""Clock of the audio that a room has taken and the listener has not heard yet."""

from collections.abc import Callable

from protocol.lite.messages import SAMPLE_RATE


class AudioQueue:
    """
    Duration of the queued audio, which is played in real time.

    `rtc.AudioSource.queued_duration` cannot say it: while the event loop is late, it
    counts the time in which nothing was queued against what is queued next.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._empty_s = 0.0  # when all of it has been played

    @property
    def queued_s(self) -> float:
        return max(0.0, self._empty_s - self._now())

    def add(self, pcm: bytes) -> None:
        """Queue s16le samples, 24 kHz, mono."""
        self._empty_s = max(self._empty_s, self._now()) + len(pcm) / 2 / SAMPLE_RATE

    def clear(self) -> None:
        """Drop what is queued."""
        self._empty_s = self._now()
