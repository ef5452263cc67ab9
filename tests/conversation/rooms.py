"""Room in memory that keeps the contract of `rtc.Room`, as far as agents use it."""

import asyncio
import datetime

from livekit import rtc

START = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


class MemoryPublication:
    """Track that a participant publishes."""

    def __init__(self, kind: int, source: int) -> None:
        self.kind = kind
        self.source = source
        self.subscribed = False
        self.wanted = False
        self.track = None

    def set_subscribed(self, subscribed: bool) -> None:
        self.wanted = subscribed


def voice(source: int = rtc.TrackSource.SOURCE_MICROPHONE) -> MemoryPublication:
    return MemoryPublication(rtc.TrackKind.KIND_AUDIO, source)


def camera() -> MemoryPublication:
    return MemoryPublication(rtc.TrackKind.KIND_VIDEO, rtc.TrackSource.SOURCE_CAMERA)


class MemoryParticipant:
    """Participant, who joined ``order`` seconds after the first."""

    def __init__(
        self, identity: str, *, order: int = 0, kind: str = "STANDARD"
    ) -> None:
        self.identity = identity
        self.kind = getattr(rtc.ParticipantKind, f"PARTICIPANT_KIND_{kind}")
        self.joined_at = START + datetime.timedelta(seconds=order)
        self.track_publications: dict[str, MemoryPublication] = {}

    @property
    def heard(self) -> list[str]:
        """Names of the tracks that the agent wants."""
        return [name for name, each in self.track_publications.items() if each.wanted]


class MemoryTrack:
    """Voice whose frames come when a test says so."""

    def __init__(self) -> None:
        self._frames: asyncio.Queue[rtc.AudioFrame] = asyncio.Queue()
        self.is_open = False

    def speak(self, frame: rtc.AudioFrame) -> None:
        self._frames.put_nowait(frame)

    async def listen(self):
        """Yield the frames, as `conversation.agent.room` does with a real track."""
        self.is_open = True
        try:
            while True:
                yield await self._frames.get()
        finally:
            self.is_open = False


class MemoryRoom(rtc.EventEmitter):
    """Room whose participants come and go as a test says."""

    def __init__(self) -> None:
        super().__init__()
        self.remote_participants: dict[str, MemoryParticipant] = {}
        self.options = None
        self.fails: Exception | None = None

    async def connect(self, url: str, token: str, options) -> None:
        await asyncio.sleep(0.1)
        if self.fails is not None:
            raise self.fails
        self.options = options

    async def disconnect(self) -> None:
        self.emit("disconnected", rtc.DisconnectReason.CLIENT_INITIATED)

    def enter(
        self, participant: MemoryParticipant, **tracks: MemoryPublication
    ) -> None:
        self.remote_participants[participant.identity] = participant
        self.emit("participant_connected", participant)
        for name, publication in tracks.items():
            self.publish(participant, name, publication)

    def publish(self, participant, name: str, publication: MemoryPublication) -> None:
        participant.track_publications[name] = publication
        self.emit("track_published", publication, participant)

    def unpublish(self, participant: MemoryParticipant, name: str) -> None:
        publication = participant.track_publications.pop(name)
        self.emit("track_unpublished", publication, participant)

    def deliver(self, participant: MemoryParticipant, name: str, track) -> None:
        """Let the audio of a track come, which the agent has subscribed to."""
        publication = participant.track_publications[name]
        assert publication.wanted
        publication.track, publication.subscribed = track, True
        self.emit("track_subscribed", track, publication, participant)

    def exit(self, participant: MemoryParticipant) -> None:
        del self.remote_participants[participant.identity]
        self.emit("participant_disconnected", participant)
