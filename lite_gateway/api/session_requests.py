"""Request bodies as clients really send them; unknown fields are left alone."""

import dataclasses
import uuid
from typing import Any, Literal
from urllib.parse import urlsplit

import jwt
from pydantic import BaseModel, Field, field_validator, model_validator

from lite_gateway.errors import Refused
from lite_gateway.sessions.registry import SANDBOX_S
from lite_gateway.sessions.request import ExternalRoom, SessionConfig
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
    """``quality`` may also be WIDTHxHEIGHT, which the hosted service does not know."""

    quality: str = DEFAULT
    encoding: Literal["H264", "VP8"] = "H264"


def livekit_url(url: str) -> str:
    """``url``, if it is one."""
    try:
        scheme, there = urlsplit(url).scheme, urlsplit(url).netloc
    except ValueError:
        scheme, there = "", ""
    if scheme not in ("ws", "wss", "http", "https") or not there:
        raise ValueError("must be a ws:// or wss:// url")
    return url


class LiveKitConfig(BaseModel):
    """A room brought along, in the reference's spelling or the guide's url, token."""

    livekit_url: str
    livekit_client_token: str
    livekit_room: str = ""

    @model_validator(mode="before")
    @classmethod
    def _both_spellings(cls, given: Any) -> Any:
        if isinstance(given, dict):
            renamed = {"url": "livekit_url", "token": "livekit_client_token"}
            given = {renamed.get(name, name): value for name, value in given.items()}
        return given

    @field_validator("livekit_url")
    @classmethod
    def _is_url(cls, url: str) -> str:
        return livekit_url(url)

    def external_room(self) -> ExternalRoom:
        """The room's name is in the token when it is not given."""
        room = parse_room_token(
            self.livekit_url, self.livekit_client_token, "livekit_config's"
        )
        named = self.livekit_room or room.room
        return dataclasses.replace(room, room=named)


def parse_room_token(url: str, token: str, whose: str) -> ExternalRoom:
    """All that a LiveKit access token says; whether it is true, LiveKit knows."""
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except jwt.InvalidTokenError:
        raise Refused(
            422, f"{whose} token is not a LiveKit access token (a JWT)"
        ) from None
    video = _object(claims.get("video"))
    if video.get("canPublish") is False or video.get("canPublishData") is False:
        raise Refused(
            422,
            f"{whose} token forbids publishing; the avatar needs "
            "canPublish and canPublishData",
        )
    behalf = _object(claims.get("attributes")).get(ON_BEHALF_ATTRIBUTE)
    return ExternalRoom(
        url,
        str(video.get("room") or ""),
        token,
        str(claims.get("sub") or ""),
        str(behalf or ""),
    )


def _object(claim: Any) -> dict[str, Any]:
    return claim if isinstance(claim, dict) else {}


class TokenRequest(BaseModel):
    """``POST /v1/sessions/token``."""

    avatar_id: str = Field(min_length=1, max_length=200)
    mode: Literal["LITE", "CUSTOM", "FULL"] = "LITE"
    is_sandbox: bool = False
    max_session_duration: int | None = Field(default=None, gt=0)
    video_settings: VideoSettings | None = None
    video_quality: str | None = None  # where LiveKit's plugin puts it
    video_encoding: Literal["H264", "VP8"] | None = None
    livekit_config: LiveKitConfig | None = None
    avatar_persona: Any = None  # of no use in LITE mode; sent all the same
    elevenlabs_agent_config: dict[str, Any] | None = None
    openai_realtime_config: dict[str, Any] | None = None
    gemini_realtime_config: dict[str, Any] | None = None
    agora_config: dict[str, Any] | None = None

    def order(self, avatar: str, most_s: float, note: str) -> SessionConfig:
        """What is to be minted, or `Refused` with what this server cannot do."""
        self._refuse_what_is_not_here()
        longest_s = self.max_session_duration or most_s
        if longest_s > most_s:
            raise Refused(
                422, f"max_session_duration is {longest_s}; at most {most_s:.0f} here"
            )
        video = self.video_settings or VideoSettings(
            quality=self.video_quality or DEFAULT,
            encoding=self.video_encoding or "H264",
        )
        return SessionConfig(
            avatar=avatar,
            quality=parse_quality(video.quality),
            codec=video.encoding,
            max_duration_s=min(longest_s, SANDBOX_S) if self.is_sandbox else longest_s,
            sandbox=self.is_sandbox,
            external_room=self.livekit_config.external_room()
            if self.livekit_config
            else None,
            context_id=_context_id(self.avatar_persona),
            note=note,
        )

    def _refuse_what_is_not_here(self) -> None:
        if self.mode == "FULL":
            raise Refused(
                422, 'mode FULL is not offered here; mint with {"mode": "LITE"}'
            )
        for name in _CONNECTORS:
            if getattr(self, name) is not None:
                raise Refused(
                    422, f"{name} is not offered here; send speech over the ws_url"
                )


def _context_id(persona: Any) -> str | None:
    """History remembers whose words a session was to speak."""
    named = persona.get("context_id") if isinstance(persona, dict) else None
    try:
        return str(uuid.UUID(named)) if isinstance(named, str) else None
    except ValueError:
        return None


class StopRequest(BaseModel):
    """``POST /v1/sessions/stop``; everything is optional with a session token."""

    session_id: str | None = None
    reason: str | None = None

    @property
    def end_reason(self) -> EndReason:
        try:
            return EndReason(self.reason or EndReason.USER_CLOSED)
        except ValueError:
            return EndReason.UNKNOWN


class KeepAliveRequest(BaseModel):
    """``POST /v1/sessions/keep-alive``."""

    session_id: str | None = None
