"""Room side of the data channel: commands of participants in, events out."""

import asyncio
import contextlib
import logging
import weakref
from collections import deque
from collections.abc import Callable
from typing import Protocol

from lite_gateway.foreign.text import foreign_text
from lite_gateway.metrics import Metrics
from lite_gateway.rooms.events import JoinedRoom
from lite_gateway.token_bucket import TokenBucket
from protocol.errors import BadMessage, ProtocolError
from protocol.full.codec import decode_command, encode_event
from protocol.full.messages import (
    COMMAND_TOPIC,
    EVENT_TOPIC,
    ChannelCommand,
    ChannelEvent,
    CommandKind,
)

log = logging.getLogger(__name__)

MAX_UNSENT = 1024  # events; the oldest are dropped
MAX_ERRORS, ERRORS_PER_S = 20, 5  # answered; further errors are counted only
MAX_TEXTS, TEXTS_PER_S = 100, 20  # commands with a text
# All other commands. Each costs the agent process time, which all conversations share.
MAX_COMMANDS, COMMANDS_PER_S = 600, 50
SEND_S = 2.0  # for one event; a room that reconnects takes longer, and loses it
LAST_EVENTS_S = 1.0  # for those that are left when the session ends
ARRIVAL_S = 0.25  # from the last event until the room may go


class ChannelParticipant(Protocol):
    """Participant of the room, as far as the channel reads it."""

    identity: str


class ReceivedPacket(Protocol):
    """Data packet as LiveKit's SDK hands it over."""

    data: bytes
    topic: str | None
    participant: ChannelParticipant | None


class CommandReceiver(Protocol):
    """Receiver of the channel's commands; each call returns at once."""

    def take_command(self, command: ChannelCommand) -> None:
        """Perform a command."""
        ...

    def refuse_packet(self, error: ProtocolError) -> None:
        """Answer a packet that is refused; not called for most packets of a flood."""
        ...


class DataChannel:
    """
    Data channel of one avatar in its room.

    Commands are taken from everybody but the session's own agent: also from LiveKit's
    server API, and from those whom LiveKit has not reported yet, who look the same.
    Events go to everybody, in order, from a queue: a room that does not
    take them delays no caller.
    """

    def __init__(
        self,
        session_id: str,
        receiver: CommandReceiver,
        metrics: Metrics,
        *,
        agent_identity: str,
        now: Callable[[], float],
    ) -> None:
        """Build a channel that does nothing before `listen`."""
        self._session_id = session_id
        self._receiver = receiver
        self._metrics = metrics
        self._agent_identity = agent_identity
        self._now = now
        self._error_limit = TokenBucket(MAX_ERRORS, ERRORS_PER_S, now())
        self._command_limit = TokenBucket(MAX_COMMANDS, COMMANDS_PER_S, now())
        self._text_limit = TokenBucket(MAX_TEXTS, TEXTS_PER_S, now())
        # Weak: the room refers to this object through its handler (see LiveKitRoom).
        self._room: weakref.ref[JoinedRoom] | None = None
        self._unsent: deque[bytes] = deque(maxlen=MAX_UNSENT)
        self._queued = asyncio.Event()
        self._sending = asyncio.Lock()
        self._delivered = False  # the newest event that was sent

    def listen(self, room: JoinedRoom) -> None:
        """Take commands from now on. Call it when the avatar has joined."""
        self._room = weakref.ref(room)
        room.on("data_received", self._on_packet)

    # Commands.

    def _on_packet(self, packet: ReceivedPacket) -> None:
        if packet.topic != COMMAND_TOPIC:
            return
        sender = packet.participant
        if sender is not None and sender.identity == self._agent_identity:
            return
        try:
            command = decode_command(packet.data)
            self._check_rate(command)
        except ProtocolError as error:
            self._metrics.channel_refused.labels(type(error).__name__).inc()
            if self._error_limit.acquire(self._now()) == 0.0:
                self._receiver.refuse_packet(error)
        else:
            log.debug("< %s", command.kind)
            self._metrics.channel_commands.labels(command.kind.value).inc()
            self._receiver.take_command(command)

    def _check_rate(self, command: ChannelCommand) -> None:
        """Refuse floods; a session can be stopped in one, too."""
        if command.kind is CommandKind.STOP_SESSION:
            return
        if command.text and self._text_limit.acquire(self._now()):
            raise BadMessage(
                f"texts arrive faster than {TEXTS_PER_S} a second: this one was "
                "dropped; put more words into a command",
                command.event_id,
            )
        if not command.text and self._command_limit.acquire(self._now()):
            raise BadMessage(
                f"commands arrive faster than {COMMANDS_PER_S} a second: this one was "
                "dropped; send it again later",
                command.event_id,
            )

    # Events.

    def send(self, event: ChannelEvent) -> None:
        """Queue an event for everybody in the room."""
        if len(self._unsent) == MAX_UNSENT:
            self._metrics.channel_events_dropped.inc()
        self._unsent.append(encode_event(event, self._session_id))
        self._queued.set()

    async def run(self) -> None:
        """Send the events that are queued, until cancelled."""
        while True:
            await self._queued.wait()
            self._queued.clear()
            await self._send_all()

    async def aclose(self) -> None:
        """
        Send what is queued, and wait until it has arrived.

        Call it when `run` is over, and before the room is left or deleted: a browser
        that loses its room first cannot know that the session was stopped.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_EVENTS_S):
                await self._send_all()
        if self._delivered:
            await asyncio.sleep(ARRIVAL_S)

    async def _send_all(self) -> None:
        async with self._sending:
            while self._unsent:
                # Taken before it is sent: a send that is cancelled has been submitted.
                await self._publish(self._unsent.popleft())

    async def _publish(self, packet: bytes) -> None:
        room = self._room() if self._room is not None else None
        if room is None:  # A null room has no participants.
            return
        self._delivered = False
        try:
            async with asyncio.timeout(SEND_S):
                await room.local_participant.publish_data(
                    packet, reliable=True, topic=EVENT_TOPIC
                )
            self._delivered = True
        except Exception as error:  # boundary: whatever the SDK raises
            self._metrics.channel_events_dropped.inc()
            cause = foreign_text(str(error) or type(error).__name__)
            log.info("an event was not sent to the room: %s", cause)
