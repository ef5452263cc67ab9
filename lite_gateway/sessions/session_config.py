"""Configuration that a session is created with: avatar, room and owner."""

from dataclasses import dataclass, field

from lite_gateway.conversation.plan import ConversationPlan
from lite_gateway.foreign.hosts import NotAHost, ServerUrl
from lite_gateway.video_quality import VideoQuality

# Server, room and identity. LiveKit disconnects the older of two participants with
# one identity in one room, so at most one session may hold a claim.
IdentityClaim = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class ExternalRoom:
    """Room on a LiveKit server that the client names, with a token for the avatar."""

    url: str
    room: str
    token: str = field(repr=False)
    identity: str
    on_behalf_of: str = ""  # identity of the agent that speaks through the avatar
    named_by_livekit: bool = False  # by a job of dispatch: the URL is not a caller's

    @property
    def identity_claim(self) -> IdentityClaim:
        return _server(self.url), self.room, self.identity


def _server(url: str) -> str:
    """Return host and port in one spelling; a URL that has none as it is."""
    try:
        target = ServerUrl.parse(url).target
    except NotAHost:
        return url.lower()
    return f"{target.netloc_host}:{target.port}"


@dataclass(frozen=True, slots=True)
class SessionOwner:
    """API key that a session counts against, and the embedded page it came through."""

    key_id: str
    max_sessions: int = 0  # sessions at once of this key; 0: no limit of its own
    embed_id: str | None = None


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """Settings that a session keeps from its creation to its end."""

    avatar: str
    quality: VideoQuality
    codec: str
    max_duration_s: float
    background: str = ""  # of `check_background`; empty: the avatar's own
    sandbox: bool = False
    external_room: ExternalRoom | None = None
    data_stream: bool = False  # speech arrives as byte streams in the room
    context_id: str | None = None
    conversation: ConversationPlan | None = None  # None: clients send the speech
    warning: str = ""  # sent to the first client as a warning

    @property
    def mode(self) -> str:
        """Mode as the API names it: FULL, or LITE, which the connectors have too."""
        full = self.conversation is not None and self.conversation.mode == "FULL"
        return "FULL" if full else "LITE"

    @property
    def identity_claim(self) -> IdentityClaim | None:
        return self.external_room.identity_claim if self.external_room else None

    def has_same_agent(self, other: "SessionConfig") -> bool:
        """Return whether both avatars speak for the same agent, or for none."""
        own, others = self.external_room, other.external_room
        return bool(own and others and own.on_behalf_of == others.on_behalf_of)
