"""Request bodies of /v1/sessions, as clients send them. Unknown fields are ignored."""

import dataclasses
from typing import Any, Literal

from pydantic import BaseModel, Field, field_validator, model_validator

from lite_gateway.api.conversation_requests import ConversationRequest
from lite_gateway.avatars import background_of
from lite_gateway.conversation.plan import ConversationPlan
from lite_gateway.errors import Refused
from lite_gateway.foreign.addresses import NO_URL
from lite_gateway.foreign.hosts import NotAHost, ServerUrl
from lite_gateway.foreign.room_claims import NotAToken, RoomClaims, quoted
from lite_gateway.sessions.registry import SANDBOX_S
from lite_gateway.sessions.session_config import ExternalRoom, SessionConfig
from lite_gateway.video_quality import DEFAULT, parse_quality
from protocol.lite.messages import EndReason
from renderer.avatar import Avatar

Encoding = Literal["H264", "VP8"]
DEFAULT_ENCODING: Encoding = "H264"


class VideoSettings(BaseModel):
    """
    Video quality, codec and background.

    Our own extensions: ``quality`` may be WIDTHxHEIGHT, and ``background`` is a colour
    ``#rrggbb``, ``transparent``, or the name of a picture of the avatar; null and an
    empty text stand for the avatar's own.
    """

    quality: str = DEFAULT
    encoding: Encoding = DEFAULT_ENCODING
    background: str | None = None


def check_livekit_url(url: str) -> str:
    """Return a LiveKit server's URL in its shortest spelling; else `ValueError`."""
    try:
        return str(ServerUrl.parse(url))
    except NotAHost:
        raise ValueError(NO_URL) from None


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

    def external_room(self, now_s: float) -> ExternalRoom:
        """Return the room. ``now_s`` is Unix time, to see if the token has expired."""
        token = self.livekit_client_token
        claims = read_room_claims(token, "livekit_config's")
        if claims.expires_s < now_s:
            raise Refused(422, "livekit_config's token has expired")
        check_same_room(claims, self.livekit_room, "livekit_config's")
        room = external_room(self.livekit_url, token, claims)
        return dataclasses.replace(room, room=claims.room or self.livekit_room)


def read_room_claims(token: str, whose: str) -> RoomClaims:
    """
    Read the claims of a LiveKit access token, without verifying them.

    Raise `Refused` if it is no such token or forbids publishing; the text begins with
    ``whose``, for example "livekit_config's".
    """
    try:
        claims = RoomClaims.read(token)
    except NotAToken:
        raise Refused(
            422, f"{whose} token is not a LiveKit access token (a JWT)"
        ) from None
    if not claims.may_publish:
        raise Refused(
            422,
            f"{whose} token forbids publishing; the avatar needs "
            "canPublish and canPublishData",
        )
    return claims


def check_same_room(claims: RoomClaims, room: str, whose: str) -> None:
    """Raise `Refused` if the request names another room than the token."""
    if room and claims.room and room != claims.room:
        raise Refused(
            422,
            f"{whose} token is for the room {quoted(claims.room)}, but the body names "
            f"the room {quoted(room)}; send a token for that room",
        )


def external_room(url: str, token: str, claims: RoomClaims) -> ExternalRoom:
    """Return the room that a token is for, on the server at ``url``."""
    return ExternalRoom(url, claims.room, token, claims.identity, claims.on_behalf_of)


class TokenRequest(ConversationRequest):
    """Body of ``POST /v1/sessions/token``."""

    avatar_id: str = Field(min_length=1, max_length=200)
    is_sandbox: bool = False
    max_session_duration: int | None = Field(default=None, gt=0)
    video_settings: VideoSettings | None = None
    # LiveKit's plugin sends quality and encoding as fields of their own.
    video_quality: str | None = None
    video_encoding: Encoding | None = None
    livekit_config: LiveKitConfig | None = None

    def session_config(
        self,
        avatar: str,
        max_s: float,
        warning: str,
        now_s: float,
        conversation: ConversationPlan | None = None,
        background: str = "",
    ) -> SessionConfig:
        """
        Return the configuration of the session.

        ``background`` is that of `background_of`, ``max_s`` is the longest session that
        this server allows, ``now_s`` is Unix time. Raise `Refused` if the request needs
        a feature that this server does not have, or names a room that cannot be joined.
        """
        self.refuse_unsupported()
        duration_s = self.max_session_duration or max_s
        if duration_s > max_s:
            raise Refused(
                422,
                f"max_session_duration is {duration_s}; this server allows at most "
                f"{max_s:.0f} (seconds)",
            )
        if self.is_sandbox:
            duration_s = min(duration_s, SANDBOX_S)
        livekit = self._room_of_client()
        video = self.video_settings or VideoSettings(
            quality=self.video_quality or DEFAULT,
            encoding=self.video_encoding or DEFAULT_ENCODING,
        )
        return SessionConfig(
            avatar=avatar,
            quality=parse_quality(video.quality),
            codec=video.encoding,
            background=background,
            max_duration_s=duration_s,
            sandbox=self.is_sandbox,
            external_room=livekit.external_room(now_s) if livekit else None,
            context_id=self.context_id,
            conversation=conversation,
            warning=warning,
        )

    def background_of(self, avatar: Avatar) -> str:
        """Return the background of the session; `Refused` if the avatar has no such."""
        wanted = self.video_settings.background if self.video_settings else None
        return background_of(avatar, wanted, "video_settings.background")

    def _room_of_client(self) -> LiveKitConfig | None:
        """Return the client's own room; conversations have a room of the server."""
        if self.mode == "FULL":
            return None
        if self.livekit_config is not None and self.conversation_mode is not None:
            raise Refused(
                422,
                "livekit_config is not possible with a connector: its agent needs a "
                "room of this server",
            )
        return self.livekit_config


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
