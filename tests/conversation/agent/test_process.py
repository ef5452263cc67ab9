"""Agent process over a real socket: its conversations, their ends, its own end."""

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from conversation.agent.link import MAX_WAITING, AgentLink, ConversationOver
from conversation.agent.process import serve
from conversation.agent.provider_text import MAX_CHARACTERS
from protocol.link.frames import FrameReader, pack
from protocol.link.messages import (
    Begin,
    Command,
    End,
    Ended,
    Happened,
    Joined,
    LinkMessage,
    Ping,
    Pong,
    Ready,
    TurnAudioPiece,
    from_frame,
    to_frame,
)
from protocol.link.settings import ConversationSettings


def settings(session_id: str) -> ConversationSettings:
    return ConversationSettings(
        session_id=session_id,
        room_url="ws://127.0.0.1:1",
        room_token="token",
        avatar_identity="heygen",
        mode="FULL",
    )


class GatewayEnd:
    """Gateway's end of the stream."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._reader, self.writer = reader, writer
        self._frames = FrameReader()
        self._received: list[LinkMessage] = []

    def send(self, *messages: LinkMessage) -> None:
        self.writer.write(b"".join(pack(to_frame(message)) for message in messages))

    async def next(self) -> LinkMessage:
        while not self._received:
            data = await self._reader.read(1 << 16)
            assert data, "the process has closed the stream"
            self._received += map(from_frame, self._frames.feed(data))
        return self._received.pop(0)


async def nothing() -> None:
    pass


@contextlib.asynccontextmanager
async def process(converse) -> AsyncIterator[GatewayEnd]:
    """Serve in this process; at the end the process must end with its stream."""
    ends: asyncio.Queue[GatewayEnd] = asyncio.Queue()
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "agent")
        server = await asyncio.start_unix_server(
            lambda reader, writer: ends.put_nowait(GatewayEnd(reader, writer)), path
        )
        async with server, asyncio.timeout(60), asyncio.TaskGroup() as group:
            group.create_task(serve(path, converse, nothing))
            end = await ends.get()
            assert await end.next() == Ready()
            yield end
            end.writer.close()


async def echo(settings: ConversationSettings, link: AgentLink) -> None:
    """Converse by repeating commands, as the session's name says."""
    link.send(Joined(link.number))
    async for message in link.messages():
        assert isinstance(message, Command)
        match message.text:
            case "fail":
                raise RuntimeError("a fault of the test")
            case "hang up":
                return
            case "over":
                async with asyncio.TaskGroup() as group:
                    group.create_task(no_quota())
        link.send(TurnAudioPiece(link.number, 1, message.text.encode()))
        await link.drain()


async def no_quota() -> None:
    raise ConversationOver("SERVER_ERROR", "no money is left", "quota")


def test_each_conversation_ends_alone_and_says_why():
    async def main():
        async with process(echo) as gateway:
            gateway.send(
                *(Begin(number, settings(f"s{number}")) for number in range(6))
            )
            for number in range(6):
                assert await gateway.next() == Joined(number)
            gateway.send(
                Command(1, "speak_text", "fail"),
                Command(2, "speak_text", "hang up"),
                Command(3, "speak_text", "over"),
                End(4),
            )
            ends = [await gateway.next() for _ in range(4)]
            assert sorted(ends, key=lambda end: end.conversation) == [
                Ended(1, "SERVER_ERROR", "the agent has failed; start a new session"),
                Ended(2, "AGENT_HANG_UP", "the agent has hung up"),
                Ended(3, "SERVER_ERROR", "no money is left", "quota"),
                Ended(4, "USER_CLOSED", "the gateway has ended it"),
            ]
            gateway.send(
                Command(5, "speak_text", "still here"), Command(1, "interrupt")
            )
            assert await gateway.next() == TurnAudioPiece(5, 1, b"still here")
            sent_s = time.monotonic()
            gateway.send(End(1), Ping())
            assert isinstance(await gateway.next(), Ended)
            pong = await gateway.next()
            assert isinstance(pong, Pong)
            assert sent_s <= pong.at_s <= time.monotonic()

    asyncio.run(main())


def test_a_conversation_that_ends_before_it_has_begun_says_so():
    async def main():
        async with process(echo) as gateway:
            gateway.send(Begin(1, settings("s1")), End(1), Begin(2, settings("s2")))
            told = [await gateway.next() for _ in range(2)]
            assert {type(each): each.conversation for each in told} == {
                Ended: 1,
                Joined: 2,
            }
            gateway.send(End(1), Ping())  # it is forgotten
            assert isinstance(await gateway.next(), Ended)
            assert isinstance(await gateway.next(), Pong)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x" * 1_000_000, "x" * MAX_CHARACTERS),
        ("\0" * 300_000, "\0" * MAX_CHARACTERS),  # each has six bytes in JSON
        ("a\ud800b", "a\ufffdb"),
        ("\ud83d\ude00", "\U0001f600"),
    ],
    ids=["long", "escaped", "half of a pair", "pair of halves"],
)
def test_any_text_of_a_provider_fits_into_the_link(text, told):
    async def converse(settings: ConversationSettings, link: AgentLink) -> None:
        link.send(Happened(link.number, "user.transcription", text))

    async def main():
        async with process(converse) as gateway:
            gateway.send(Begin(1, settings("s1")))
            assert await gateway.next() == Happened(1, "user.transcription", told)

    asyncio.run(main())


def test_a_conversation_that_reads_nothing_ends_alone():
    async def deaf(settings: ConversationSettings, link: AgentLink) -> None:
        if settings.session_id == "deaf":
            await asyncio.Event().wait()
        await echo(settings, link)

    async def main():
        async with process(deaf) as gateway:
            gateway.send(Begin(1, settings("deaf")), Begin(2, settings("other")))
            assert await gateway.next() == Joined(2)
            gateway.send(*[Command(1, "interrupt")] * (MAX_WAITING + 1))
            assert (await gateway.next()).conversation == 1
            gateway.send(Command(2, "speak_text", "well"))
            assert await gateway.next() == TurnAudioPiece(2, 1, b"well")

    asyncio.run(main())


def test_the_end_of_the_stream_ends_conversations_and_process():
    left = []

    async def leaving(settings: ConversationSettings, link: AgentLink) -> None:
        try:
            await echo(settings, link)
        finally:
            left.append(settings.session_id)

    async def main():
        async with process(leaving) as gateway:
            gateway.send(Begin(1, settings("a")), Begin(2, settings("b")))
            assert {(await gateway.next()).conversation for _ in "ab"} == {1, 2}

    asyncio.run(main())
    assert sorted(left) == ["a", "b"]


def test_audio_waits_while_the_gateway_does_not_read():
    sent = []

    async def talkative(settings: ConversationSettings, link: AgentLink) -> None:
        while True:
            link.send(TurnAudioPiece(link.number, 1, bytes(48_000)))
            sent.append(link.number)
            await link.drain()

    async def main():
        async with process(talkative) as gateway:
            gateway.send(Begin(1, settings("a")))
            await gateway.next()
            before = -1
            while before != len(sent):
                before = len(sent)
                await asyncio.sleep(0.2)
            assert len(sent) < 100
            gateway.writer.transport.abort()

    asyncio.run(main())
