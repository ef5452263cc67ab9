"""Configuration that a session is created with: avatar, room, owner."""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from lite_gateway.video_quality import VideoQuality

IdentityClaim = tuple[str, str, str]  # server, room, identity


@dataclass(frozen=True, slots=True)
class ExternalRoom:
    """A room that the client brought along."""

    url: str
    room: str
    token: str = field(repr=False)
    identity: str
    on_behalf_of: str = ""  # whose avatar it is there: an agent's identity

    @property
    def identity_claim(self) -> IdentityClaim:
        """Two participants with one of these would push each other out."""
        return urlsplit(self.url).netloc, self.room, self.identity


@dataclass(frozen=True, slots=True)
class SessionOwner:
    """Who answers for a session: an API key, maybe through a page of its own."""

    key_id: str
    max_sessions: int = 0  # sessions at once; 0: as many as there are places
    embed_id: str | None = None


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """What a session was minted with; it cannot change."""

    avatar: str
    quality: VideoQuality
    codec: str
    max_duration_s: float
    sandbox: bool = False
    external_room: ExternalRoom | None = None
    data_stream: bool = False  # speech comes as byte streams in the room
    context_id: str | None = None
    note: str = ""  # told as a warning when the first client connects

    @property
    def identity_claim(self) -> IdentityClaim | None:
        return self.external_room.identity_claim if self.external_room else None

    def same_agent(self, other: "SessionConfig") -> bool:
        """Both are an avatar of the same agent, or of none."""
        mine, its = self.external_room, other.external_room
        return bool(mine and its and mine.on_behalf_of == its.on_behalf_of)
