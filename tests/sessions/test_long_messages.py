"""Large messages wait for a turn of the event loop: nothing else changes by that."""

import asyncio
import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from lite_gateway.http.starlette_transport import LARGE_MESSAGE, StarletteTransport
from lite_gateway.long_steps import LongSteps
from tests.fakes import MemoryTransport, tone
from tests.sessions.fixtures import SessionFixture, running_session
from tests.virtual import run

LARGE_S = 0.6
ACTIONS = st.sampled_from(
    ["large", "large", "small", "end", "interrupt", "wait", "wait long"]
)


class MemorySocket:
    """Starlette's side of a WebSocket whose client is a `MemoryTransport`."""

    def __init__(self, client: MemoryTransport) -> None:
        self._client = client

    async def receive(self) -> dict[str, object]:
        text = await self._client.receive()
        if text is None:
            return {"type": "websocket.disconnect"}
        return {"type": "websocket.receive", "text": text}

    async def send_text(self, text: str) -> None:
        await self._client.send(text)

    async def close(self, code: int, reason: str) -> None:
        await self._client.close(code, reason)


class BusySteps(LongSteps):
    """Long steps that each use the time of a turn; others come before each wait."""

    def __init__(self, others: int) -> None:
        super().__init__(clock=itertools.count().__next__)
        self._others = others

    async def wait(self) -> None:
        self.add_others(self._others)
        await super().wait()

    def add_others(self, count: int) -> None:
        for _ in range(count):
            self.later(lambda: None)


def connect(
    fixture: SessionFixture, group: asyncio.TaskGroup, steps: LongSteps
) -> MemoryTransport:
    client = MemoryTransport()
    transport = StarletteTransport(MemorySocket(client), steps)  # type: ignore[arg-type]
    group.create_task(fixture.speech.attach(transport), name="client")
    return client


async def perform(actions: list[str], others: int):
    """Return the events that the client got, and the audio that the room got."""
    async with running_session() as fixture, asyncio.TaskGroup() as group:
        client = connect(fixture, group, BusySteps(others))
        for index, action in enumerate(actions):
            match action:
                case "large":
                    pcm = tone(LARGE_S, hz=200.0 + 10 * index)
                    client.speak(pcm, event_id=f"turn {index // 4}")
                case "small":
                    client.speak(tone(0.1), event_id=f"turn {index // 4}")
                case "end":
                    client.client_sends(type="agent.speak_end")
                case "interrupt":
                    client.client_sends(type="agent.interrupt", event_id=f"cut {index}")
                case "wait":
                    await asyncio.sleep(0.05)
                case "wait long":
                    await asyncio.sleep(0.9)
        await asyncio.sleep(12.0)
        client.disconnect()
    return [without_new_ids(it) for it in client.sent], fixture.room.speech


def without_new_ids(event: dict) -> tuple[object, ...]:
    """Return what does not differ from run to run: ids are made up."""
    return event["type"], event.get("source_event_id"), event.get("played_ms")


@settings(max_examples=25)
@given(st.lists(ACTIONS, max_size=10), st.integers(1, 5))
def test_clients_and_rooms_get_the_same_as_without_waits(actions, others):
    calm = run(perform(actions, 0), debug=False)
    assert run(perform(actions, others), debug=False) == calm


@settings(max_examples=25)
@given(st.integers(0, 12), st.integers(0, 40), st.integers(1, 4))
def test_of_a_replaced_connection_the_first_messages_count(messages, turns, others):
    async def main():
        steps = BusySteps(others)
        async with running_session() as fixture, asyncio.TaskGroup() as group:
            first = connect(fixture, group, steps)
            for index in range(messages):
                first.speak(tone(LARGE_S), event_id=f"first {index}")
            for _ in range(turns):
                await asyncio.sleep(0)
            second = connect(fixture, group, steps)
            for index in range(3):
                second.speak(tone(LARGE_S), event_id=f"second {index}")
            await asyncio.sleep(1.0)
            second.disconnect()
        return [
            event["source_event_id"]
            for event in first.sent + second.sent
            if event["type"] == "agent.audio_buffer_appended"
        ]

    taken = run(main(), debug=False)
    of_first = [name for name in taken if name.startswith("first")]
    assert of_first == [f"first {index}" for index in range(len(of_first))]
    of_second = [name for name in taken if name.startswith("second")]
    assert of_second == ["second 0", "second 1", "second 2"]


def test_an_interrupt_waits_for_no_long_steps_of_others():
    async def main():
        async with running_session() as fixture, asyncio.TaskGroup() as group:
            steps = BusySteps(1)
            client = connect(fixture, group, steps)
            client.speak(tone(LARGE_S))
            await asyncio.sleep(0.2)
            assert fixture.room.speech
            steps.add_others(50)
            client.client_sends(type="agent.interrupt")
            for _ in range(5):
                await asyncio.sleep(0)
            assert "agent.speak_interrupted" in client.types()
            client.disconnect()

    run(main())


def test_the_large_messages_of_these_tests_are_large():
    async def main():
        client = MemoryTransport()
        client.speak(tone(LARGE_S))
        return await client.receive()

    assert len(run(main())) > LARGE_MESSAGE
