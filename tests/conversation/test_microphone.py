"""Ears of the agent: what the session hears, and when."""

import asyncio

import pytest

pytest.importorskip("livekit.agents", reason="needs lite-gateway[agent]")

from conversation.agent.microphone import FRAME_MS, KEPT_S, MAX_WAITING_S, Microphone
from tests import virtual
from tests.conversation.linked import frame

FRAME_S = FRAME_MS / 1000


async def speak(microphone: Microphone, values: range | list[int]) -> None:
    """Let a person speak one frame for each value."""
    for value in values:
        microphone.hear(frame(FRAME_S, value))
        await asyncio.sleep(FRAME_S)


async def heard(microphone: Microphone) -> list[int]:
    """Return the first samples of the frames until the audio ends."""
    return [each.data[0] async for each in microphone]


def made(*, listening: bool) -> Microphone:
    return Microphone(listening=listening, now=asyncio.get_running_loop().time)


def test_open_ears_hear_everything_in_order():
    async def main():
        microphone = made(listening=True)
        async with asyncio.TaskGroup() as group:
            hearing = group.create_task(heard(microphone))
            await speak(microphone, range(100))
            await microphone.wait_read()
            microphone.end()
        assert hearing.result() == list(range(100))

    virtual.run(main())


def test_shut_ears_hear_nothing_but_half_a_second_from_before_they_open():
    async def main():
        microphone = made(listening=False)
        async with asyncio.TaskGroup() as group:
            hearing = group.create_task(heard(microphone))
            await speak(microphone, range(100))
            microphone.listen()
            await speak(microphone, range(100, 120))
            microphone.stop_listening()
            await microphone.wait_read()
            await speak(microphone, range(120, 150))
            microphone.end()
        kept = round(KEPT_S / FRAME_S)
        assert hearing.result() == list(range(100 - kept, 120))
        assert microphone.heard_s == pytest.approx(20 * FRAME_S)

    virtual.run(main())


def test_what_was_said_long_before_the_ears_open_is_not_kept():
    async def main():
        microphone = made(listening=False)
        async with asyncio.TaskGroup() as group:
            hearing = group.create_task(heard(microphone))
            await speak(microphone, range(20))
            await asyncio.sleep(2)  # muted: no frames come
            microphone.listen()
            microphone.end()
        assert hearing.result() == []

    virtual.run(main())


def test_another_persons_voice_is_not_kept():
    async def main():
        microphone = made(listening=False)
        async with asyncio.TaskGroup() as group:
            hearing = group.create_task(heard(microphone))
            await speak(microphone, [1, 1, 1])
            microphone.forget()
            await speak(microphone, [2])
            microphone.listen()
            microphone.end()
        assert hearing.result() == [2]

    virtual.run(main())


def test_a_session_that_does_not_read_hears_the_newest_audio():
    async def main():
        microphone = made(listening=True)
        await speak(microphone, range(1000))
        microphone.end()
        newest = await heard(microphone)
        assert newest == list(range(1000))[-round(MAX_WAITING_S / FRAME_S) :]

    virtual.run(main())


def test_speech_before_a_process_stops_for_seconds_is_heard():
    async def main():
        microphone = made(listening=True)
        async with asyncio.TaskGroup() as group:
            hearing = group.create_task(heard(microphone))
            await asyncio.sleep(0)
            spoken = range(round(8 / FRAME_S))
            for value in spoken:  # all that came meanwhile comes at once
                microphone.hear(frame(FRAME_S, value))
            await microphone.wait_read()
            microphone.end()
        assert hearing.result() == list(spoken)

    virtual.run(main())


def test_only_speech_is_loud():
    async def main():
        microphone = made(listening=True)
        await speak(microphone, [0, 20, 100])
        assert microphone.last_loud is None
        spoken_at = asyncio.get_running_loop().time()
        await speak(microphone, [3000])
        await speak(microphone, [0] * 10)
        assert microphone.last_loud == spoken_at

    virtual.run(main())
