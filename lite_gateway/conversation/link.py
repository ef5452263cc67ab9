"""
Link of each conversation to the agent process, over the one stream that all share.

Nothing is ever dropped: each turn must end once on both sides. A child that leaves
`MAX_UNREAD` bytes unread hangs, and one whose frames cannot be read is broken. Either
way the stream is over, and with it all its conversations; the child is started again.
A message that is too long ends its own conversation only: a provider may have made it.
"""

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import Protocol

from lite_gateway.child_process import ChildEnded, StreamClosed
from protocol.link.frames import BrokenFrame, Frame, FrameReader, pack
from protocol.link.messages import (
    Begin,
    End,
    Ended,
    Ping,
    Pong,
    Ready,
    ToAgent,
    ToGateway,
    TurnAudioPiece,
    from_frame,
    to_frame,
)
from protocol.link.settings import ConversationSettings

log = logging.getLogger(__name__)

MAX_UNREAD = 8 << 20  # bytes: some settings of 1 MiB, or an hour of reports
MAX_TEXT = 256 << 10  # bytes of a message that is not audio; reading it takes time
READ_BYTES = 64 << 10
# The loop is left to others after so long, also in a flood of frames.
_SLICE_S = 0.0005
LOST = "the agent process has ended and is started again; start a new session"


@dataclass(frozen=True, slots=True)
class LinkDelay:
    """Time on the link until a message is read, each way, in seconds."""

    to_agent_s: float
    to_gateway_s: float


class ConversationReceiver(Protocol):
    """Receiver of one conversation's messages; each call returns at once."""

    def receive(self, message: ToGateway) -> None: ...

    def lost(self, text: str) -> None:
        """Take note that the agent process is gone. Called at most once."""
        ...


class ConversationLink:
    """Link of one conversation: messages to the agent process, and its end."""

    def __init__(
        self,
        number: int,
        stream: "AgentStream",
        receiver: ConversationReceiver,
    ) -> None:
        self.number = number
        self._stream = stream
        self._receiver = receiver
        self._over = asyncio.Event()

    @property
    def over(self) -> bool:
        """Return whether the agent has left the conversation, or is gone."""
        return self._over.is_set()

    def send(self, message: ToAgent) -> None:
        """Send a message of this conversation, at once and in order."""
        assert message.conversation == self.number
        if not self.over:
            self._stream.send(message)

    async def end(self, within_s: float) -> None:
        """End the conversation; wait until the agent has left, for a limited time."""
        self.send(End(self.number))
        try:
            async with asyncio.timeout(within_s):
                await self._over.wait()
        except TimeoutError:
            log.warning("an agent did not leave within %.0f s", within_s)
        finally:
            self._over.set()
            self._stream.forget(self)

    def receive(self, message: ToGateway) -> None:
        """Hand a message on; a receiver that fails has lost its conversation only."""
        if self.over:
            return
        try:
            self._receiver.receive(message)
        except Exception:  # boundary: one conversation
            log.exception("a message of the agent process could not be taken")
            self._stream.send(End(self.number))
            self.lose("the gateway has failed; start a new session")
        if isinstance(message, Ended):
            self._over.set()
            self._stream.forget(self)

    def give_up(self, reason: str) -> None:
        """End the conversation, whose agent sends what cannot be taken."""
        if self.over:
            return
        log.error("a conversation is ended: %s", reason)
        self._stream.send(End(self.number))
        self.lose("the agent has failed; start a new session")

    def lose(self, text: str) -> None:
        """Tell the receiver that no message follows."""
        if self.over:
            return
        self._over.set()
        try:
            self._receiver.lost(text)
        except Exception:  # boundary: one conversation
            log.exception("the loss of the agent process could not be told")


class AgentStream:
    """Stream to one agent process, and the conversations on it, by number."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._links: dict[int, ConversationLink] = {}
        self._newest = 0
        self._fault: str | None = None
        self.closed = False
        self.ready = asyncio.Event()
        self._answered = asyncio.Event()
        self._pong = Pong()

    def begin(
        self, settings: ConversationSettings, receiver: ConversationReceiver
    ) -> ConversationLink:
        """Begin a conversation; raise `BrokenFrame` if its settings are too long."""
        self._newest += 1
        link = ConversationLink(self._newest, self, receiver)
        begin = pack(to_frame(Begin(link.number, settings)))
        self._links[link.number] = link
        self._write(begin)
        return link

    def forget(self, link: ConversationLink) -> None:
        """Drop what still comes for a conversation that is over."""
        self._links.pop(link.number, None)

    def send(self, message: ToAgent) -> None:
        """Write a message; it waits in this process until the child reads it."""
        self._write(pack(to_frame(message)))

    def _write(self, data: bytes) -> None:
        transport = self._writer.transport
        if self._fault or transport.is_closing():
            return  # `run` is about to tell all conversations
        if transport.get_write_buffer_size() + len(data) > MAX_UNREAD:
            self._fault = f"it left {MAX_UNREAD} bytes unread"
            transport.abort()
            return
        self._writer.write(data)

    async def run(self) -> None:
        """
        Hand on the messages of the child until the stream ends, and raise why.

        `StreamClosed`: the child has closed it. `ChildEnded`: it hangs or is broken.
        """
        frames = FrameReader()
        try:
            while data := await self._reader.read(READ_BYTES):
                slice_s = time.monotonic() + _SLICE_S
                for frame in frames.feed(data):
                    self._receive(frame)
                    if time.monotonic() > slice_s:
                        await asyncio.sleep(0)
                        slice_s = time.monotonic() + _SLICE_S
        except BrokenFrame as error:
            self._fault = f"it wrote nonsense: {error}"
        except OSError as error:  # it has died, or `_write` has given it up
            log.info("the stream to the agent process has failed: %s", error)
        finally:
            self.close()
        if self._fault is None:
            raise StreamClosed("the agent process is lost: it has closed its socket")
        raise ChildEnded(f"the agent process is lost: {self._fault}")

    def _receive(self, frame: Frame) -> None:
        if len(frame.payload) > MAX_TEXT and not _is_audio(frame):
            self._refuse(frame)
            return
        message = from_frame(frame)
        if isinstance(message, Ready):
            self.ready.set()
        elif isinstance(message, Pong):
            self._pong = message
            self._answered.set()
        elif isinstance(message, Begin | ToAgent):
            raise BrokenFrame("a message has the wrong direction")
        elif link := self._links.get(message.conversation):
            link.receive(message)

    def _refuse(self, frame: Frame) -> None:
        """End the conversation of a message that is too long, and no other one."""
        problem = f"a message has {len(frame.payload)} bytes; at most {MAX_TEXT} fit"
        if not frame.conversation:
            raise BrokenFrame(problem)
        if link := self._links.get(frame.conversation):
            link.give_up(problem)

    async def ping(self) -> LinkDelay:
        """Ask the child for an answer, and wait for it."""
        self._answered.clear()
        sent_s = time.monotonic()
        self.send(Ping())
        await self._answered.wait()
        there_s = self._pong.at_s
        return LinkDelay(there_s - sent_s, time.monotonic() - there_s)

    def close(self) -> None:
        """Close the stream: its conversations are lost, and the child ends."""
        self.closed = True
        self._writer.transport.abort()
        links, self._links = list(self._links.values()), {}
        for link in links:
            link.lose(LOST)


_AUDIO_KIND = to_frame(TurnAudioPiece(0, 0, b"")).kind


def _is_audio(frame: Frame) -> bool:
    return frame.kind == _AUDIO_KIND
