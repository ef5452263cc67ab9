"""Fakes that implement a whole interface in memory."""

import asyncio
import base64
import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lite_gateway.playout.gaps import Gaps
from protocol.lite.messages import SAMPLE_RATE
from renderer.face import ARKIT, face
from renderer.frames import FrameRequest, VideoFrame
from renderer.speech.driver import AudioChunk


@dataclass
class SentAudio:
    """PCM that was sent to a room, and the time of the call."""

    at_s: float
    pcm: bytes


class MemoryRoom:
    """Room that plays audio in real time and records what was sent when."""

    def __init__(self) -> None:
        self.frames: list[tuple[float, VideoFrame]] = []
        self.audio: list[SentAudio] = []
        self.cleared_s: list[float] = []
        self.fades: list[SentAudio] = []  # each is in ``audio``, too
        self.max_queued_s = 0.0
        self._empty_s = 0.0  # time when the queue will have been played

    @property
    def now(self) -> float:
        """Time of the event loop in seconds."""
        return asyncio.get_running_loop().time()

    @property
    def queued_s(self) -> float:
        """Seconds of audio that the listener has not heard."""
        return max(0.0, self._empty_s - self.now)

    @property
    def unsent_s(self) -> float:
        """As ``queued_s``: this room plays sample by sample."""
        return self.queued_s

    async def send_video(self, frame: VideoFrame) -> None:
        self.frames.append((self.now, frame))

    async def send_audio(self, pcm: bytes) -> None:
        self._add(pcm)

    def _add(self, pcm: bytes) -> None:
        self.audio.append(SentAudio(self.now, pcm))
        self._empty_s = max(self._empty_s, self.now) + len(pcm) / 2 / SAMPLE_RATE
        self.max_queued_s = max(self.max_queued_s, self.queued_s)

    def clear(self, fade: bytes = b"") -> None:
        """
        Remove the audio that the listener has not heard, the newest first.

        ``fade`` takes its place.
        """
        unheard = 2 * round(self.queued_s * SAMPLE_RATE)
        while unheard > 0 and self.audio:
            last = self.audio[-1]
            cut = min(unheard, len(last.pcm))
            last.pcm = last.pcm[: len(last.pcm) - cut]
            unheard -= cut
            if not last.pcm:
                self.audio.pop()
        self._empty_s = self.now
        self.cleared_s.append(self.now)
        if fade:
            self._add(fade)
            self.fades.append(self.audio[-1])

    @property
    def speech(self) -> bytes:
        """PCM that was sent, without the silence between turns."""
        return b"".join(sent.pcm for sent in self.audio if any(sent.pcm))


@dataclass
class RecordingListener:
    """Listener of playout that records each call with its time."""

    calls: list[tuple[str, int, float]] = field(default_factory=list)
    reduced: list[tuple[float, bool]] = field(default_factory=list)  # frame rates

    def _record(self, kind: str, turn: int) -> None:
        self.calls.append((kind, turn, asyncio.get_running_loop().time()))

    def started(self, turn: int) -> None:
        self._record("started", turn)

    def finished(self, turn: int) -> None:
        self._record("finished", turn)

    def gaps(self, turn: int, gaps: Gaps) -> None:
        self._record("gaps", turn)

    def long_underrun(self, turn: int) -> None:
        self._record("long_underrun", turn)

    def missing_end(self, turn: int) -> None:
        self._record("missing_end", turn)

    def frame_rate_changed(self, *, reduced: bool) -> None:
        self.reduced.append((asyncio.get_running_loop().time(), reduced))

    @property
    def kinds(self) -> list[tuple[str, int]]:
        """Calls without their times."""
        return [(kind, turn) for kind, turn, _ in self.calls]


@dataclass
class FakeRenderer:
    """Renderer that takes ``takes_s`` per frame and records the requests."""

    takes_s: float = 0.006
    requests: list[tuple[float, FrameRequest]] = field(default_factory=list)

    async def render(self, request: FrameRequest) -> VideoFrame:
        self.requests.append((asyncio.get_running_loop().time(), request))
        await asyncio.sleep(self.takes_s)
        return VideoFrame(2, 2, np.zeros(6, np.uint8))


def tone(seconds: float, hz: float = 220.0) -> bytes:
    """Return s16le as loud as a voice, in which no sample is 0."""
    t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (8000 * np.sin(2 * np.pi * hz * t) + 9000).astype("<i2").tobytes()


class MemoryTransport:
    """WebSocket in memory: the test is the client."""

    def __init__(self, *, reads: bool = True) -> None:
        self.sent: list[dict[str, Any]] = []  # events that the client got
        self.closed: tuple[int, str] | None = None
        self._reads = reads
        self._inbox: asyncio.Queue[str | bytes | None] = asyncio.Queue()

    def client_sends(self, **message: Any) -> None:
        """Send a message as the client."""
        self.client_sends_raw(json.dumps(message))

    def client_sends_raw(self, frame: str | bytes) -> None:
        """Send a frame as the client."""
        self._inbox.put_nowait(frame)

    def speak(self, pcm: bytes, **more: Any) -> None:
        """Send `agent.speak` as the client."""
        audio = base64.b64encode(pcm).decode()
        self.client_sends(type="agent.speak", audio=audio, **more)

    def disconnect(self) -> None:
        """Close the connection as the client."""
        self._inbox.put_nowait(None)

    async def receive(self) -> str | bytes | None:
        return await self._inbox.get()

    async def send(self, text: str) -> None:
        if not self._reads:
            await asyncio.get_running_loop().create_future()
        self.sent.append(json.loads(text))

    async def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)
        self.disconnect()

    def types(self) -> list[str]:
        """Types of the events that the client got."""
        return [event["type"] for event in self.sent]

    def errors(self) -> list[str]:
        """Texts of the errors that the client got."""
        return [e["error"]["message"] for e in self.sent if e["type"] == "error"]


class OpenJawDriver:
    """Driver that always returns an open jaw."""

    def begin(self) -> None:
        return None

    def drive(self, states: list[None], chunks: list[AudioChunk]) -> torch.Tensor:
        return torch.stack([face(jawOpen=1.0) for _ in states])


class SlowDriver:
    """Driver that takes 30 ms per batch, to test what measures it."""

    def begin(self) -> None:
        return None

    def drive(self, states: list[None], chunks: list[AudioChunk]) -> torch.Tensor:
        time.sleep(0.030)
        return torch.stack([face() for _ in states])


class ArkitOnlyDriver:
    """Driver whose faces lack the columns of head and gaze."""

    def begin(self) -> None:
        return None

    def drive(self, states: list[None], chunks: list[AudioChunk]) -> torch.Tensor:
        return torch.zeros(len(states), len(ARKIT))


class SwitchedDriver:
    """
    Driver that a test breaks: it does what the file of `FAULT_FILE` says.

    "is slow" makes a pass with speech take 60 ms: half the frames can be in time.
    """

    FAULT_FILE = "driver-fault"  # in the folder of the gateway's database

    def __init__(self) -> None:
        folder = Path(os.environ["LITE_DATABASE"]).parent
        self._file = folder / self.FAULT_FILE

    def _fault(self) -> str:
        return self._file.read_text() if self._file.exists() else ""

    def begin(self) -> None:
        return None

    def drive(self, states: list[None], chunks: list[AudioChunk]) -> torch.Tensor:
        match self._fault():
            case "fails":
                raise ValueError("the driver is broken")
            case "interrupts":
                raise KeyboardInterrupt
            case "is slow":
                time.sleep(0.060)
        while self._fault() == "hangs":
            time.sleep(0.05)
        return torch.stack([face() for _ in states])
