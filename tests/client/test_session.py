"""Tests of the client session with a socket in memory, in virtual time."""

import asyncio
import json

import pytest

from lite_gateway.client.connection import Disconnected
from lite_gateway.client.session import EVENT_WAIT_S, AvatarSession
from protocol.lite.messages import MAX_MESSAGE_PHONES
from tests.virtual import run

RESPONSE = dict.fromkeys(
    ("session_id", "livekit_url", "livekit_client_token", "ws_url"), "x"
)


class MemorySocket:
    """Socket of a client: the test is the server."""

    close_reason = "1000 bye"

    def __init__(self) -> None:
        self.sent: list[dict] = []
        self.inbox: asyncio.Queue[str | None] = asyncio.Queue()

    def server_sends(self, kind: str) -> None:
        self.inbox.put_nowait(json.dumps({"type": kind}))

    async def send(self, text: str) -> None:
        self.sent.append(json.loads(text))

    async def texts(self):
        while (text := await self.inbox.get()) is not None:
            yield text


def connected() -> tuple[AvatarSession, MemorySocket]:
    socket = MemorySocket()
    return AvatarSession("token", RESPONSE, socket), socket


async def wait_for(avatar: AvatarSession, **options) -> tuple[str, float]:
    """Return the text of the timeout and how long it took."""
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    with pytest.raises(TimeoutError) as late:
        await avatar.event("agent.speak_ended", "session.stopped", **options)
    return str(late.value), loop.time() - began_s


def test_a_wait_ends_and_names_what_came_instead():
    async def main():
        avatar, socket = connected()
        socket.server_sends("session.state_updated")
        socket.server_sends("warning")
        return await wait_for(avatar)

    text, waited_s = run(main())
    assert waited_s == pytest.approx(EVENT_WAIT_S)
    assert "waited 30 s for agent.speak_ended or session.stopped" in text
    assert "session.state_updated, warning" in text


def test_a_wait_has_the_limit_that_the_caller_names():
    async def main():
        avatar, _ = connected()
        await avatar.append(bytes(48_000 * 10))
        return await wait_for(avatar, timeout_s=2.0)

    text, waited_s = run(main())
    assert waited_s == pytest.approx(2.0)
    assert "none" in text


def test_a_wait_is_as_long_as_the_speech_that_was_sent_before_or_meanwhile():
    async def main():
        avatar, _ = connected()
        await avatar.append(bytes(48_000 * 10))
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(wait_for(avatar))
            await asyncio.sleep(20)
            await avatar.append(bytes(48_000 * 25))
        return waiting.result()[1]

    assert run(main()) == pytest.approx(20 + 25 + EVENT_WAIT_S)


def test_an_event_in_time_is_returned_and_a_closed_socket_is_told():
    async def main():
        avatar, socket = connected()
        socket.server_sends("agent.speak_started")
        socket.server_sends("agent.speak_ended")
        event = await avatar.event("agent.speak_ended")
        socket.inbox.put_nowait(None)
        with pytest.raises(Disconnected, match="before warning: 1000 bye"):
            await avatar.event("warning")
        return event

    assert run(main())["type"] == "agent.speak_ended"


@pytest.mark.parametrize("speech", [b"", [], iter([])])
def test_speech_without_audio_opens_a_turn_and_ends_it(speech):
    async def main():
        avatar, socket = connected()
        await avatar.speak(speech, "u1")
        return socket.sent

    assert run(main()) == [
        {"type": "agent.speak", "event_id": "u1", "audio": ""},
        {"type": "agent.speak_end", "event_id": "u1"},
    ]


@pytest.mark.parametrize("alphabet", [None, "arpabet"])
def test_phones_of_a_long_turn_are_sent_in_messages_that_the_server_takes(alphabet):
    rows = [["M", k / 10, (k + 1) / 10] for k in range(2 * MAX_MESSAGE_PHONES + 1)]
    phones = rows if alphabet is None else {"alphabet": alphabet, "phones": rows}

    async def main():
        avatar, socket = connected()
        await avatar.speak(bytes(48_000 * 2), "u1", phones=phones)
        return socket.sent

    sent = run(main())
    assert [len(message.get("audio", "")) for message in sent] == [
        *(0, 0, 64_000, 64_000, 0)
    ]
    lists = [message["phones"] for message in sent if "phones" in message]
    if alphabet:
        assert {part["alphabet"] for part in lists} == {alphabet}
        lists = [part["phones"] for part in lists]
    assert [row for part in lists for row in part] == rows
    assert max(map(len, lists)) <= MAX_MESSAGE_PHONES
