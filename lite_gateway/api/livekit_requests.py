"""What callers send who want an avatar in the room of their agent."""

from typing import Annotated, Any

import jwt
from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    Field,
    field_validator,
)

from lite_gateway.api.session_requests import livekit_url, parse_room_token
from lite_gateway.errors import Refused
from lite_gateway.sessions.request import ExternalRoom, SessionConfig
from lite_gateway.video_quality import parse_quality


def _either(*names: str) -> AliasChoices:
    return AliasChoices(*names)


class AvatarRequest(BaseModel):
    """
    ``start-avatar`` as Avaluma's plugin sends it now and did before, and ``launch`` as
    LiveKit's example and bitHuman's plugin do; the first name that is there counts.
    """

    livekit_url: Annotated[
        str,
        AfterValidator(livekit_url),
        Field(validation_alias=_either("livekit_url", "url")),
    ]
    livekit_token: str = Field(
        validation_alias=_either("livekit_token", "token"), repr=False
    )
    room_name: str = Field(
        "", validation_alias=_either("room_name", "livekit_room_name")
    )
    avatar_id: str = Field(
        "",
        validation_alias=_either("avaluma_avatar_id", "avatar_id", "agent_id"),
        max_length=200,
    )
    key: str = Field(
        "",
        validation_alias=_either("avaluma_key", "avaluma_license_key"),
        repr=False,
    )
    quality: str = ""  # ours alone
    avatar_image: Any = Field(
        None, validation_alias=_either("avatar_image", "image", "avatar_image_url")
    )

    @field_validator("room_name", "avatar_id", "key", "quality", mode="before")
    @classmethod
    def _none_is_nothing(cls, given: Any) -> Any:
        return "" if given is None else given

    def order(
        self, avatar: str, picture: str, longest_s: float, now_s: float
    ) -> SessionConfig:
        """What is to be launched, or `Refused` with what is wrong with the token."""
        room = self._room(now_s)
        return SessionConfig(
            avatar=avatar,
            quality=parse_quality(self.quality or picture),
            codec="H264",
            max_duration_s=longest_s,
            external_room=room,
            data_stream=True,
        )

    def _room(self, now_s: float) -> ExternalRoom:
        room = parse_room_token(self.livekit_url, self.livekit_token, "the LiveKit")
        expires_s = jwt.decode(
            self.livekit_token, options={"verify_signature": False}
        ).get("exp")
        wrong = ""
        if isinstance(expires_s, int | float) and expires_s < now_s:
            wrong = "has expired"
        elif not room.identity:
            wrong = "names no identity for the avatar"
        elif not room.room:
            wrong = "is for no room; it must grant roomJoin and name one"
        elif self.room_name and self.room_name != room.room:
            wrong = f"is for the room {room.room[:60]!r}, the call for another one"
        if wrong:
            raise Refused(422, f"the LiveKit token {wrong}")
        return room
