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
    behalf: str = ""  # whose avatar it is there: an agent's identity

    @property
    def seat(self) -> IdentityClaim:
        """Two participants with one of these would push each other out."""
        return urlsplit(self.url).netloc, self.room, self.identity


@dataclass(frozen=True, slots=True)
class SessionOwner:
    """Who answers for a session: an API key, maybe through a page of its own."""

    key_id: str
    most: int = 0  # sessions at once; 0: as many as there are places
    embed_id: str | None = None


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """What a session was minted with; it cannot change."""

    avatar: str
    quality: VideoQuality
    codec: str
    longest_s: float
    sandbox: bool = False
    own_room: ExternalRoom | None = None
    stream: bool = False  # speech comes as byte streams in the room
    context_id: str | None = None
    note: str = ""  # told as a warning when the first client connects

    @property
    def seat(self) -> IdentityClaim | None:
        return self.own_room.seat if self.own_room else None

    def same_agent(self, other: "SessionConfig") -> bool:
        """Both are an avatar of the same agent, or of none."""
        mine, its = self.own_room, other.own_room
        return bool(mine and its and mine.behalf == its.behalf)
