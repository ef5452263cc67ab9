"""Subscriber in another process, and the recording that it makes."""

import contextlib
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soxr

from bench.probe.crop import Crop
from bench.probe.stack import Gateway
from lite_gateway.client import AvatarSession, open_session

HEARD_RATE = 48_000
SENT_RATE = 24_000
ROOT = Path(__file__).parents[2]
Array = npt.NDArray[Any]

# Least `Recording.match` of audio that was not cut. It is 0.97 or more even while the
# machine is busy, and at most 0.87 if one in four packets of 20 ms is lost.
MIN_MATCH = 0.9

_CHUNK = HEARD_RATE // 4  # samples that are located at once
_MATCH_CHUNK = HEARD_RATE * 80 // 1000  # samples that are compared at once
_SLACK = HEARD_RATE // 25  # how far a chunk may be from its expected place
_MIN_CORRELATION = 0.6  # a chunk below it is not located
_MIN_SHARE = 0.1  # of the loudest chunk's RMS: quieter chunks are not compared
_MIN_RMS = 5  # 16-bit amplitude, below which nothing was heard
_SAVE_TIMEOUT_S = 60.0  # half an hour of audio is 170 MB


@dataclass
class Recording:
    """
    Decoded audio and video of a subscriber, with the arrival time of each piece.

    Times are seconds of `time.monotonic`.
    """

    frames: Array  # [n, 4]: arrival, frame index, turn, mouth level; -1: not readable
    thumbnails: Array  # [n, 64, 64] uint8, luma
    audio: Array  # int16, 48 kHz
    audio_at_s: Array  # arrival of each block of audio
    block_sizes: Array  # samples of each block
    left_at_s: float  # when the avatar left the room; 0.0 if it did not
    # [n, h, w] uint8, luma: the crop of each frame, if one was asked for
    crops: Array = field(default_factory=lambda: np.zeros((0, 0, 0), np.uint8))

    @cached_property
    def block_ends(self) -> Array:
        """Sample of ``audio`` at which each block ends."""
        return np.cumsum(self.block_sizes)

    def frame_rate(self, since_s: float, until_s: float) -> float:
        """Return the frames per second that arrived in that time."""
        at_s = self.frames[:, 0]
        count = ((at_s >= since_s) & (at_s < until_s)).sum()
        return float(count / (until_s - since_s))

    def sample_range(self, since_s: float, until_s: float) -> slice:
        """Return the samples of ``audio`` whose blocks arrived in that time."""
        ends = self.block_ends
        arrived = (self.audio_at_s >= since_s) & (self.audio_at_s < until_s)
        blocks = np.flatnonzero(arrived)
        if not len(blocks):
            return slice(0, 0)
        first, last = blocks[[0, -1]]
        return slice(int(ends[first] - self.block_sizes[first]), int(ends[last]))

    def arrival_s(self, sample: int) -> float:
        """Return when a sample of ``audio`` arrived, interpolated within its block."""
        ends = self.block_ends
        block = min(int(np.searchsorted(ends, sample, side="right")), len(ends) - 1)
        return float(self.audio_at_s[block] - (ends[block] - sample) / HEARD_RATE)

    def rms(self, since_s: float, until_s: float) -> float:
        """Return the root mean square of the audio of that time; 0 if there is none."""
        audio = self.audio[self.sample_range(since_s, until_s)].astype(float)
        return float(np.sqrt(np.square(audio).mean())) if len(audio) else 0.0

    def find(self, pcm: bytes, since_s: float = 0.0, until_s: float = np.inf) -> int:
        """
        Return the sample of ``audio`` at which ``pcm`` (s16le, 24 kHz) begins.

        It is the maximum of the cross-correlation with the audio of that time.
        """
        within = self.sample_range(since_s, until_s)
        first: int = within.start
        heard = _voice_band(self.audio[within].astype(np.float32))
        sent = _sent(pcm)
        size = 1 << (len(heard) + len(sent)).bit_length()
        spectrum = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(sent, size))
        return first + int(np.argmax(np.fft.irfft(spectrum, size)[: len(heard)]))

    def delays(self, pcm: bytes, since_s: float, until_s: float) -> Array:
        """
        Return arrival and delay of each quarter second of ``pcm``: ``[n, 2]``, in s.

        The delay is the arrival minus the chunk's place in ``pcm``. Chunks that
        correlate with nothing that was heard, such as pauses, are left out.
        """
        within, sent = self.sample_range(since_s, until_s), _sent(pcm)
        shift = self.find(pcm, since_s, until_s) - within.start
        heard = _voice_band(self.audio[within].astype(np.float32))
        rows = []
        for at in range(0, len(sent) - _CHUNK + 1, _CHUNK):
            place, correlation = _nearest(sent[at : at + _CHUNK], heard, shift + at)
            if correlation > _MIN_CORRELATION:
                arrival_s = self.arrival_s(within.start + place)
                rows.append((arrival_s, arrival_s - at / HEARD_RATE))
        return np.array(rows).reshape(-1, 2)

    def match(
        self, pcm: bytes, since_s: float = 0.0, until_s: float = np.inf
    ) -> tuple[float, float]:
        """
        Return how well the audio correlates with ``pcm``, 0..1, and when it began.

        It is the median correlation of chunks of 80 ms, each within 40 ms of its
        expected place. A subscriber's jitter buffer shrinks by 20 to 30 ms in the first
        second after it joined, by removing single pitch periods. A chunk in which it
        does so correlates with nothing, so chunks are short and few of them are lost.
        Chunks of pauses are left out. Compared is the band from 200 to 4000 Hz: below,
        Opus shifts the phase; above, it synthesises noise.
        """
        sent, shift = _sent(pcm), self.find(pcm, since_s, until_s)
        heard = _voice_band(self.audio.astype(np.float32))
        places = range(0, len(sent) - _MATCH_CHUNK + 1, _MATCH_CHUNK)
        chunks = [sent[at : at + _MATCH_CHUNK] for at in places]
        rms = [float(np.sqrt(np.square(chunk).mean())) for chunk in chunks]
        correlations = [
            _nearest(chunk, heard, shift + at)[1]
            for at, chunk, level in zip(places, chunks, rms, strict=True)
            if level > _MIN_SHARE * max(rms)
        ]
        return float(np.median(correlations)), self.arrival_s(shift)


