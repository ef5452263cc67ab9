"""
LiveKit room of one conversation: the agent joins it and hears the first person in it.

Agents, avatars and other programs are never heard. While the first person is in the
room, nobody else is heard either. The voice of the next person comes here all the same:
to subscribe to it when the first has left takes half a second, and longer on a busy
machine, and what they say meanwhile would be lost.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

from livekit import rtc
from livekit.rtc.room import EventTypes

from conversation.agent.microphone import (
    FRAME_MS,
    MAX_WAITING_S,
    SAMPLE_RATE,
    Microphone,
    RecentAudio,
)
from lite_gateway.foreign.join_errors import join_problem
from lite_gateway.foreign.text import foreign_text

log = logging.getLogger(__name__)

JOIN_TIMEOUT_S = 10.0
LEAVE_TIMEOUT_S = 2.0
AGENT_IDENTITY_PREFIX = "liveavatar-agent-"
_PEOPLE = (
    rtc.ParticipantKind.PARTICIPANT_KIND_STANDARD,
    rtc.ParticipantKind.PARTICIPANT_KIND_SIP,
)
# Of the next person's voice, because it may be told late that the first has left.
NEXT_KEPT_S = 1.0
# Frames that the SDK holds when a busy machine has stopped this process.
_MAX_STREAM_FRAMES = round(MAX_WAITING_S * 1000 / FRAME_MS)
_FOLLOWED: tuple[EventTypes, ...] = (
    *("participant_connected", "participant_disconnected", "reconnected"),
    *("track_published", "track_unpublished"),
    *("track_subscribed", "track_unsubscribed"),
)

Listen = Callable[[rtc.RemoteTrack], AsyncIterator[rtc.AudioFrame]]


class NotJoined(Exception):
    """The agent could not join the room; the text says why."""


class ConversationRoom:
    """
    Room that one person's voice comes from.

    ``avatar_identity`` is never heard. `run` passes the voice on to the microphone.
    ``listen`` yields the audio of a track, as `Microphone.hear` takes it.
    """

    def __init__(
        self,
        avatar_identity: str,
        microphone: Microphone,
        *,
        room: rtc.Room | None = None,
        listen: Listen | None = None,
    ) -> None:
        self._avatar_identity = avatar_identity
        self._microphone = microphone
        self._room = room or rtc.Room()
        self._listen = listen or _listen
        self._people: list[str] = []  # identities, in the order in which they joined
        # Of the first person and of the next; None without a voice.
        self._voices: list[rtc.RemoteTrackPublication | None] = []
        self._changed = asyncio.Event()
        self._lost: str | None = None  # why the room is gone

    @property
    def person(self) -> str | None:
        """Identity of the first person in the room, who is the one heard."""
        return self._people[0] if self._people else None

    async def join(self, url: str, token: str) -> None:
        """Join the room, or raise `NotJoined`."""
        for event in _FOLLOWED:
            self._room.on(event, self._follow)
        self._room.on("disconnected", self._on_disconnected)
        options = rtc.RoomOptions(auto_subscribe=False)
        try:
            async with asyncio.timeout(JOIN_TIMEOUT_S):
                await self._room.connect(url, token, options)
        except TimeoutError:
            raise NotJoined(
                f"the agent did not join the LiveKit room within {JOIN_TIMEOUT_S:.0f} s"
            ) from None
        except rtc.ConnectError as error:
            log.warning(
                "room not joined: %s", foreign_text(str(error), secrets=(token,))
            )
            raise NotJoined(
                f"the agent could not join the LiveKit room: {join_problem(str(error))}"
            ) from None
        self._follow()

    async def run(self) -> str:
        """Hear the first person until the room is gone; return why it is."""
        async with asyncio.TaskGroup() as group:
            hearing: dict[rtc.RemoteTrack, asyncio.Task[None]] = {}
            while self._lost is None:
                self._changed.clear()
                tracks = [voice.track for voice in self._voices if voice is not None]
                for track in tracks:
                    if track is not None and track not in hearing:
                        hearing[track] = group.create_task(
                            self._hear(track), name="hear"
                        )
                for track in hearing.keys() - set(tracks):
                    hearing.pop(track).cancel()
                await self._changed.wait()
            for task in hearing.values():
                task.cancel()
        return self._lost

    async def leave(self) -> None:
        """Leave the room."""
        for event in _FOLLOWED:
            self._room.off(event, self._follow)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_TIMEOUT_S):
                await self._room.disconnect()

    def _on_disconnected(self, reason: rtc.DisconnectReason.ValueType) -> None:
        self._lost = self._lost or rtc.DisconnectReason.Name(reason)
        self._changed.set()

    def _follow(self, *_: Any) -> None:
        """Subscribe to the voices of the first person and the next, and to no more."""
        present = {
            participant.identity: participant
            for participant in self._room.remote_participants.values()
            if self._is_person(participant)
        }
        first = self.person
        self._people = [name for name in self._people if name in present]
        self._people += sorted(
            (name for name in present if name not in self._people),
            key=lambda name: _joined_at(present[name]),
        )
        if self.person != first:
            self._microphone.forget()
            log.info("hearing %s", "nobody" if self.person is None else "a person")
        self._voices = [_voice(present[name]) for name in self._people[:2]]
        for participant in present.values():
            for publication in participant.track_publications.values():
                is_wanted = publication in self._voices
                if publication.subscribed != is_wanted:
                    publication.set_subscribed(is_wanted)
        self._changed.set()

    def _is_person(self, participant: rtc.RemoteParticipant) -> bool:
        identity = participant.identity
        return (
            participant.kind in _PEOPLE
            and identity != self._avatar_identity
            and not identity.startswith(AGENT_IDENTITY_PREFIX)
        )

    def _is_heard(self, track: rtc.RemoteTrack) -> bool:
        first = self._voices[0] if self._voices else None
        return first is not None and first.track is track

    async def _hear(self, track: rtc.RemoteTrack) -> None:
        """Pass a voice on while it is heard, with what was said just before."""
        recent = RecentAudio(NEXT_KEPT_S, asyncio.get_running_loop().time)
        async for frame in self._listen(track):
            recent.add(frame)
            if self._is_heard(track):
                for each in recent.take():
                    self._microphone.hear(each)


async def _listen(track: rtc.RemoteTrack) -> AsyncIterator[rtc.AudioFrame]:
    """Yield the audio of a track."""
    stream = rtc.AudioStream(
        track,
        capacity=_MAX_STREAM_FRAMES,
        sample_rate=SAMPLE_RATE,
        num_channels=1,
        frame_size_ms=FRAME_MS,
    )
    try:
        async for event in stream:
            yield event.frame
    finally:
        await stream.aclose()


def _joined_at(participant: rtc.RemoteParticipant) -> float:
    """Return when a participant joined, in s of the server's clock; 0 if unknown."""
    joined_at = participant.joined_at
    return joined_at.timestamp() if joined_at is not None else 0.0


def _voice(participant: rtc.RemoteParticipant) -> rtc.RemoteTrackPublication | None:
    """Return the audio track of a participant, the microphone's before any other."""
    audio = [
        publication
        for publication in participant.track_publications.values()
        if publication.kind == rtc.TrackKind.KIND_AUDIO
    ]
    microphone = rtc.TrackSource.SOURCE_MICROPHONE
    audio.sort(key=lambda publication: publication.source != microphone)
    return audio[0] if audio else None
