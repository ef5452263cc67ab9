"""
LiveKit room of one conversation: the agent joins it and hears the first person in it.

Agents, avatars and other programs are never heard. While the first person is in the
room, nobody else is heard either.
"""

import asyncio
import contextlib
import logging
from typing import Any

from livekit import rtc
from livekit.rtc.room import EventTypes

from conversation.agent.microphone import FRAME_MS, SAMPLE_RATE, Microphone
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
_MAX_STREAM_FRAMES = 100  # that the SDK may hold when this process is busy: 2 s
_FOLLOWED: tuple[EventTypes, ...] = (
    *("participant_connected", "participant_disconnected", "reconnected"),
    *("track_published", "track_unpublished"),
    *("track_subscribed", "track_unsubscribed"),
)


class NotJoined(Exception):
    """The agent could not join the room; the text says why."""


class ConversationRoom:
    """
    Room that one person's voice comes from.

    ``avatar_identity`` is never heard. `run` passes the voice on to the microphone.
    """

    def __init__(
        self,
        avatar_identity: str,
        microphone: Microphone,
        *,
        room: rtc.Room | None = None,
    ) -> None:
        self._avatar_identity = avatar_identity
        self._microphone = microphone
        self._room = room or rtc.Room()
        self._people: list[str] = []  # identities, in the order in which they joined
        self._heard: rtc.RemoteTrackPublication | None = None
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
        while self._lost is None:
            self._changed.clear()
            track = self._track()
            async with asyncio.TaskGroup() as group:
                hearing = group.create_task(self._hear(track), name="hear")
                while self._lost is None and self._track() is track:
                    await self._changed.wait()
                    self._changed.clear()
                hearing.cancel()
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
        """Subscribe to the voice of the first person, and to nothing else."""
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
        wanted = _voice(present[self.person]) if self.person else None
        for participant in present.values():
            for publication in participant.track_publications.values():
                if publication.subscribed != (publication is wanted):
                    publication.set_subscribed(publication is wanted)
        self._heard = wanted
        self._changed.set()

    def _is_person(self, participant: rtc.RemoteParticipant) -> bool:
        identity = participant.identity
        return (
            participant.kind in _PEOPLE
            and identity != self._avatar_identity
            and not identity.startswith(AGENT_IDENTITY_PREFIX)
        )

    def _track(self) -> rtc.RemoteTrack | None:
        return self._heard.track if self._heard is not None else None

    async def _hear(self, track: rtc.RemoteTrack | None) -> None:
        if track is None:
            return
        stream = rtc.AudioStream(
            track,
            capacity=_MAX_STREAM_FRAMES,
            sample_rate=SAMPLE_RATE,
            num_channels=1,
            frame_size_ms=FRAME_MS,
        )
        try:
            async for event in stream:
                self._microphone.hear(event.frame)
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
