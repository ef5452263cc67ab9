"""The door to LiveKit: data streams and RPCs of those who speak through an avatar."""

import asyncio
import contextlib
import logging
from collections.abc import Callable

from livekit import rtc

from lite_gateway.datastream.permissions import SenderPermissions
from lite_gateway.datastream.playback_reports import PlaybackReports
from lite_gateway.datastream.resampler import Resampler
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
    read_format,
)
from protocol.errors import BadMessage

log = logging.getLogger(__name__)

WAITING_MAX = 256  # streams that may be open at once
GOODBYE_S = 1.0  # for the last reports, when the session ends
_AGENT = rtc.ParticipantKind.PARTICIPANT_KIND_AGENT


class DataStreamReceiver:
    """
    ``gone`` is called once the owner has been away for ``owner_gone_s``.

    `enter` is for between joining a room and publishing in it: agents speak as soon
    as they see the video track.
    """

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
        self._senders = SenderPermissions.of("", external_audio)
        self._room: rtc.Room | None = None
        self._open: dict[int, StreamReader] = {}  # by turn
        self._unknown: dict[str, list[rtc.ByteStreamReader]] = {}  # by sender
        self._arrived: asyncio.Queue[StreamReader] = asyncio.Queue(WAITING_MAX)
        self._moved = asyncio.Event()  # somebody came or left

    # The room.

    def listen(self, room: rtc.Room) -> None:
        """Listen. Nothing is awaited here, so nothing that is said is missed."""
        self._room, me = room, room.local_participant
        owner = me.attributes.get(ON_BEHALF_ATTRIBUTE, "")
        self._senders = SenderPermissions.of(owner, self._external_audio)
        if not owner:
            log.info("the avatar's token names no owner: any agent may speak")
        me.register_rpc_method(CLEAR_BUFFER, self._on_clear)
        me.register_rpc_method(USER_STATE_CHANGED, self._on_user_state)
        me.register_rpc_method(AGENT_STATE_CHANGED, self._on_agent_state)
        room.register_byte_stream_handler(AUDIO_TOPIC, self._on_stream)
        room.on("participant_connected", self._on_came)
        room.on("participant_disconnected", self._on_left)
        room.on("participant_attributes_changed", self._on_attributes)
        if owner in room.remote_participants:
            there = room.remote_participants[owner]
            self._on_attributes(there.attributes, there)

    def _may(self, identity: str) -> bool:
        return self._senders.may(identity, is_agent=self._kind(identity) == _AGENT)

    def _kind(self, identity: str) -> rtc.ParticipantKind.ValueType | None:
        """None: LiveKit has not told of it yet, which takes up to 3 s."""
        assert self._room is not None
        there = self._room.remote_participants.get(identity)
        return None if there is None else there.kind

    def _on_came(self, who: rtc.RemoteParticipant) -> None:
        log.debug("= a participant came")
        self._moved.set()
        self._queue.returned(who.identity)
        self._reports.came(who.identity)
        self._on_attributes(who.attributes, who)
        for reader in self._unknown.pop(who.identity, []):
            self._on_stream(reader, who.identity)

    def _on_left(self, who: rtc.RemoteParticipant) -> None:
        log.debug("= a participant left")
        self._moved.set()
        self._queue.left(who.identity)
        self._reports.left(who.identity)
        if who.identity == self._senders.owner:
            self._queue.set_state(agent="", user="")

    def _on_attributes(self, changed: dict[str, str], who: rtc.Participant) -> None:
        """Agents show their state to everybody, also those that do not tell us."""
        if AGENT_STATE_ATTRIBUTE in changed and self._may(who.identity):
            self._queue.set_state(agent=changed[AGENT_STATE_ATTRIBUTE])

    # Calls.

    def _on_clear(self, call: rtc.RpcInvocationData) -> str:
        return self._obey(call, self._queue.clear)

    def _on_user_state(self, call: rtc.RpcInvocationData) -> str:
        return self._obey(call, lambda: self._queue.set_state(user=call.payload))

    def _on_agent_state(self, call: rtc.RpcInvocationData) -> str:
        return self._obey(call, lambda: self._queue.set_state(agent=call.payload))

    def _obey(self, call: rtc.RpcInvocationData, act: Callable[[], None]) -> str:
        if not self._may(call.caller_identity):
            self._refuse("sender")
            return "reject"
        act()
        return "ok"

    # Streams.

    def _on_stream(self, reader: rtc.ByteStreamReader, sender: str) -> None:
        unknown = sum(map(len, self._unknown.values()))
        if self._arrived.full() or len(self._open) + unknown >= WAITING_MAX:
            self._refuse("too_many")
            discard(reader)
            return
        if not self._may(sender):
            if self._senders.owner or self._kind(sender) is not None:
                self._refuse("sender")
                discard(reader)
            else:  # maybe an agent: then it will be heard
                self._unknown.setdefault(sender, []).append(reader)
            return
        for other in self._open.values():
            if other.sender == sender:
                other.supersede()
        stream = StreamReader(self._queue.open(sender), sender, reader)
        self._reports.opened(sender)
        log.debug("< stream, turn=%d", stream.turn)
        self._open[stream.turn] = stream
        self._arrived.put_nowait(stream)

    def _refuse(self, reason: str) -> None:
        self._metrics.streams_refused.labels(reason).inc()
        log.info("a stream or call was refused, reason=%s", reason)

    async def run(self) -> None:
        """Hear and tell, until cancelled; then tell what is over by that."""
        if self._room is None:  # one that nobody is in
            return
        me = self._room.local_participant
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._reports.run(me), name="reports"),
                group.create_task(self._hear(), name="streams"),
            ]
            try:
                await self._watch_owner()
            finally:
                self._queue.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(GOODBYE_S):
                        await self._reports.told()
                for task in tasks:
                    task.cancel()

    async def _hear(self) -> None:
        async with asyncio.TaskGroup() as group:
            while True:
                stream = await self._arrived.get()
                group.create_task(self._read(stream), name="stream")

    async def _read(self, stream: StreamReader) -> None:
        turn = stream.turn
        try:
            resampler = Resampler(read_format(stream.attributes))
            async for piece in stream.pieces():
                pcm = resampler.take(piece) if piece else resampler.rest()
                if not self._queue.receive(turn, pcm):
                    self._refuse("too_much")
                    return
            self._queue.receive(turn, resampler.rest())
        except BadMessage as wrong:
            log.warning("a stream cannot be played: %s", wrong)
            self._refuse("format")
        finally:
            stream.close()
            self._queue.close(turn)
            del self._open[turn]

    async def _watch_owner(self) -> None:
        """Until the owner has been away for too long, if there is one."""
        assert self._room is not None
        owner, there = self._senders.owner, self._room.remote_participants
        now_s = asyncio.get_running_loop().time
        left_s = now_s()
        while (wait_s := left_s + self._owner_gone_s - now_s()) > 0:
            away = bool(owner) and owner not in there
            self._moved.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s if away else None):
                    await self._moved.wait()
            if not away:
                left_s = now_s()
        self._on_owner_gone(f"its agent has been away for {self._owner_gone_s:.0f} s")
