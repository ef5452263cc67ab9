"""Drain of the registry: sessions finish what they speak, in virtual time."""

import asyncio
import contextlib

import pytest

from lite_gateway.errors import Refused
from lite_gateway.metrics import Metrics
from lite_gateway.sessions.admission import FixedSlots
from lite_gateway.sessions.assembly import LiveSession
from lite_gateway.sessions.registry import SILENCE_S, SessionRegistry
from lite_gateway.sessions.session import Limits
from lite_gateway.sessions.session_config import SessionOwner
from protocol.lite.messages import EndReason
from tests.fakes import MemoryTransport, tone
from tests.sessions.fixtures import SessionFixture
from tests.sessions.rooms import FakeRecorder, config
from tests.virtual import run

OWNER = SessionOwner("key")


class SessionOfRegistry(SessionFixture):
    """Session that the registry runs, with its client."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        super().__init__(group, Limits())
        self.client = self.connect()

    async def _run(self) -> None:
        """Leave the session to the registry."""

    async def close(self) -> None:
        """Leave the room, as `SessionRoom` does."""


class RegistryFixture:
    def __init__(self, group: asyncio.TaskGroup) -> None:
        self._group = group
        self.ended_s: dict[str, float] = {}
        self.sessions: dict[str, SessionOfRegistry] = {}
        self.registry = SessionRegistry(
            group,
            FakeRecorder(),
            open_session=self._open,
            close_session=self._close,
            admission=FixedSlots(8),
            metrics=Metrics(),
        )

    async def _open(self, record) -> LiveSession:
        session = SessionOfRegistry(self._group)
        self.sessions[record.id] = session
        return LiveSession(session.session, session, session.speech, counts_users=False)

    async def _close(self, record) -> None:
        self.ended_s[record.id] = asyncio.get_running_loop().time()

    async def started(self) -> tuple[str, MemoryTransport]:
        record = await self.registry.create(config(None, data_stream=False), OWNER)
        await self.registry.start(record.id)
        return record.id, self.sessions[record.id].client

    async def drained(self, max_s: float = 60.0) -> float:
        """Drain as the server does; return how long it took."""
        loop = asyncio.get_running_loop()
        since_s = loop.time()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max_s):
                await self.registry.end_silent()
        await self.registry.drain(5.0)
        return loop.time() - since_s


def drain_test(test):
    """Run a test with a registry, in virtual time."""

    def wrapped() -> None:
        async def main() -> None:
            async with asyncio.TaskGroup() as group:
                await test(RegistryFixture(group))

        run(main())

    wrapped.__name__, wrapped.__doc__ = test.__name__, test.__doc__
    return wrapped


def reasons(client: MemoryTransport) -> list[str]:
    return [e["end_reason"] for e in client.sent if e["type"] == "session.stopped"]


@drain_test
async def test_silent_sessions_end_at_once_and_new_ones_are_refused(fixture):
    _, client = await fixture.started()
    unstarted = await fixture.registry.create(config(None, data_stream=False), OWNER)
    await asyncio.sleep(1.0)
    assert await fixture.drained() < 0.2
    assert reasons(client) == [EndReason.SERVER_SHUTDOWN]
    with pytest.raises(Refused) as refused:
        await fixture.registry.start(unstarted.id)
    assert (refused.value.status, refused.value.retry_s) == (503, 5.0)


@drain_test
async def test_a_session_ends_after_its_last_sentence(fixture):
    """Agents send an answer as several turns, with pauses between them."""
    session_id, client = await fixture.started()
    silent_id, _ = await fixture.started()
    await asyncio.sleep(1.0)
    client.speak(tone(2.0))
    client.client_sends(type="agent.speak_end")

    async def next_sentence() -> None:
        await asyncio.sleep(2.0 + SILENCE_S / 2)
        client.speak(tone(1.0))
        client.client_sends(type="agent.speak_end")

    async with asyncio.TaskGroup() as group:
        group.create_task(next_sentence())
        await asyncio.sleep(0.1)
        took_s = await fixture.drained()
    assert took_s == pytest.approx(3.0 + 1.5 * SILENCE_S, abs=0.3)
    assert client.types().count("agent.speak_ended") == 2
    assert "agent.speak_interrupted" not in client.types()
    assert reasons(client) == [EndReason.SERVER_SHUTDOWN]
    assert fixture.ended_s[silent_id] < fixture.ended_s[session_id] - 3.0


@drain_test
async def test_a_session_that_never_stops_speaking_is_cut_at_the_limit(fixture):
    _, client = await fixture.started()
    client.speak(tone(20.0))
    await asyncio.sleep(1.0)
    assert await fixture.drained(max_s=4.0) == pytest.approx(4.0, abs=0.2)
    assert "agent.speak_interrupted" in client.types()
    assert reasons(client) == [EndReason.SERVER_SHUTDOWN]
