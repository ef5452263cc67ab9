"""Public behaviour of `lite_gateway.client` with a real gateway."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import pytest
from websockets.asyncio.server import ServerConnection, serve

from bench.probe.listening import MIN_MATCH, speech, with_listener
from bench.probe.stack import free_port
from lite_gateway.client import AvatarSession, Disconnected, Event, open_session
from lite_gateway.client.connection import ReconnectingSocket, connect
from tests.waiting import PATIENCE_S, best_of, figures

pytestmark = [pytest.mark.livekit, pytest.mark.clients]
SQUARE = {"video_settings": {"quality": "512x512"}}
OVER = ("agent.speak_ended", "agent.speak_interrupted")


def opened(gateway, **more):
    return open_session(gateway.url, gateway.key, avatar="fiducial", **SQUARE, **more)


@pytest.mark.slow
@best_of(3)
def test_turn_is_spoken_from_an_iterator_of_chunks(gateway, tmp_path):
    pcm = speech(1.5)

    async def chunks() -> AsyncIterator[bytes]:
        yield b""
        for start in range(
            0, len(pcm), 7001
        ):  # odd, so that a sample is split over two messages
            yield pcm[start : start + 7001]

    async def talk() -> float:
        async with with_listener(gateway, "fiducial", tmp_path, **SQUARE) as (
            avatar,
            listener,
        ):
            listener.wait_for_media()
            await avatar.speak(chunks(), "mine")
            over = await avatar.event(*OVER)
            assert over["type"] == "agent.speak_ended"
            assert over["event_id"] == "mine"
            await asyncio.sleep(0.5)
            return listener.leave().match(pcm)[0]

    likeness = asyncio.run(talk())
    with figures():
        assert likeness > MIN_MATCH


def test_long_audio_is_split_into_messages_of_a_second(gateway):
    async def acks(audio: bytes | Iterator[bytes]) -> int:
        async with opened(gateway) as avatar:
            await avatar.speak(audio)
            await avatar.interrupt()
            kinds = []
            async for event in avatar.events():
                kinds.append(event["type"])
                if event["type"] == "agent.audio_buffer_cleared":
                    break
            return kinds.count("agent.audio_buffer_appended")

    assert asyncio.run(acks(speech(2.5))) == 3
    assert asyncio.run(acks(iter([speech(1.0), speech(0.5)]))) == 2


@best_of(3)
def test_interrupt_ends_the_turn_while_another_task_reads(gateway):
    async def talk() -> tuple[Event, float]:
        async with opened(gateway) as avatar, asyncio.TaskGroup() as group:
            over = group.create_task(avatar.event(*OVER))
            started_s = time.monotonic()
            await avatar.speak(speech(5.0))
            await asyncio.sleep(1.0)
            await avatar.interrupt()
            return await over, time.monotonic() - started_s

    over, spoke_s = asyncio.run(talk())
    assert over["type"] == "agent.speak_interrupted"
    with figures():
        assert 0.7 <= over["played_ms"] / 1000 / spoke_s <= 1.1


def test_reader_gets_the_end_of_its_turn_after_a_lost_connection(gateway):
    async def talk() -> list[str]:
        kinds = []
        async with opened(gateway) as avatar:
            await avatar.speak(speech(1.0))
            async for event in avatar.events():
                kinds.append(event["type"])
                if event["type"] == "agent.speak_started":
                    avatar.abort()
                if event["type"] in OVER:
                    return kinds
        return kinds

    kinds = asyncio.run(asyncio.wait_for(talk(), PATIENCE_S))
    assert kinds[-1] == "agent.speak_ended"
    assert kinds.count("session.state_updated") == 2  # connected two times


@best_of(3)
def test_speaker_continues_the_turn_after_a_lost_connection(gateway):
    async def broken(avatar: AvatarSession) -> AsyncIterator[bytes]:
        yield speech(0.5)
        await asyncio.sleep(0.1)
        avatar.abort()
        await asyncio.sleep(0.1)
        yield speech(0.5)

    async def talk() -> float:
        async with opened(gateway) as avatar, asyncio.TaskGroup() as group:
            over = group.create_task(avatar.event(*OVER))
            started_s = time.monotonic()
            await avatar.speak(broken(avatar))
            assert (await over)["type"] == "agent.speak_ended"
            return time.monotonic() - started_s

    took_s = asyncio.run(asyncio.wait_for(talk(), PATIENCE_S))
    assert took_s > 0.95
    with figures():
        assert took_s < 2.0


def test_stopped_session_raises_for_reader_and_speaker(gateway):
    async def talk() -> None:
        async with opened(gateway) as avatar:
            gateway.call("POST", "/v1/sessions/stop", {"session_id": avatar.session_id})
            await avatar.event("session.stopped")
            with pytest.raises(Disconnected, match=r"before agent\.speak_ended: 1000"):
                await avatar.event("agent.speak_ended")
            with pytest.raises(Disconnected, match="1000"):
                await avatar.speak(speech(0.1))

    asyncio.run(asyncio.wait_for(talk(), PATIENCE_S))


def test_reconnect_can_be_disabled(gateway):
    async def talk() -> None:
        async with opened(gateway, reconnect_s=0) as avatar:
            avatar.abort()
            with pytest.raises(Disconnected, match="1006"):
                await avatar.event("agent.speak_ended")

    asyncio.run(asyncio.wait_for(talk(), PATIENCE_S))


@best_of(3)
def test_client_gives_up_if_every_new_connection_is_dropped():
    """A connection that is lost at once does not restart the reconnect time."""
    dropped, port = 0, free_port()

    async def drop(socket: ServerConnection) -> None:
        nonlocal dropped
        dropped += 1
        await socket.close(1011, "not today")

    async def main() -> float:
        async with serve(drop, "127.0.0.1", port):
            url = f"ws://127.0.0.1:{port}"
            socket = ReconnectingSocket(url, await connect(url), reconnect_s=1.0)
            started_s = time.monotonic()
            assert [text async for text in socket.texts()] == []
            with pytest.raises(Disconnected, match="1011 not today"):
                await socket.send("hello")
            return time.monotonic() - started_s

    took_s = asyncio.run(asyncio.wait_for(main(), PATIENCE_S))
    assert took_s > 0.9
    assert dropped < 15
    with figures():
        assert took_s < 4.0
        assert dropped > 3
