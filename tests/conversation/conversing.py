"""Session with a conversation in virtual time; the test is agent, client and room."""

import asyncio
import contextlib
import json
from types import SimpleNamespace

from livekit import rtc

from lite_gateway.conversation.input import ConversationInput
from lite_gateway.metrics import Metrics
from lite_gateway.playout.playout import Playout
from lite_gateway.sessions.session import EndInfo, Limits, Session
from protocol.link.messages import (
    Joined,
    OpenTurn,
    SealTurn,
    SpeechFinished,
    ToAgent,
    TurnAudioPiece,
)
from protocol.lite.messages import EndReason
from tests.fakes import FakeRenderer, MemoryRoom, tone


class FakeLink:
    """Link that keeps what the gateway sends."""

    number = 3

    def __init__(self) -> None:
        self.sent: list[ToAgent] = []
        self.ended = False

    def send(self, message: ToAgent) -> None:
        assert message.conversation == self.number
        self.sent.append(message)

    async def end(self, within_s: float) -> None:
        self.ended = True

    def of(self, kind: type) -> list:
        return [message for message in self.sent if isinstance(message, kind)]

    @property
    def finished(self) -> list[tuple[int, int, bool]]:
        return [(m.turn, m.samples, m.interrupted) for m in self.of(SpeechFinished)]


class ClientRoom(rtc.EventEmitter):
    """Room in which a client sends commands and reads events."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[dict] = []
        self.local_participant = self

    async def publish_data(self, packet: bytes, *, reliable: bool, topic: str) -> None:
        assert (reliable, topic) == (True, "agent-response")
        self.events.append(json.loads(packet))

    def command(self, kind: str, **fields: str) -> None:
        data = json.dumps({"event_type": kind, "event_id": kind, **fields}).encode()
        sender = SimpleNamespace(identity="user")
        self.emit(
            "data_received",
            SimpleNamespace(data=data, topic="agent-control", participant=sender),
        )

    def hear(self) -> None:
        for name in ("avatar-video", "avatar-audio", "avatar-audio"):
            self.emit("local_track_subscribed", SimpleNamespace(name=name))

    @property
    def kinds(self) -> list[str]:
        return [event["event_type"] for event in self.events]


class ConversationFixture:
    """Session with a conversation; the test is the agent, the client and the room."""

    def __init__(self, limits: Limits, *, push_to_talk: bool) -> None:
        self._now = now = asyncio.get_running_loop().time
        self.room, self.client, self.link = MemoryRoom(), ClientRoom(), FakeLink()
        self.metrics, self.lines = Metrics(), []
        self.renderer = FakeRenderer()
        self.playout = Playout(
            self.renderer.render, self.room, self.metrics, now=now, missing_end_s=60
        )
        self.session = Session("s1", self.playout, now=now, limits=limits)
        self.speech = ConversationInput(
            self.playout,
            self.session,
            self.metrics,
            push_to_talk=push_to_talk,
            max_buffered_s=600,
            store_line=lambda role, text: self.lines.append((role, text)),
            now=now,
        )
        self.speech.begin(
            SimpleNamespace(begin=lambda settings, receiver: self.link), None
        )
        self.speech.on_joined(self.client)
        self.end_info: EndInfo | None = None

    async def run(self) -> None:
        self.end_info = await self.session.run(self.speech)

    def says(self, *kinds: type, **fields) -> None:
        for kind in kinds:
            self.speech.receive(kind(FakeLink.number, **fields))

    def speak(self, turn: int, seconds: float, **fields) -> None:
        self.says(OpenTurn, turn=turn, **fields)
        self.says(TurnAudioPiece, turn=turn, pcm=tone(seconds))
        self.says(SealTurn, turn=turn)

    def sample(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, labels)


@contextlib.asynccontextmanager
async def conversation(
    limits: Limits = Limits(), *, push_to_talk: bool = False, joined: bool = True
):
    fixture = ConversationFixture(limits, push_to_talk=push_to_talk)
    async with asyncio.TaskGroup() as group:
        group.create_task(fixture.run(), name="session")
        if joined:
            fixture.says(Joined)
            await fixture.speech.joined()
        await asyncio.sleep(1)
        yield fixture
        fixture.session.end(EndReason.USER_CLOSED, "test over")
    await fixture.speech.aclose()
    assert fixture.link.ended
