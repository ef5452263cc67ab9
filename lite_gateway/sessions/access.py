"""Addresses and tokens with which clients reach a session."""

from dataclasses import dataclass, field

from lite_gateway.rooms.server_api import AGENT_IDENTITY_PREFIX, LiveKitServerApi
from lite_gateway.sessions.record import SessionRecord


@dataclass(frozen=True, slots=True)
class RoomAccess:
    """LiveKit URL of a session's room, and tokens to join it, empty for none."""

    url: str
    user_token: str = field(default="", repr=False)
    agent_token: str = field(default="", repr=False)


def room_access(
    rooms: LiveKitServerApi, record: SessionRecord, start_number: int
) -> RoomAccess:
    """
    Return URL and tokens for one start of a session, counted from 1.

    Each start gets its own identities: two participants with one identity disconnect
    each other. For the same reason an external room gets no tokens: the client's token
    carries the avatar's identity.
    """
    if external := record.config.external_room:
        return RoomAccess(external.url)
    name = record.id if start_number == 1 else f"{record.id}-{start_number}"
    valid_s = record.config.max_duration_s
    return RoomAccess(
        rooms.public_url,
        rooms.sign_token(record.id, f"user-{name}", valid_s),
        rooms.sign_token(record.id, f"{AGENT_IDENTITY_PREFIX}{name}", valid_s),
    )


def ws_url(base_url: str, record: SessionRecord) -> str:
    """Return the LITE WebSocket's URL; it contains the session's secret."""
    base = base_url.removeprefix("http").rstrip("/")
    return f"ws{base}/v1/ws/{record.id}/{record.secret}"
