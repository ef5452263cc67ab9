"""Scripts of turns for playout in virtual time, and the record of what came of them."""

import asyncio
from dataclasses import dataclass, field

import numpy as np
from hypothesis import strategies as st

from lite_gateway.errors import RenderFailed
from lite_gateway.metrics import Metrics
from lite_gateway.playout.playout import Playout
from lite_gateway.playout.trace import Event
from renderer.frames import FrameRequest, VideoFrame
from tests.fakes import MemoryRoom, RecordingListener
from tests.virtual import VirtualLoop, run

MISSING_END_S = 1.0


@dataclass(frozen=True)
class Open:
    """Open a turn before its audio arrives, if none is open."""


@dataclass(frozen=True)
class Append:
    """Send fragments to the open turn, or to a new one."""

    samples: int  # of each fragment
    count: int
    wait_s: float  # after each fragment


@dataclass(frozen=True)
class Seal:
    """End the open turn."""


@dataclass(frozen=True)
class Flush:
    """Cut all turns, or all but the newest one."""

    all_turns: bool


@dataclass(frozen=True)
class Pause:
    seconds: float


@dataclass(frozen=True)
class Hold:
    """Hold the turn in front, and release it later."""

    seconds: float


@dataclass(frozen=True)
class Block:
    """Block the event loop, as a machine does that is busy with other work."""

    seconds: float


Step = Open | Append | Seal | Flush | Pause | Hold | Block

paces_s = st.sampled_from([0.0, 0.004, 0.020, 0.021, 0.050])
steps = st.one_of(
    st.builds(Append, st.integers(1, 6000), st.integers(1, 6), paces_s),
    st.builds(Append, st.integers(1, 6000), st.integers(1, 6), paces_s),
    st.just(Open()),
    st.just(Seal()),
    st.builds(Flush, st.booleans()),
    st.builds(Pause, st.floats(0.0, 0.7)),
)
holds = st.builds(Hold, st.floats(0.0, 1.5))
# Seconds that each frame takes, in turn; None fails after 10 ms.
renderers = st.lists(st.none() | st.floats(0.0, 0.15), min_size=1, max_size=8)


def samples_of(turn: int, start: int, count: int) -> bytes:
    """Return PCM in which neighbouring samples and turns differ and none is 0."""
    values = [1 + (position * 7 + turn * 1009) % 32_749 for position in range(count)]
    return b"".join(
        (1 + (value + 7 * start) % 32_749).to_bytes(2, "little") for value in values
    )


@dataclass
class Outcome:
    """Record of one script: what was sent, rendered, reported and cut."""

    received: dict[int, bytes] = field(default_factory=dict)  # PCM by turn
    cut: list[int] = field(default_factory=list)  # turns, also those never played
    calls: list[tuple[str, int]] = field(default_factory=list)  # of the listener
    requests: list[tuple[FrameRequest, int]] = field(default_factory=list)  # + received
    events: list[tuple[Event, bytes]] = field(default_factory=list)  # + last PCM sent
    max_queued_s: float = 0.0
    counted: dict[str, float] = field(default_factory=dict)  # turns by outcome

    def of(self, kind: type, turn: int) -> list:
        return [
            event
            for event, _ in self.events
            if isinstance(event, kind) and event.turn == turn
        ]


class ScriptRunner:
    """Performs a script on a playout and records the outcome."""

    def __init__(self, renderer: list[float | None]) -> None:
        self.outcome = Outcome()
        self._renderer = renderer
        self._room = MemoryRoom()
        self._listener = RecordingListener()
        self._metrics = Metrics()
        self._playout = Playout(
            self._render,
            self._room,
            self._metrics,
            self._trace,
            now=asyncio.get_running_loop().time,
            missing_end_s=MISSING_END_S,
        )
        self._turn = 0
        self._is_open = False

    async def perform(self, script: list, *, stop: bool) -> Outcome:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self._playout.run(self._listener))
            for step in script:
                await self._step(step)
            if stop:
                self._flush(self._turn, "stopped")
            self._playout.seal(self._turn)
            await asyncio.sleep(self._playout.buffered_s + 0.3 * self._turn + 0.5)
            task.cancel()
        outcome = self.outcome
        outcome.calls = self._listener.kinds
        outcome.max_queued_s = self._room.max_queued_s
        for name in ("finished", "interrupted", "stopped"):
            labels = {"source": "websocket", "outcome": name}
            value = self._metrics.registry.get_sample_value("lite_turns_total", labels)
            outcome.counted[name] = value or 0.0
        return outcome

    async def _step(self, step: Step) -> None:
        match step:
            case Open():
                self._open(by_audio=False)
            case Append(samples, count, wait_s):
                self._open(by_audio=True)
                for _ in range(count):
                    self._append(samples)
                    await asyncio.sleep(wait_s)
            case Seal():
                self._playout.seal(self._turn)
                self._is_open = False
            case Flush(all_turns):
                self._flush(self._turn if all_turns else self._turn - 1, "interrupted")
            case Pause(seconds):
                await asyncio.sleep(seconds)
            case Hold(seconds):
                self._playout.hold()
                await asyncio.sleep(seconds)
                self._playout.release()
            case Block(seconds):
                loop = asyncio.get_running_loop()
                assert isinstance(loop, VirtualLoop)
                loop.block(seconds)

    def _open(self, *, by_audio: bool) -> None:
        if self._is_open:
            return
        self._turn += 1
        self._is_open = True
        self.outcome.received[self._turn] = b""
        if not by_audio:
            self._playout.open(self._turn)

    def _append(self, samples: int) -> None:
        received = self.outcome.received
        pcm = samples_of(self._turn, len(received[self._turn]) // 2, samples)
        received[self._turn] += pcm
        self._playout.append(self._turn, pcm)

    def _flush(self, upto: int, outcome: str) -> None:
        over = {turn for kind, turn in self._listener.kinds if kind == "finished"}
        over.update(self.outcome.cut)
        turns = [turn for turn in self.outcome.received if turn <= upto]
        self.outcome.cut += [turn for turn in turns if turn not in over]
        self._playout.flush(upto, outcome)
        if upto >= self._turn:
            self._is_open = False

    async def _render(self, request: FrameRequest) -> VideoFrame:
        received = self.outcome.received.get(request.turn, b"")
        self.outcome.requests.append((request, len(received) // 2))
        count = len(self.outcome.requests)
        takes_s = self._renderer[count % len(self._renderer)]
        await asyncio.sleep(0.010 if takes_s is None else takes_s)
        if takes_s is None:
            raise RenderFailed("the frame could not be rendered")
        return VideoFrame(2, 2, np.zeros(6, np.uint8))

    def _trace(self, event: Event) -> None:
        pcm = self._room.audio[-1].pcm if self._room.audio else b""
        self.outcome.events.append((event, pcm))


def perform(
    script: list, renderer: list[float | None], *, stop: bool, debug: bool = False
) -> Outcome:
    """Perform a script; with ``debug``, asyncio checks the tasks too."""

    async def main() -> Outcome:
        return await ScriptRunner(renderer).perform(script, stop=stop)

    return run(main(), debug=debug)
