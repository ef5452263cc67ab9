"""Request body of start-avatar and launch: an avatar in the room of an agent."""

from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    Field,
    field_validator,
)

from lite_gateway.api.session_requests import (
    check_livekit_url,
    check_same_room,
    external_room,
    read_room_claims,
)
from lite_gateway.errors import Refused
from lite_gateway.sessions.session_config import ExternalRoom, SessionConfig
from lite_gateway.video_quality import parse_quality


class AvatarRequest(BaseModel):
    """
    Body of ``start-avatar`` and ``launch``, with the field names of every known client.

    ``start-avatar`` takes those of Avaluma's plugin (the present and the earlier ones),
    ``launch`` also those of LiveKit's example and of bitHuman's plugin. If a body has
    several names of one field, the first in the list counts.
    """

    livekit_url: Annotated[
        str,
        AfterValidator(check_livekit_url),
        Field(validation_alias=AliasChoices("livekit_url", "url")),
    ]
    livekit_token: str = Field(
        validation_alias=AliasChoices("livekit_token", "token"), repr=False
    )
    room_name: str = Field(
        "", validation_alias=AliasChoices("room_name", "livekit_room_name")
    )
    avatar_id: str = Field(
        "",
        validation_alias=AliasChoices("avaluma_avatar_id", "avatar_id", "agent_id"),
        max_length=200,
    )
    key: str = Field(
        "",
        validation_alias=AliasChoices("avaluma_key", "avaluma_license_key"),
        repr=False,
    )
    quality: str = ""  # our own extension
    background: str = ""  # our own extension, as in video_settings
    avatar_image: Any = Field(
        None, validation_alias=AliasChoices("avatar_image", "image", "avatar_image_url")
    )

    @field_validator(
        *("room_name", "avatar_id", "key", "quality", "background"), mode="before"
    )
    @classmethod
    def _none_to_empty(cls, text: Any) -> Any:
        return "" if text is None else text

    def session_config(
        self,
        avatar: str,
        default_quality: str,
        max_duration_s: float,
        now_s: float,
        background: str = "",
    ) -> SessionConfig:
        """
        Return the configuration of the session.

        ``now_s`` is Unix time, to see whether the token is valid now. ``background`` is
        that of `lite_gateway.avatars.background_of`. Raise `Refused` if the token or
        the quality is not valid.
        """
        room = self._external_room(now_s)
        return SessionConfig(
            avatar=avatar,
            quality=parse_quality(self.quality or default_quality),
            codec="H264",
            background=background,
            max_duration_s=max_duration_s,
            external_room=room,
            data_stream=True,
        )

    def _external_room(self, now_s: float) -> ExternalRoom:
        claims = read_room_claims(self.livekit_token, "the LiveKit")
        problem = claims.time_problem(now_s)
        if not problem and not claims.identity:
            problem = "names no identity for the avatar"
        if not problem and not (claims.room and claims.may_join):
            problem = "is for no room; grant roomJoin and name the room"
        if problem:
            raise Refused(422, f"the LiveKit token {problem}")
        check_same_room(claims, self.room_name, "the LiveKit")
        return external_room(self.livekit_url, self.livekit_token, claims)
