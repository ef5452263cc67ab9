"""What a listener in another process saw and heard, and how to ask for it."""

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

_PIECE = HEARD_RATE // 4
_SLACK = HEARD_RATE // 40
_LIKE = 0.6  # a piece that is less like what was sent has no place
_SAVE_S = 60.0  # half an hour of sound is 170 MB


@dataclass
class Recording:
    frames: Array  # [n, 4]: seen at, frame index, turn, mouth level; -1 unread
    thumbs: Array  # [n, 64, 64] uint8, luma
    sound: Array  # int16, 48 kHz
    sound_at: Array  # when each piece arrived
    sizes: Array  # samples in each piece
    left_at: float  # when the avatar left, 0.0 if it stayed
    # [n, h, w] uint8, luma of the part of each frame that was asked for
    crops: Array = field(default_factory=lambda: np.zeros((0, 0, 0), np.uint8))

    @cached_property
    def ends(self) -> Array:
        """Where in ``sound`` each piece ends."""
        return np.cumsum(self.sizes)

    def frames_a_second(self, since: float, until: float) -> float:
        seen = self.frames[:, 0]
        return float(((seen >= since) & (seen < until)).sum() / (until - since))

    def places(self, since: float, until: float) -> slice:
        """Where in ``sound`` lies what arrived in that time."""
        ends = self.ends
        inside = np.flatnonzero((self.sound_at >= since) & (self.sound_at < until))
        if not len(inside):
            return slice(0, 0)
        first, last = inside[[0, -1]]
        return slice(int(ends[first] - self.sizes[first]), int(ends[last]))

    def arrived(self, sample: int) -> float:
        """When that sample of ``sound`` arrived, to the sample."""
        ends = self.ends
        piece = min(int(np.searchsorted(ends, sample, side="right")), len(ends) - 1)
        return float(self.sound_at[piece] - (ends[piece] - sample) / HEARD_RATE)

    def loudness(self, since: float, until: float) -> float:
        piece = self.sound[self.places(since, until)].astype(float)
        return float(np.sqrt(np.square(piece).mean())) if len(piece) else 0.0

    def find(self, pcm: bytes, since: float = 0.0, until: float = np.inf) -> int:
        """The sample of ``sound`` at which what was sent begins."""
        within = self.places(since, until)
        first: int = within.start
        heard = _voice_band(self.sound[within].astype(np.float32))
        sent = _sent(pcm)
        size = 1 << (len(heard) + len(sent)).bit_length()
        spectrum = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(sent, size))
        return first + int(np.argmax(np.fft.irfft(spectrum, size)[: len(heard)]))

    def delays(self, pcm: bytes, since: float, until: float) -> Array:
        """
        When each quarter second of what was sent began to arrive, and the same less
        its place in what was sent: ``[n, 2]``.

        Those that are like nothing that was heard, as pauses are, have no say.
        """
        within, sent = self.places(since, until), _sent(pcm)
        shift = self.find(pcm, since, until) - within.start
        heard = _voice_band(self.sound[within].astype(np.float32))
        found = []
        for at in range(0, len(sent) - _PIECE + 1, _PIECE):
            place, like = _nearest(sent[at : at + _PIECE], heard, shift + at)
            if like > _LIKE:
                came_s = self.arrived(within.start + place)
                found.append((came_s, came_s - at / HEARD_RATE))
        return np.array(found).reshape(-1, 2)

    def match(self, pcm: bytes, until: float = np.inf) -> tuple[float, float]:
        """
        How like the sent sound the heard one is, 0..1, and when its first sample came.

        The median correlation of quarter-second pieces, each within 25 ms of where it
        should be: a listener's jitter buffer stretches by that much, and the piece in
        which it does so is like nothing.  Of 200 to 4000 Hz: below, Opus turns the
        phase, and above, it makes up the noise.
        """
        sent, shift = _sent(pcm), self.find(pcm, until=until)
        heard = _voice_band(self.sound.astype(np.float32))
        pieces = range(0, len(sent) - _PIECE + 1, _PIECE)
        alike = [_likeness(sent[at : at + _PIECE], heard, shift + at) for at in pieces]
        return float(np.median(alike)), self.arrived(shift)


