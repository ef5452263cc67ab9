"""Room side of the data channel with a room in memory, in virtual time."""

import asyncio
import contextlib
import gc
import weakref
from dataclasses import dataclass
from types import SimpleNamespace

import orjson
import pytest

from lite_gateway.conversation.data_channel import (
    ARRIVAL_S,
    ERRORS_PER_S,
    LAST_EVENTS_S,
    MAX_COMMANDS,
    MAX_ERRORS,
    MAX_TEXTS,
    MAX_UNSENT,
    SEND_S,
    DataChannel,
)
from lite_gateway.metrics import Metrics
from protocol.full.messages import ChannelEvent, CommandKind, EventKind
from tests.virtual import run

AGENT = "liveavatar-agent-s1"
INTERRUPT = b'{"event_type": "avatar.interrupt"}'


@dataclass
class Packet:
    """Data packet as the SDK hands it over."""

    data: bytes
    topic: str | None = "agent-control"
    participant: SimpleNamespace | None = None


class MemoryDataRoom:
    """Room that keeps what is published; ``delay_s`` is the time of each packet."""

    def __init__(self, delay_s: float = 0.0, *, fails: bool = False) -> None:
        self.local_participant = self
        self.delay_s, self.fails = delay_s, fails
        self.published: list[dict] = []
        self.calls: list[tuple[bool, str]] = []
        self.on_data = None

    def on(self, name: str, handler) -> None:
        assert name == "data_received"
        self.on_data = handler

    async def publish_data(self, data: bytes, *, reliable: bool, topic: str) -> None:
        if self.fails:
            raise RuntimeError("the room is gone")
        self.calls.append((reliable, topic))
        self.published.append(orjson.loads(data))
        await asyncio.sleep(self.delay_s)

    def receive(self, data: bytes, *, sender: str | None = "user", **more) -> None:
        participant = sender and SimpleNamespace(identity=sender)
        self.on_data(Packet(data, participant=participant, **more))

    @property
    def ids(self) -> list[int]:
        return [int(event["event_id"]) for event in self.published]


class Received:
    """Commands and refusals, in the order in which they came."""

    def __init__(self) -> None:
        self.commands, self.errors = [], []

    def take_command(self, command) -> None:
        self.commands.append(command)

    def refuse_packet(self, error) -> None:
        self.errors.append(error)


class ChannelFixture:
    """A channel that listens to a room in memory."""

    def __init__(self, room: MemoryDataRoom | None = None) -> None:
        self.room = room or MemoryDataRoom()
        self.received, self.metrics = Received(), Metrics()
        self.channel = DataChannel(
            *("s1", self.received, self.metrics),
            agent_identity=AGENT,
            now=asyncio.get_running_loop().time,
        )
        self.channel.listen(self.room)

    def send(self, *numbers: int) -> None:
        for number in numbers:
            self.channel.send(ChannelEvent(EventKind.LATENCY, str(number)))

    def value(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, labels)

    @contextlib.asynccontextmanager
    async def running(self):
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self.channel.run())
            yield
            task.cancel()


@pytest.mark.parametrize("sender", ["user", "agent-back-end", None, "heygen-not-ours"])
def test_commands_come_from_any_participant(sender):
    async def main():
        fixture = ChannelFixture()
        fixture.room.receive(INTERRUPT, sender=sender)
        return fixture

    fixture = run(main())
    assert [c.kind for c in fixture.received.commands] == [CommandKind.INTERRUPT]
    assert fixture.value("lite_channel_commands_total", type="avatar.interrupt") == 1


@pytest.mark.parametrize(
    "packet",
    [{"sender": AGENT}, {"topic": "chat"}, {"topic": None}, {"topic": ""}],
    ids=str,
)
def test_packets_of_our_agent_and_of_other_topics_are_ignored(packet):
    async def main():
        fixture = ChannelFixture()
        fixture.room.receive(INTERRUPT, **packet)
        fixture.room.receive(b"{oops", **packet)
        return fixture

    fixture = run(main())
    assert not fixture.received.commands
    assert not fixture.received.errors


def test_a_flood_of_bad_packets_is_counted_and_some_are_answered():
    async def main():
        fixture, answered = ChannelFixture(), []
        for _ in range(3):
            for _ in range(1000):
                fixture.room.receive(b"{oops")
            answered.append(len(fixture.received.errors))
            await asyncio.sleep(1)
        fixture.room.receive(INTERRUPT)
        return fixture, answered

    fixture, answered = run(main(), debug=False)
    expected = [MAX_ERRORS, MAX_ERRORS + ERRORS_PER_S, MAX_ERRORS + 2 * ERRORS_PER_S]
    assert answered == expected
    assert len(fixture.received.commands) == 1
    assert fixture.value("lite_channel_refused_total", reason="BadMessage") == 3000


