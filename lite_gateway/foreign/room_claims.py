"""Claims of a LiveKit access token, read without verifying it."""

import math
from dataclasses import dataclass
from typing import Any, Self

import jwt

from lite_gateway.foreign.text import foreign_text
from protocol.datastream.names import ON_BEHALF_ATTRIBUTE

# LiveKit accepts a token so long before the time from which it is valid.
LEEWAY_S = 60.0
_MAX_NAME = 60  # characters of a name that a text repeats


class NotAToken(ValueError):
    """Text that is no LiveKit access token."""


@dataclass(frozen=True, slots=True)
class RoomClaims:
    """
    Room, identity and grants that a LiveKit access token claims.

    Only LiveKit can verify the signature: nothing is given to the holder of a token
    before LiveKit has let the avatar in.
    """

    room: str
    identity: str
    on_behalf_of: str  # identity of the agent that speaks through the avatar
    may_join: bool
    may_publish: bool
    expires_s: float = math.inf  # Unix time
    valid_from_s: float = -math.inf

    @classmethod
    def read(cls, token: str) -> Self:
        """Read a token; `NotAToken` if it is no JWT, or its claims are malformed."""
        try:
            claims = jwt.decode(token, options={"verify_signature": False})
            video = _as_dict(claims.get("video"))
            return cls(
                room=_name(video.get("room")),
                identity=_name(claims.get("sub")),
                on_behalf_of=_name(
                    _as_dict(claims.get("attributes")).get(ON_BEHALF_ATTRIBUTE)
                ),
                may_join=video.get("roomJoin") is True,
                may_publish=video.get("canPublish") is not False
                and video.get("canPublishData") is not False,
                expires_s=_time(claims.get("exp"), math.inf),
                valid_from_s=_time(claims.get("nbf"), -math.inf),
            )
        except (jwt.InvalidTokenError, ValueError, RecursionError):
            raise NotAToken from None

    def time_problem(self, now_s: float) -> str:
        """Return why LiveKit would not accept the token now, empty if it would."""
        if self.expires_s < now_s:
            return "has expired"
        if self.valid_from_s > now_s + LEEWAY_S:
            return "is not valid yet"
        return ""


def quoted(name: str) -> str:
    """Return the name of a room or a participant as a text repeats it."""
    return f"'{foreign_text(name, limit=_MAX_NAME)}'"


def _as_dict(claim: Any) -> dict[str, Any]:
    return claim if isinstance(claim, dict) else {}


def _name(claim: Any) -> str:
    """Return a name; `ValueError` if it has characters that no answer can repeat."""
    if claim is None:
        return ""
    if not isinstance(claim, str) or any(char < " " for char in claim):
        raise ValueError
    claim.encode()  # `UnicodeEncodeError`, a `ValueError`, for a lone surrogate
    return claim


def _time(claim: Any, default: float) -> float:
    if claim is None:
        return default
    if not isinstance(claim, int | float) or not abs(claim) < 1e12:
        raise ValueError
    return float(claim)
