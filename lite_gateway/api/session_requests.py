"""Request bodies of /v1/sessions, as clients send them. Unknown fields are ignored."""

import dataclasses
import uuid
from typing import Any, Literal
from urllib.parse import urlsplit

import jwt
from pydantic import BaseModel, Field, field_validator, model_validator

from lite_gateway.errors import Refused
from lite_gateway.sessions.registry import SANDBOX_S
from lite_gateway.sessions.session_config import ExternalRoom, SessionConfig
from lite_gateway.video_quality import DEFAULT, parse_quality
from protocol.datastream.names import ON_BEHALF_ATTRIBUTE
from protocol.lite.messages import EndReason

_CONNECTORS = (
    "elevenlabs_agent_config",
    "openai_realtime_config",
    "gemini_realtime_config",
    "agora_config",
)


class VideoSettings(BaseModel):
    """Video quality and codec. ``quality`` may be WIDTHxHEIGHT: our own extension."""

    quality: str = DEFAULT
    encoding: Literal["H264", "VP8"] = "H264"


def check_livekit_url(url: str) -> str:
    """Return ``url`` if it can be the URL of a LiveKit server; else `ValueError`."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("ws", "wss", "http", "https") and bool(parts.netloc)
    except ValueError:
        valid = False
    if not valid:
        raise ValueError("must be a ws:// or wss:// URL")
    return url


class LiveKitConfig(BaseModel):
    """
    LiveKit room of the client.

    Takes the names of the service's API reference and, as in its guide, ``url`` and
    ``token``.
    """

    livekit_url: str
    livekit_client_token: str
    livekit_room: str = ""

    @model_validator(mode="before")
    @classmethod
    def _accept_both_spellings(cls, body: Any) -> Any:
        if isinstance(body, dict):
            renamed = {"url": "livekit_url", "token": "livekit_client_token"}
            body = {renamed.get(name, name): value for name, value in body.items()}
        return body

    @field_validator("livekit_url")
    @classmethod
    def _check_url(cls, url: str) -> str:
        return check_livekit_url(url)

    def external_room(self) -> ExternalRoom:
        """Return the room; its name comes from the token if the body names none."""
        room = parse_room_token(
            self.livekit_url, self.livekit_client_token, "livekit_config's"
        )
        return dataclasses.replace(room, room=self.livekit_room or room.room)


def parse_room_token(url: str, token: str, whose: str) -> ExternalRoom:
    """
    Read room, identity and owner from a LiveKit access token, without verifying it.

    Only LiveKit can verify the signature. Raise `Refused` if it is no JWT or forbids
    publishing; the text begins with ``whose``, for example "livekit_config's".
    """
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except jwt.InvalidTokenError:
        raise Refused(
            422, f"{whose} token is not a LiveKit access token (a JWT)"
        ) from None
    video = _as_dict(claims.get("video"))
    if video.get("canPublish") is False or video.get("canPublishData") is False:
        raise Refused(
            422,
            f"{whose} token forbids publishing; the avatar needs "
            "canPublish and canPublishData",
        )
    on_behalf_of = _as_dict(claims.get("attributes")).get(ON_BEHALF_ATTRIBUTE)
    return ExternalRoom(
        url,
        str(video.get("room") or ""),
        token,
        str(claims.get("sub") or ""),
        str(on_behalf_of or ""),
    )


def _as_dict(claim: Any) -> dict[str, Any]:
    return claim if isinstance(claim, dict) else {}


class TokenRequest(BaseModel):
    """Body of ``POST /v1/sessions/token``."""

    avatar_id: str = Field(min_length=1, max_length=200)
    mode: Literal["LITE", "CUSTOM", "FULL"] = "LITE"
    is_sandbox: bool = False
    max_session_duration: int | None = Field(default=None, gt=0)
    video_settings: VideoSettings | None = None
    # LiveKit's plugin sends quality and encoding as fields of their own.
    video_quality: str | None = None
    video_encoding: Literal["H264", "VP8"] | None = None
    livekit_config: LiveKitConfig | None = None
    avatar_persona: Any = None  # clients send it in LITE mode too; see _context_id
    elevenlabs_agent_config: dict[str, Any] | None = None
    openai_realtime_config: dict[str, Any] | None = None
    gemini_realtime_config: dict[str, Any] | None = None
    agora_config: dict[str, Any] | None = None

    def session_config(self, avatar: str, max_s: float, warning: str) -> SessionConfig:
        """
        Return the configuration of the session.

        ``max_s`` is the longest session that this server allows. Raise `Refused` if
        the request needs a feature that this server does not have.
        """
        self._refuse_unsupported()
        duration_s = self.max_session_duration or max_s
        if duration_s > max_s:
            raise Refused(
                422,
                f"max_session_duration is {duration_s}; this server allows at most "
                f"{max_s:.0f} (seconds)",
            )
        if self.is_sandbox:
            duration_s = min(duration_s, SANDBOX_S)
        livekit = self.livekit_config
        video = self.video_settings or VideoSettings(
            quality=self.video_quality or DEFAULT,
            encoding=self.video_encoding or "H264",
        )
        return SessionConfig(
            avatar=avatar,
            quality=parse_quality(video.quality),
            codec=video.encoding,
            max_duration_s=duration_s,
            sandbox=self.is_sandbox,
            external_room=livekit.external_room() if livekit else None,
            context_id=_context_id(self.avatar_persona),
            warning=warning,
        )

    def _refuse_unsupported(self) -> None:
        if self.mode == "FULL":
            raise Refused(
                422,
                'mode FULL is not offered here; send {"mode": "LITE"}',
            )
        for name in _CONNECTORS:
            if getattr(self, name) is not None:
                raise Refused(
                    422, f"{name} is not offered here; send speech over the ws_url"
                )


def _context_id(persona: Any) -> str | None:
    """Return the id of the persona's context, which the history records."""
    text = persona.get("context_id") if isinstance(persona, dict) else None
    try:
        return str(uuid.UUID(text)) if isinstance(text, str) else None
    except ValueError:
        return None


class StopRequest(BaseModel):
    """Body of ``POST /v1/sessions/stop``. With a session token it may be empty."""

    session_id: str | None = None
    reason: str | None = None

    @property
    def end_reason(self) -> EndReason:
        try:
            return EndReason(self.reason or EndReason.USER_CLOSED)
        except ValueError:
            return EndReason.UNKNOWN


class KeepAliveRequest(BaseModel):
    """Body of ``POST /v1/sessions/keep-alive``."""

    session_id: str | None = None
