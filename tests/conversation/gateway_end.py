"""Gateway's end of a link in memory: it plays the avatar's speech in real time."""

import asyncio
import socket
from dataclasses import dataclass, field

from conversation.agent.link import AgentLink, GatewayStream
from protocol.link.frames import FrameReader, pack
from protocol.link.messages import (
    Clear,
    Command,
    Happened,
    Hold,
    OpenTurn,
    Release,
    SealTurn,
    SpeechFinished,
    SpeechHeld,
    SpeechStarted,
    ToAgent,
    ToGateway,
    TurnAudioPiece,
    from_frame,
    to_frame,
)
from tests.waiting import PATIENCE_S

RATE = 24_000
STEP_S = 0.02
NUMBER = 3


@dataclass(slots=True)
class PlayedTurn:
    """Turn of the avatar, as the room would hear it."""

    number: int
    opened_at: float
    source: str | None = None
    pcm: bytearray = field(default_factory=bytearray)
    sealed: bool = False
    started_at: float | None = None
    samples: int = 0  # played
    finished_at: float | None = None
    interrupted: bool = False

    @property
    def received(self) -> int:
        return len(self.pcm) // 2


class GatewayEnd:
    """
    Gateway that plays one turn after another, in steps of 20 ms.

    ``received`` has each message of the agent process with the time it came.
    """

    def __init__(self) -> None:
        self.received: list[tuple[float, ToGateway]] = []
        self.turns: dict[int, PlayedTurn] = {}
        self.interrupts = 0
        self.held = False
        self.held_at: int | None = None  # samples of the turn that was held last
        self.released_at: int | None = None
        # Reports of turns that are over wait for it, as on a busy machine.
        self.reports = asyncio.Event()
        self.reports.set()
        self._writer: asyncio.StreamWriter | None = None
        self._changed = asyncio.Condition()

    async def connect(self, group: asyncio.TaskGroup) -> AgentLink:
        """Return the agent's end of the link, over a pair of Unix sockets."""
        ours, theirs = socket.socketpair(socket.AF_UNIX)
        reader, self._writer = await asyncio.open_unix_connection(sock=ours)
        agent_reader, agent_writer = await asyncio.open_unix_connection(sock=theirs)
        link = AgentLink(NUMBER, GatewayStream(agent_writer))
        self._agent_writer = agent_writer
        self._tasks = [
            group.create_task(self._read(reader)),
            group.create_task(self._pass_on(agent_reader, link)),
            group.create_task(self._play()),
        ]
        return link

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        for writer in (self._writer, self._agent_writer):
            writer.close()
            await writer.wait_closed()

    # Commands.

    def command(self, name: str, text: str = "", event_id: str | None = None) -> None:
        self._send(Command(NUMBER, name, text, event_id))

    def interrupt(self) -> None:
        """Cut all, then tell the agent, as the gateway does."""
        self.interrupts += 1
        self._cut()
        self.command("interrupt")

    # What happened.

    def of(self, kind: type) -> list:
        return [message for _, message in self.received if isinstance(message, kind)]

    def texts(self, event: str) -> list[str]:
        return [each.text for each in self.of(Happened) if each.event == event]

    def events(self) -> list[str]:
        return [each.event for each in self.of(Happened)]

    async def until(self, condition, seconds: float = PATIENCE_S) -> None:
        """Wait until ``condition()`` is true."""
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(condition)

    # Inside.

    def _send(self, message: ToAgent) -> None:
        self._writer.write(pack(to_frame(message)))

    async def _pass_on(self, reader: asyncio.StreamReader, link: AgentLink) -> None:
        frames = FrameReader()
        while data := await reader.read(1 << 16):
            for each in frames.feed(data):
                message = from_frame(each)
                if isinstance(message, SpeechFinished):
                    await self.reports.wait()
                link.receive(message)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        frames = FrameReader()
        while data := await reader.read(1 << 16):
            for each in frames.feed(data):
                self._take(from_frame(each))
            await self._tell()

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _take(self, message: ToGateway) -> None:
        now = asyncio.get_running_loop().time()
        self.received.append((now, message))
        match message:
            case OpenTurn(_, turn, source, interrupts):
                self.turns[turn] = PlayedTurn(turn, now, source)
                if interrupts < self.interrupts:
                    self._finish(self.turns[turn], interrupted=True)
            case TurnAudioPiece(_, turn, pcm):
                self.turns[turn].pcm += pcm
            case SealTurn(_, turn):
                self.turns[turn].sealed = True
            case Clear():
                self._cut()
            case Hold():
                self.held = True
                if (turn := self._front()) and turn.started_at is not None:
                    self.held_at = turn.samples
                    self._send(SpeechHeld(NUMBER, turn.number, turn.samples))
            case Release():
                self.held = False
                self.released_at = turn.samples if (turn := self._front()) else None

    def _front(self) -> PlayedTurn | None:
        open_turns = (t for t in self.turns.values() if t.finished_at is None)
        return next(open_turns, None)

    def _cut(self) -> None:
        self.held = False
        while turn := self._front():
            self._finish(turn, interrupted=True)

    def _finish(self, turn: PlayedTurn, *, interrupted: bool) -> None:
        turn.finished_at = asyncio.get_running_loop().time()
        turn.interrupted = interrupted
        self._send(SpeechFinished(NUMBER, turn.number, turn.samples, interrupted))

    async def _play(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due += STEP_S
            await asyncio.sleep(max(0, due - loop.time()))
            turn = self._front()
            if turn is None or self.held:
                continue
            if turn.received and turn.started_at is None:
                turn.started_at = loop.time()
                self._send(SpeechStarted(NUMBER, turn.number))
            step = round(STEP_S * RATE)
            turn.samples = min(turn.samples + step, turn.received)
            if turn.sealed and turn.samples == turn.received:
                self._finish(turn, interrupted=False)
            await self._tell()
