"""A session between stand-ins, in virtual time, and the clients around it."""

import asyncio
import contextlib
from fractions import Fraction

from lite_gateway.metrics import Metrics
from lite_gateway.playout.playout import Playout
from lite_gateway.sessions.session import Limits, Session
from protocol.lite.messages import EndReason
from tests.fakes import FakeRenderer, MemoryRoom, MemoryTransport, tone


class SessionFixture:
    """A session between stand-ins, and the clients around it."""

    def __init__(self, group: asyncio.TaskGroup, limits: Limits, **options) -> None:
        loop = asyncio.get_running_loop()
        self.room, self.studio, self.metrics = MemoryRoom(), FakeRenderer(), Metrics()
        self.ending = None
        self._group = group
        self.session = Session(
            "s1",
            lambda session: Playout(
                self.studio.render,
                self.room,
                session,
                self.metrics,
                now=loop.time,
                **options,
            ),
            self.metrics,
            now=loop.time,
            limits=limits,
        )
        group.create_task(self._live(), name="session")

    async def _live(self) -> None:
        self.ending = await self.session.run()

    def connect(self, **options) -> MemoryTransport:
        wire = MemoryTransport(**options)
        self._group.create_task(self.session.serve(wire), name="socket")
        return wire


CALM = Fraction(1)  # frames a second, where minutes pass and no picture matters


@contextlib.asynccontextmanager
async def table(limits: Limits = Limits(), **options):
    async with asyncio.TaskGroup() as group:
        made = SessionFixture(group, limits, **options)
        yield made
        made.session.end(EndReason.USER_CLOSED, "test over")


def speaks_on(wire: MemoryTransport) -> None:
    """The session answers a turn as if nothing had happened."""
    wire.speak(tone(0.2), event_id="after")
    wire.say(type="agent.speak_end")


def heard(wire: MemoryTransport, utterance: str = "after") -> bool:
    return any(
        event["type"] == "agent.speak_ended" and event["event_id"] == utterance
        for event in wire.said
    )
