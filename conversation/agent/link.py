"""
Link of one conversation to the gateway, over the stream that all of them share.

`AgentLink.send` never waits, so callbacks may use it. Who sends audio awaits
`AgentLink.drain` after each piece: it waits while the gateway has not read what was
written. A gateway that leaves `MAX_UNREAD` bytes unread hangs, and the process ends.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

from conversation.agent.provider_text import usable
from protocol.link.frames import pack
from protocol.link.messages import Happened, LinkMessage, ToAgent, ToGateway, to_frame

HIGH_WATER = 256 << 10  # bytes: `drain` waits above it
MAX_UNREAD = 16 << 20  # bytes
MAX_WAITING = 1000  # messages that a conversation has not read


class ConversationOver(Exception):
    """
    End of a conversation, by itself.

    ``reason`` is a name of `protocol.lite.messages.EndReason`, ``code`` empty or one
    of `protocol.link.messages.ERROR_CODES`. ``text`` is told to people.
    """

    def __init__(self, reason: str, text: str, code: str = "") -> None:
        super().__init__(text)
        self.reason = reason
        self.text = text
        self.code = code


class StreamFull(Exception):
    """The gateway does not read what is written to it."""


class GatewayStream:
    """Writing side of the stream to the gateway."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        writer.transport.set_write_buffer_limits(HIGH_WATER)

    def send(self, message: LinkMessage) -> None:
        """Write a message; it waits in this process until the gateway reads it."""
        if self._writer.transport.is_closing():
            return
        if self._writer.transport.get_write_buffer_size() > MAX_UNREAD:
            self._writer.transport.abort()
            raise StreamFull(f"the gateway left {MAX_UNREAD} bytes unread")
        self._writer.write(pack(to_frame(message)))

    async def drain(self) -> None:
        """Wait until the gateway has read most of what was written."""
        await self._writer.drain()


class AgentLink:
    """Link of one conversation: messages of the gateway, and messages to it."""

    def __init__(self, number: int, stream: GatewayStream) -> None:
        self.number = number
        self._stream = stream
        self._waiting: asyncio.Queue[ToAgent] = asyncio.Queue(MAX_WAITING)

    def send(self, message: ToGateway) -> None:
        """
        Send a message of this conversation, at once and in order.

        The text of an event is cut to what the link carries.
        """
        assert message.conversation == self.number
        if isinstance(message, Happened):
            message = replace(message, text=usable(message.text))
        self._stream.send(message)

    async def drain(self) -> None:
        """Wait until the gateway has read most of what was written."""
        await self._stream.drain()

    async def messages(self) -> AsyncIterator[ToAgent]:
        """Yield the gateway's messages about this conversation, for ever."""
        while True:
            yield await self._waiting.get()

    def receive(self, message: ToAgent) -> bool:
        """Pass a message on; False if the conversation has stopped reading."""
        try:
            self._waiting.put_nowait(message)
        except asyncio.QueueFull:
            return False
        return True
