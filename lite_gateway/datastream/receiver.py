"""Receiver of LiveKit's avatar data stream: byte streams, RPCs and participants."""

import asyncio
import contextlib
import logging
import weakref
from collections.abc import Callable, Container

from livekit import rtc

from lite_gateway.datastream.permissions import SenderPermissions
from lite_gateway.datastream.playback_reports import PlaybackReports
from lite_gateway.datastream.speaking import speak_stream
from lite_gateway.datastream.speech_queue import SpeechQueue
from lite_gateway.datastream.stream import StreamReader, discard
from lite_gateway.metrics import Metrics
from protocol.datastream.names import (
    AGENT_STATE_ATTRIBUTE,
    AGENT_STATE_CHANGED,
    AUDIO_TOPIC,
    CLEAR_BUFFER,
    ON_BEHALF_ATTRIBUTE,
    USER_STATE_CHANGED,
)

log = logging.getLogger(__name__)

MAX_STREAMS = 256  # open, or waiting to be spoken
LAST_REPORTS_S = 1.0  # for the last reports, when the session ends
_AGENT = rtc.ParticipantKind.PARTICIPANT_KIND_AGENT


class DataStreamReceiver:
    """Receiver of the byte streams and RPCs that arrive for one avatar in its room."""

    def __init__(
        self,
        queue: SpeechQueue,
        reports: PlaybackReports,
        metrics: Metrics,
        *,
        external_audio: str,
        owner_gone_s: float,
        on_owner_gone: Callable[[str], None],
    ) -> None:
        """``on_owner_gone`` is called when the owner was away for ``owner_gone_s``."""
        self._queue = queue
        self._reports = reports
        self._metrics = metrics
        self._on_owner_gone = on_owner_gone
        self._external_audio = external_audio
        self._owner_gone_s = owner_gone_s
        self._permissions = SenderPermissions.parse("", external_audio)
        # Weak: the room refers to this object through its handlers (see LiveKitRoom).
        self._room: weakref.ref[rtc.Room] | None = None
        self._streams: dict[int, StreamReader] = {}  # open ones, by turn
        # Streams of senders that LiveKit has not reported yet, by identity.
        self._unknown: dict[str, list[rtc.ByteStreamReader]] = {}
        self._opened: asyncio.Queue[StreamReader] = asyncio.Queue(MAX_STREAMS)
        self._participants_changed = asyncio.Event()

    # Participants.

    def listen(self, room: rtc.Room) -> None:
        """
        Register all handlers.

        Nothing is awaited here, so no stream can arrive between joining and listening.
        """
        self._room, avatar = weakref.ref(room), room.local_participant
        owner = avatar.attributes.get(ON_BEHALF_ATTRIBUTE, "")
        self._permissions = SenderPermissions.parse(owner, self._external_audio)
        if not owner:
            log.info("the avatar's token names no owner: any agent may speak")
        avatar.register_rpc_method(CLEAR_BUFFER, self._on_clear)
        avatar.register_rpc_method(USER_STATE_CHANGED, self._on_user_state)
        avatar.register_rpc_method(AGENT_STATE_CHANGED, self._on_agent_state)
        room.register_byte_stream_handler(AUDIO_TOPIC, self._on_stream)
        room.on("participant_connected", self._on_connected)
        room.on("participant_disconnected", self._on_disconnected)
        room.on("participant_attributes_changed", self._on_attributes)
        if owner in room.remote_participants:
            participant = room.remote_participants[owner]
            self._on_attributes(participant.attributes, participant)

    def _allows(self, identity: str) -> bool:
        is_agent = self._kind(identity) == _AGENT
        return self._permissions.allows(identity, is_agent=is_agent)

    def _joined_room(self) -> rtc.Room | None:
        return self._room() if self._room is not None else None

    def _kind(self, identity: str) -> rtc.ParticipantKind.ValueType | None:
        """Return None while LiveKit has not reported the participant: up to 3 s."""
        room = self._joined_room()
        if room is None or identity not in room.remote_participants:
            return None
        return room.remote_participants[identity].kind

    def _on_connected(self, participant: rtc.RemoteParticipant) -> None:
        log.debug("= a participant connected")
        identity = participant.identity
        self._participants_changed.set()
        self._queue.reconnected(identity)
        self._reports.reconnected(identity)
        self._on_attributes(participant.attributes, participant)
        for reader in self._unknown.pop(identity, []):
            self._on_stream(reader, identity)

    def _on_disconnected(self, participant: rtc.RemoteParticipant) -> None:
        log.debug("= a participant disconnected")
        identity = participant.identity
        self._participants_changed.set()
        self._queue.disconnected(identity)
        self._reports.disconnected(identity)
        if identity == self._permissions.owner:
            self._queue.set_state(agent="", user="")

    def _on_attributes(
        self, changed: dict[str, str], participant: rtc.Participant
    ) -> None:
        """Read an agent's state from its attributes; not every agent calls the RPC."""
        if AGENT_STATE_ATTRIBUTE in changed and self._allows(participant.identity):
            self._queue.set_state(agent=changed[AGENT_STATE_ATTRIBUTE])

    # RPCs.

    def _on_clear(self, call: rtc.RpcInvocationData) -> str:
        return self._answer(call, self._queue.clear)

    def _on_user_state(self, call: rtc.RpcInvocationData) -> str:
        return self._answer(call, lambda: self._queue.set_state(user=call.payload))

    def _on_agent_state(self, call: rtc.RpcInvocationData) -> str:
        return self._answer(call, lambda: self._queue.set_state(agent=call.payload))

    def _answer(self, call: rtc.RpcInvocationData, action: Callable[[], None]) -> str:
        if not self._allows(call.caller_identity):
            self._count_refusal("sender")
            return "reject"
        action()
        return "ok"

    # Streams.

    def _on_stream(self, reader: rtc.ByteStreamReader, sender: str) -> None:
        if self._is_full():
            self._count_refusal("too_many")
            discard(reader)
            if self._allows(sender):
                self._reports.opened_stream(sender)
                self._queue.refuse(sender)
            return
        if not self._allows(sender):
            if self._permissions.owner or self._kind(sender) is not None:
                self._count_refusal("sender")
                discard(reader)
            else:  # It may be an agent: keep the stream until LiveKit reports it.
                self._unknown.setdefault(sender, []).append(reader)
            return
        for other in self._streams.values():
            if other.sender == sender:
                other.expect_end_soon()
        stream = StreamReader(self._queue.open(sender), sender, reader)
        self._reports.opened_stream(sender)
        log.debug("< stream, turn=%d", stream.turn)
        self._streams[stream.turn] = stream
        self._opened.put_nowait(stream)

    def _is_full(self) -> bool:
        unknown_count = sum(map(len, self._unknown.values()))
        open_count = max(len(self._streams), self._queue.segments_queued)
        return self._opened.full() or open_count + unknown_count >= MAX_STREAMS

    def _count_refusal(self, reason: str) -> None:
        self._metrics.streams_refused.labels(reason).inc()
        log.info("a stream or call was refused, reason=%s", reason)

    async def run(self) -> None:
        """Read and report until cancelled or the owner is gone, then cut and report."""
        room = self._joined_room()
        if room is None:  # A null room has no participants.
            return
        avatar = room.local_participant
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._reports.run(avatar), name="reports"),
                group.create_task(self._read_streams(), name="streams"),
            ]
            try:
                await self._watch_owner(room.remote_participants)
            finally:
                self._queue.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LAST_REPORTS_S):
                        await self._reports.flush()
                for task in tasks:
                    task.cancel()

    async def _read_streams(self) -> None:
        async with asyncio.TaskGroup() as group:
            while True:
                stream = await self._opened.get()
                group.create_task(self._read(stream), name="stream")

    async def _read(self, stream: StreamReader) -> None:
        try:
            await speak_stream(stream, self._queue, self._metrics)
        finally:
            del self._streams[stream.turn]

    async def _watch_owner(self, participants: Container[str]) -> None:
        """
        Return when the owner was away for too long. Without an owner: never.

        ``participants`` are the identities in the room, and change with it.
        """
        owner = self._permissions.owner
        now_s = asyncio.get_running_loop().time
        last_seen_s = now_s()
        while (wait_s := last_seen_s + self._owner_gone_s - now_s()) > 0:
            away = bool(owner) and owner not in participants
            self._participants_changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s if away else None):
                    await self._participants_changed.wait()
            if not away:
                last_seen_s = now_s()
        self._on_owner_gone(f"its agent has been away for {self._owner_gone_s:.0f} s")