def _sent(pcm: bytes) -> Array:
    sent = np.frombuffer(pcm, "<i2").astype(np.float32)
    return _voice_band(soxr.resample(sent, SENT_RATE, HEARD_RATE))


def _voice_band(audio: Array) -> Array:
    spectrum = np.fft.rfft(audio)
    hz = np.fft.rfftfreq(len(audio), 1 / HEARD_RATE)
    spectrum[(hz < 200) | (hz > 4000)] = 0
    return np.fft.irfft(spectrum, len(audio))


def _nearest(chunk: Array, heard: Array, at: int) -> tuple[int, float]:
    """
    Return the place within the slack where the chunk fits best, and its correlation.

    The correlation is 0 where nothing was heard. It is normalised by the energy at each
    place: otherwise the loudest place would win, up to 20 ms from the right one.
    """
    first = max(0, at - _SLACK)
    window = heard[first : at + len(chunk) + _SLACK].astype(float)
    if len(window) < len(chunk) or not chunk.any():
        return at, 0.0
    energy = np.concatenate(([0.0], np.cumsum(np.square(window))))
    energy = np.maximum(
        energy[len(chunk) :] - energy[: -len(chunk)], len(chunk) * _MIN_RMS**2
    )
    products = np.correlate(window, chunk.astype(float), "valid")
    correlations = products / np.sqrt(energy * np.square(chunk.astype(float)).sum())
    best = int(np.argmax(correlations))
    return first + best, float(correlations[best])


class Listener:
    """Handle of the subscriber's process; see `bench.probe.probe`."""

    def __init__(self, process: subprocess.Popen[str], path: Path) -> None:
        self._process, self._path = process, path
        self._events: set[str] = set()

    def wait(self, *events: str) -> None:
        """Block until the process has printed all of these events."""
        assert self._process.stdout is not None
        while missing := set(events) - self._events:
            line = self._process.stdout.readline()
            assert line, f"the subscriber ended before it printed {missing}"
            self._events.add(line.strip())

    def wait_for_media(self) -> None:
        """Block until the first frame and the first audio have been decoded."""
        self.wait("video", "audio")

    def leave(self) -> Recording:
        """Let the subscriber leave the room and return what it recorded."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(_SAVE_TIMEOUT_S)
        with np.load(self._path) as saved:
            return Recording(**{it.name: saved[it.name] for it in fields(Recording)})


@contextlib.contextmanager
def listening(
    url: str, token: str, folder: Path, *,
    thumbnails: bool = True, crop: Crop | None = None, identity: str = "",
) -> Iterator[Listener]:  # fmt: skip
    """
    Run a subscriber that has joined the room, until the context ends.

    Keep no thumbnails in a run of hours: they fill the memory. ``identity`` names the
    only participant to record, where several publish.
    """
    path = folder / f"heard-{time.monotonic_ns()}.npz"
    keep = str(crop) if crop else "thumbnails" if thumbnails else "nothing"
    arguments = [url, token, str(path), keep, identity]
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.probe.probe", *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        listener = Listener(process, path)
        listener.wait("joined")
        yield listener
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()


@contextlib.asynccontextmanager
async def with_listener(
    gateway: Gateway,
    avatar: str,
    folder: Path,
    *,
    crop: Crop | None = None,
    **settings: Any,
) -> AsyncIterator[tuple[AvatarSession, Listener]]:
    """Open a session and run a subscriber in its room."""
    async with open_session(
        gateway.url, gateway.key, avatar=avatar, **settings
    ) as session:
        token = session.livekit_client_token
        with listening(session.livekit_url, token, folder, crop=crop) as listener:
            yield session, listener


def speech(seconds: float) -> bytes:
    """
    Return synthetic speech, s16le at 24 kHz: syllables of a buzz with pauses.

    Its pitch wanders so that no two parts are alike: a correlation has one maximum.
    """
    t = np.arange(round(seconds * SENT_RATE)) / SENT_RATE
    pitch = 110 + 40 * np.sin(2 * np.pi * 0.31 * t) + 15 * np.sin(2 * np.pi * 1.7 * t)
    phase = 2 * np.pi * np.cumsum(pitch) / SENT_RATE
    buzz = np.sum([np.sin(k * phase) / k for k in range(1, 12)], axis=0)
    syllables = np.clip(np.sin(2 * np.pi * (2.3 * t + 0.4 * np.sin(t))), 0, 1) ** 0.5
    voice = np.clip(6000 * buzz * syllables, -32768, 32767)
    return bytes(voice.astype("<i2").tobytes())