def test_a_flood_of_texts_is_refused_and_no_other_command_is_lost():
    async def main():
        fixture = ChannelFixture()
        text = b'{"event_type": "avatar.speak_response", "text": "Hi", "event_id": 1}'
        for _ in range(MAX_TEXTS + 50):
            fixture.room.receive(text)
        for _ in range(500):
            fixture.room.receive(b'{"event_type": "user.stop_push_to_talk"}')
        return fixture.received

    received = run(main())
    assert len(received.commands) == MAX_TEXTS + 500
    assert "faster than" in str(received.errors[0])
    assert received.errors[0].event_id == "1"


def test_a_flood_of_commands_without_a_text_is_refused_but_the_end_of_the_session():
    async def main():
        fixture = ChannelFixture()
        for _ in range(MAX_COMMANDS + 3000):
            fixture.room.receive(b'{"event_type": "avatar.interrupt"}')
        fixture.room.receive(b'{"event_type": "session.stop"}')
        return fixture.received

    received = run(main())
    assert len(received.commands) == MAX_COMMANDS + 1
    assert received.commands[-1].kind == "session.stop"
    assert "commands arrive faster" in str(received.errors[0])


def test_events_arrive_in_order_on_the_topic_of_the_sdk():
    async def main():
        fixture = ChannelFixture(MemoryDataRoom(0.01))
        async with fixture.running():
            fixture.send(*range(50))
            assert not fixture.room.published  # nothing waits for the room
            await asyncio.sleep(0.2)
            fixture.send(*range(50, 60))
            await asyncio.sleep(5)
        return fixture.room

    room = run(main())
    assert room.ids == list(range(60))
    assert set(room.calls) == {(True, "agent-response")}
    assert room.published[0] == {
        "event_id": "0",
        "event_type": "latency",
        "session_id": "s1",
        "source_event_id": None,
    }


def test_the_oldest_events_are_dropped_when_the_room_takes_none():
    async def main():
        fixture = ChannelFixture()
        fixture.send(*range(MAX_UNSENT + 10))
        await fixture.channel.aclose()
        return fixture

    fixture = run(main(), debug=False)
    assert fixture.room.ids == list(range(10, MAX_UNSENT + 10))
    assert fixture.value("lite_channel_events_dropped_total") == 10


def test_the_last_events_are_sent_after_the_session_and_given_time_to_arrive():
    async def main():
        fixture = ChannelFixture(MemoryDataRoom(0.05))
        async with fixture.running():
            fixture.send(1, 2, 3)
            await asyncio.sleep(0.06)  # the second one is on its way
        fixture.send(4)
        closed_s = asyncio.get_running_loop().time()
        await fixture.channel.aclose()
        return fixture.room, asyncio.get_running_loop().time() - closed_s

    room, took_s = run(main())
    assert room.ids == [1, 2, 3, 4]
    assert took_s >= ARRIVAL_S + 2 * 0.05


@pytest.mark.parametrize(
    ("room", "limit_s"),
    [(MemoryDataRoom(fails=True), 0.0), (MemoryDataRoom(1e6), LAST_EVENTS_S)],
    ids=["gone", "silent"],
)
def test_a_room_that_takes_nothing_delays_the_end_no_longer_than_a_second(
    room, limit_s
):
    async def main():
        fixture = ChannelFixture(room)
        fixture.send(1, 2)
        await fixture.channel.aclose()
        return asyncio.get_running_loop().time()

    assert run(main()) <= limit_s


def test_an_event_that_hangs_is_given_up_and_the_next_one_sent():
    async def main():
        fixture = ChannelFixture(MemoryDataRoom(1e6))
        async with fixture.running():
            fixture.send(1, 2)
            await asyncio.sleep(SEND_S + 0.1)
        return fixture

    fixture = run(main())
    assert fixture.room.ids == [1, 2]
    assert fixture.value("lite_channel_events_dropped_total") == 1


def test_a_channel_without_a_room_drops_its_events():
    async def main():
        fixture = ChannelFixture()
        room = weakref.ref(fixture.room)
        fixture.room = None
        gc.collect()
        assert room() is None  # nothing of the channel keeps the room
        fixture.send(1)
        await fixture.channel.aclose()
        return asyncio.get_running_loop().time()

    assert run(main()) == 0.0