def _sent(pcm: bytes) -> Array:
    sent = np.frombuffer(pcm, "<i2").astype(np.float32)
    return _voice_band(soxr.resample(sent, SENT_RATE, HEARD_RATE))


def _voice_band(sound: Array) -> Array:
    spectrum = np.fft.rfft(sound)
    hz = np.fft.rfftfreq(len(sound), 1 / HEARD_RATE)
    spectrum[(hz < 200) | (hz > 4000)] = 0
    return np.fft.irfft(spectrum, len(sound))


def _likeness(piece: Array, heard: Array, at: int) -> float:
    """The best correlation within the slack; 0 where nothing was heard."""
    return _nearest(piece, heard, at)[1]


def _nearest(piece: Array, heard: Array, at: int) -> tuple[int, float]:
    """Where within the slack the piece fits best, and its correlation there."""
    first = max(0, at - _SLACK)
    there = heard[first : at + len(piece) + _SLACK]
    if len(there) < len(piece):
        return at, 0.0
    best = int(np.argmax(np.correlate(there, piece, "valid")))
    if not piece.any() or not there[best : best + len(piece)].any():
        return at, 0.0
    like = float(np.corrcoef(there[best : best + len(piece)], piece)[0, 1])
    return first + best, like


class Listener:
    """The other process; `leave` makes it write down everything."""

    def __init__(self, process: subprocess.Popen[str], path: Path) -> None:
        self._process, self._path = process, path
        self._told: set[str] = set()

    def wait(self, *kinds: str) -> None:
        """Until it has told all of those: see `bench.probe.probe`."""
        assert self._process.stdout is not None
        while missing := set(kinds) - self._told:
            line = self._process.stdout.readline()
            assert line, f"the listener ended before it told {missing}"
            self._told.add(line.strip())

    def attend(self) -> None:
        """Until it sees and hears somebody."""
        self.wait("sees", "hears")

    def leave(self) -> Recording:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(_SAVE_S)
        with np.load(self._path) as saved:
            return Recording(
                **{each.name: saved[each.name] for each in fields(Recording)}
            )


@contextlib.contextmanager
def listening(
    url: str, token: str, folder: Path, *,
    thumbs: bool = True, crop: Crop | None = None, whom: str = "",
) -> Iterator[Listener]:  # fmt: skip
    """
    A subscriber of the room, joined; for hours, it had better keep no thumbs.

    Where several speak, ``whom`` is the identity of the only one to be heard.
    """
    path = folder / f"heard-{time.monotonic_ns()}.npz"
    kept = str(crop) if crop else "thumbs" if thumbs else "no thumbs"
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.probe.probe", url, token, str(path), kept, whom],
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
async def attended(
    gateway: Gateway,
    avatar: str,
    folder: Path,
    *,
    crop: Crop | None = None,
    **wanted: Any,
) -> AsyncIterator[tuple[AvatarSession, Listener]]:
    """A session with a subscriber in its room."""
    async with open_session(
        gateway.url, gateway.key, avatar=avatar, **wanted
    ) as session:
        token = session.livekit_client_token
        with listening(session.livekit_url, token, folder, crop=crop) as listener:
            yield session, listener


def speech(seconds: float) -> bytes:
    """Syllables of a buzzing voice with pauses between: never the same twice."""
    t = np.arange(round(seconds * SENT_RATE)) / SENT_RATE
    pitch = 110 + 40 * np.sin(2 * np.pi * 0.31 * t) + 15 * np.sin(2 * np.pi * 1.7 * t)
    phase = 2 * np.pi * np.cumsum(pitch) / SENT_RATE
    buzz = np.sum([np.sin(k * phase) / k for k in range(1, 12)], axis=0)
    syllables = np.clip(np.sin(2 * np.pi * (2.3 * t + 0.4 * np.sin(t))), 0, 1) ** 0.5
    voice = np.clip(6000 * buzz * syllables, -32768, 32767)
    return bytes(voice.astype("<i2").tobytes())
