"""A session in virtual time with a LITE input, an in-memory room and its clients."""

import asyncio
import contextlib
from fractions import Fraction

from lite_gateway.metrics import Metrics
from lite_gateway.playout.playout import Playout
from lite_gateway.sessions.lite_input import LiteInput
from lite_gateway.sessions.session import EndInfo, Limits, Session
from protocol.lite.messages import EndReason
from tests.fakes import FakeRenderer, MemoryRoom, MemoryTransport, tone

# One frame a second, for tests in which minutes pass and no frame matters.
CALM = Fraction(1)


class SessionFixture:
    """Session, input and room of one test."""

    def __init__(
        self,
        group: asyncio.TaskGroup,
        limits: Limits,
        *,
        max_buffered_s: float = 600.0,
        **playout_options,
    ) -> None:
        now = asyncio.get_running_loop().time
        self.room, self.renderer, self.metrics = MemoryRoom(), FakeRenderer(), Metrics()
        self.end_info: EndInfo | None = None
        self._group = group
        playout = Playout(
            self.renderer.render, self.room, self.metrics, now=now, **playout_options
        )
        self.session = Session("s1", playout, now=now, limits=limits)
        self.speech = LiteInput(
            playout,
            self.session,
            self.metrics,
            now=now,
            max_buffered_s=max_buffered_s,
        )
        group.create_task(self._run(), name="session")

    async def _run(self) -> None:
        self.end_info = await self.session.run(self.speech)

    def connect(self, **options) -> MemoryTransport:
        transport = MemoryTransport(**options)
        self._group.create_task(self.speech.attach(transport), name="client")
        return transport


@contextlib.asynccontextmanager
async def running_session(limits: Limits = Limits(), **options):
    async with asyncio.TaskGroup() as group:
        fixture = SessionFixture(group, limits, **options)
        yield fixture
        fixture.session.end(EndReason.USER_CLOSED, "test over")


def speak_a_turn(transport: MemoryTransport) -> None:
    """Send one short turn with the event id "after"."""
    transport.speak(tone(0.2), event_id="after")
    transport.client_sends(type="agent.speak_end")


def ended_turn(transport: MemoryTransport, utterance: str = "after") -> bool:
    """Return whether the client was told that the turn ended."""
    return any(
        event["type"] == "agent.speak_ended" and event["event_id"] == utterance
        for event in transport.sent
    )
