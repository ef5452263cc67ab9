"""PCM of one turn, with the positions up to which it was consumed and submitted."""

import math
from collections import deque
from collections.abc import Iterator, Sequence

import numpy as np

from lite_gateway.playout.gaps import Gaps
from lite_gateway.playout.pcm_buffer import PcmBuffer
from protocol.lite.messages import EMOTIONS, SAMPLE_RATE
from protocol.phones.phone_list import TimedPhone

LOUD_RMS = 0.12  # of full scale: loud speech
_BYTES = 2  # per sample
_KEPT_SAMPLES = SAMPLE_RATE  # behind both positions: an interrupt reads back and fades


class TurnAudio:
    """
    PCM (s16le, 24 kHz, mono) of one turn; positions are samples from its start.

    ``consumed`` is the position of the driver, ``submitted`` that of the room's SDK.
    The PCM well behind both is freed.  Fragments may have any length in bytes: half a
    sample waits for its other half.
    """

    def __init__(self, number: int, received_s: float) -> None:
        self.number = number
        self.received_s = received_s  # when the first fragment arrived
        self.arrived_s = received_s  # when the newest fragment arrived
        self.sealed = False  # no more audio follows
        self.spoken = False  # audio of it was submitted
        self.started = False  # `TurnStarted` was returned
        self.was_held = False  # and released
        self.consumed = 0
        self.submitted = 0
        self.shown = 0  # moment of the latest face
        self.gaps = Gaps()
        self._pcm = PcmBuffer()
        self._emotions: deque[tuple[int, str]] = deque()  # (first sample, emotion)
        self._phones: deque[TimedPhone] = deque()  # that the driver was not given

    @property
    def end(self) -> int:
        """Whole samples that have arrived."""
        return self._pcm.end // _BYTES

    @property
    def unsubmitted(self) -> int:
        """Samples that have arrived and are not submitted yet."""
        return self.end - self.submitted

    @property
    def unsubmitted_s(self) -> float:
        """Audio that has arrived and is not submitted yet, in seconds."""
        return self.unsubmitted / SAMPLE_RATE

    def append(self, pcm: bytes, now_s: float, emotion: str | None = None) -> None:
        """Add a fragment; ``emotion`` holds from its first sample on."""
        if emotion is not None:
            self._emotions.append((self.end, emotion))
        if not self.end:
            self.received_s = now_s
        self._pcm.append(pcm)
        self.arrived_s = now_s

    def consume(self, until: int) -> bytes:
        """Return what the driver was not given yet, up to ``until`` or the end."""
        pcm = self._between(self.consumed, until)
        self.consumed += len(pcm) // _BYTES
        return pcm

    def submit(self, samples: int) -> bytes:
        """Return the next PCM for the room, at most ``samples``."""
        pcm = self._between(self.submitted, self.submitted + samples)
        self.submitted += len(pcm) // _BYTES
        self.spoken = True
        self._free()
        return pcm

    def emotion_at(self, sample: int) -> str:
        """Return the emotion at a sample; ``sample`` must not fall between calls."""
        while len(self._emotions) > 1 and self._emotions[1][0] <= sample:
            self._emotions.popleft()
        if self._emotions and self._emotions[0][0] <= sample:
            return self._emotions[0][1]
        return EMOTIONS[0]

    @property
    def waiting_phones(self) -> int:
        """Number of phones that the driver was not given yet."""
        return len(self._phones)

    def add_phones(self, phones: Sequence[TimedPhone]) -> int:
        """Add phones that follow those before; return how many are late, left out."""
        shown_s = self.shown / SAMPLE_RATE
        in_time = [phone for phone in phones if phone.end_s > shown_s]
        self._phones.extend(in_time)
        return len(phones) - len(in_time)

    def take_phones(self, until: int) -> Iterator[TimedPhone]:
        """Yield the phones, not given to the driver yet, that begin before a sample."""
        while self._phones and self._phones[0].start_s * SAMPLE_RATE < until:
            yield self._phones.popleft()

    def peek(self, start: int, samples: int) -> bytes:
        """Return ``samples`` from ``start``, or as many of them as are kept."""
        return self._between(start, start + samples)

    def _between(self, start: int, stop: int) -> bytes:
        return self._pcm.read(start * _BYTES, min(stop, self.end) * _BYTES)

    def _free(self) -> None:
        keep_from = min(self.consumed, self.submitted) - _KEPT_SAMPLES
        self._pcm.free(keep_from * _BYTES)

    @property
    def kept_bytes(self) -> int:
        """Bytes of PCM in memory."""
        return self._pcm.kept_bytes


def loudness(pcm: bytes) -> float:
    """Return the loudness of s16le samples, 0 to 1; 1 is loud speech."""
    if not pcm:
        return 0.0
    samples = np.frombuffer(pcm, "<i2").astype(np.float32)
    rms = math.sqrt(float(samples @ samples) / len(samples)) / 32768
    return min(1.0, rms / LOUD_RMS)


def fade_out(pcm: bytes) -> bytes:
    """Return s16le samples, brought linearly to silence."""
    samples = np.frombuffer(pcm, "<i2")
    return (samples * np.linspace(1, 0, len(samples))).astype("<i2").tobytes()
