"""
Conversations of one agent process: reads the gateway's stream, one task for each.

A conversation that fails ends alone. The process ends with its stream.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from conversation.agent.link import AgentLink, ConversationOver, GatewayStream
from lite_gateway.foreign.live_secrets import live_secrets
from lite_gateway.foreign.text import foreign_text
from protocol.link.frames import FrameReader
from protocol.link.messages import (
    Begin,
    End,
    Ended,
    LinkMessage,
    Ping,
    Pong,
    Ready,
    SpeechFinished,
    SpeechHeld,
    SpeechStarted,
    from_frame,
)
from protocol.link.messages import Command as LinkCommand
from protocol.link.settings import ConversationSettings

log = logging.getLogger(__name__)

READ_BYTES = 64 << 10
LEAVE_S = 3.0  # conversations may leave their rooms for so long when the stream ends
AGENT_FAILED = "the agent has failed; start a new session"

Converse = Callable[[ConversationSettings, AgentLink], Awaitable[None]]


async def serve(
    path: str, converse: Converse, warm_up: Callable[[], Awaitable[None]]
) -> None:
    """
    Serve the gateway that listens at ``path`` until it closes the stream.

    ``converse`` holds one conversation. It takes none before ``warm_up`` has returned.
    """
    reader, writer = await asyncio.open_unix_connection(path)
    stream = GatewayStream(writer)
    await warm_up()
    stream.send(Ready())
    try:
        async with asyncio.TaskGroup() as group:
            conversations = Conversations(stream, group, converse)
            await conversations.read(reader)
            await conversations.end_all()
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@dataclass(slots=True)
class _Conversation:
    link: AgentLink
    task: asyncio.Task[None] = field(repr=False)


class Conversations:
    """Conversations that run, by number."""

    def __init__(
        self, stream: GatewayStream, group: asyncio.TaskGroup, converse: Converse
    ) -> None:
        self._stream = stream
        self._group = group
        self._converse = converse
        self._running: dict[int, _Conversation] = {}

    async def read(self, reader: asyncio.StreamReader) -> None:
        """Perform the gateway's messages until the stream ends."""
        frames = FrameReader()
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(READ_BYTES):
                for frame in frames.feed(data):
                    self._receive(from_frame(frame))

    async def end_all(self) -> None:
        """Cancel all conversations, and wait a moment until they have ended."""
        tasks = [conversation.task for conversation in self._running.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=LEAVE_S)

    def _receive(self, message: LinkMessage) -> None:
        match message:
            case Ping():
                self._stream.send(Pong(at_s=time.monotonic()))
            case Begin(number):
                self._begin(message)
            case End(number):
                self._end(number)
            case (
                SpeechStarted(number)
                | SpeechFinished(number)
                | SpeechHeld(number)
                | LinkCommand(number)
            ):
                # It may have ended while the message was on its way.
                conversation = self._running.get(number)
                if conversation and not conversation.link.receive(message):
                    log.error("a conversation reads no messages and is ended")
                    conversation.task.cancel()

    def _begin(self, begin: Begin) -> None:
        live_secrets.remember(begin.settings.secrets)
        link = AgentLink(begin.conversation, self._stream)
        name = f"conversation {begin.conversation}"
        task = self._group.create_task(self._run(begin, link), name=name)
        self._running[begin.conversation] = _Conversation(link, task)
        task.add_done_callback(lambda _: self._forget(begin.conversation))

    def _end(self, number: int) -> None:
        if conversation := self._running.get(number):
            conversation.task.cancel()
        else:
            self._stream.send(Ended(number, "USER_CLOSED", "it has ended before"))

    def _forget(self, number: int) -> None:
        """End a conversation whose task was cancelled before its first step."""
        if self._running.pop(number, None):
            self._stream.send(Ended(number, "USER_CLOSED", "it has not begun"))

    async def _run(self, begin: Begin, link: AgentLink) -> None:
        """Hold a conversation, and tell the gateway how it ended."""
        ended = Ended(link.number, "USER_CLOSED", "the gateway has ended it")
        try:
            await self._converse(begin.settings, link)
            ended = Ended(link.number, "AGENT_HANG_UP", "the agent has hung up")
        except Exception as error:  # boundary: no conversation ends another one
            over = _over(error)
            if over is None:
                log.exception("a conversation failed")
                over = ConversationOver("SERVER_ERROR", AGENT_FAILED)
            ended = Ended(link.number, over.reason, foreign_text(over.text), over.code)
        finally:
            del self._running[link.number]
            self._stream.send(ended)


def _over(error: BaseException) -> ConversationOver | None:
    """Return the `ConversationOver` that an error is, or that its group has."""
    if isinstance(error, ConversationOver):
        return error
    if isinstance(error, BaseExceptionGroup):
        found = map(_over, error.exceptions)
        return next((over for over in found if over is not None), None)
    return None
