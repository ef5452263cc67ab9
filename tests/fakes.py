"""Stand-ins that keep the whole contract in memory."""

import asyncio
import base64
import json
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from protocol.lite.messages import SAMPLE_RATE
from renderer.face import ARKIT, face
from renderer.frames import FrameRequest, VideoFrame
from renderer.speech.driver import AudioChunk


@dataclass
class Piece:
    at_s: float
    pcm: bytes


class MemoryRoom:
    """A room whose listener hears 24 000 samples a second and notes what was when."""

    def __init__(self) -> None:
        self.frames: list[tuple[float, VideoFrame]] = []
        self.pieces: list[Piece] = []
        self.cleared_s: list[float] = []
        self.most_queued_s = 0.0
        self._dry_s = 0.0

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    @property
    def queued_s(self) -> float:
        return max(0.0, self._dry_s - self.now)

    async def send_video(self, frame: VideoFrame) -> None:
        self.frames.append((self.now, frame))

    async def send_audio(self, pcm: bytes) -> None:
        self.pieces.append(Piece(self.now, pcm))
        self._dry_s = max(self._dry_s, self.now) + len(pcm) / 2 / SAMPLE_RATE
        self.most_queued_s = max(self.most_queued_s, self.queued_s)

    def clear(self) -> None:
        """Cut what the listener has not heard from the newest pieces."""
        unheard = 2 * round(self.queued_s * SAMPLE_RATE)
        while unheard > 0 and self.pieces:
            piece = self.pieces[-1]
            cut = min(unheard, len(piece.pcm))
            piece.pcm = piece.pcm[: len(piece.pcm) - cut]
            unheard -= cut
            if not piece.pcm:
                self.pieces.pop()
        self._dry_s = self.now
        self.cleared_s.append(self.now)

    @property
    def speech(self) -> bytes:
        """Everything heard but for the silence between turns."""
        return b"".join(piece.pcm for piece in self.pieces if any(piece.pcm))


@dataclass
class RecordingListener:
    """Playout's news, with the time of each."""

    told: list[tuple[str, int, float]] = field(default_factory=list)

    def _note(self, what: str, turn: int) -> None:
        self.told.append((what, turn, asyncio.get_running_loop().time()))

    def started(self, turn: int) -> None:
        self._note("started", turn)

    def finished(self, turn: int) -> None:
        self._note("finished", turn)

    def underrun(self, turn: int) -> None:
        self._note("underrun", turn)

    def expired(self, turn: int) -> None:
        self._note("expired", turn)

    @property
    def kinds(self) -> list[tuple[str, int]]:
        return [(what, turn) for what, turn, _ in self.told]


@dataclass
class FakeRenderer:
    """Renders in ``takes_s`` and keeps the requests it was asked for."""

    takes_s: float = 0.006
    requests: list[tuple[float, FrameRequest]] = field(default_factory=list)

    async def render(self, request: FrameRequest) -> VideoFrame:
        self.requests.append((asyncio.get_running_loop().time(), request))
        await asyncio.sleep(self.takes_s)
        return VideoFrame(2, 2, np.zeros(6, np.uint8))


def tone(seconds: float, hz: float = 220.0) -> bytes:
    """A voice-like level without a silent sample run, as s16le."""
    t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (8000 * np.sin(2 * np.pi * hz * t) + 9000).astype("<i2").tobytes()


class MemoryTransport:
    """A client's side of a WebSocket, as a list; ``leave`` hangs up."""

    def __init__(self, *, reads: bool = True) -> None:
        self.said: list[dict[str, Any]] = []
        self.closed: tuple[int, str] | None = None
        self._reads = reads
        self._inbox: asyncio.Queue[str | bytes | None] = asyncio.Queue()

    def say(self, **message: Any) -> None:
        self.say_raw(json.dumps(message))

    def say_raw(self, wire: str | bytes) -> None:
        self._inbox.put_nowait(wire)

    def speak(self, pcm: bytes, **more: Any) -> None:
        audio = base64.b64encode(pcm).decode()
        self.say(type="agent.speak", audio=audio, **more)

    def leave(self) -> None:
        self._inbox.put_nowait(None)

    async def receive(self) -> str | bytes | None:
        return await self._inbox.get()

    async def send(self, text: str) -> None:
        if not self._reads:
            await asyncio.get_running_loop().create_future()
        self.said.append(json.loads(text))

    async def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)
        self.leave()

    def kinds(self) -> list[str]:
        return [event["type"] for event in self.said]

    def errors(self) -> list[str]:
        return [e["error"]["message"] for e in self.said if e["type"] == "error"]


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
