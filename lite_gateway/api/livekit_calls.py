"""
The calls by which agents bring an avatar into their room, as plugins make them.

`start-avatar` and `stop-avatar` are Avaluma's, `launch` is LiveKit's example and
bitHuman's container.  They are answered at once; the avatar joins in the background.
Answers are plain objects, which is what their callers read; errors are the service's.
"""

import time
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from lite_gateway.api.dependencies import Bearer, Key, Serving, keyed
from lite_gateway.api.envelope import KEYED, Named, problems
from lite_gateway.api.livekit_requests import AvatarRequest
from lite_gateway.api.sessions import check_not_elsewhere, choose
from lite_gateway.auth.api_keys import Principal, Scope
from lite_gateway.errors import Refused
from lite_gateway.service import Service
from lite_gateway.sessions.request import SessionOwner
from lite_gateway.store import history
from protocol.lite.messages import EndReason

avatar_calls = APIRouter(tags=["avatars in agents' rooms"])

_FORM_FIELDS_MAX = 32


class LaunchedAvatar(BaseModel):
    session_id: str
    status: str = "started"
    avatar_participant_identity: str
    room_name: str
    message: str = ""


class StoppedAvatar(BaseModel):
    session_id: str
    status: str = "stopped"


class StopAvatar(BaseModel):
    session_id: Named


class Keys:
    """
    The API key, wherever a plugin puts the one that it has: ``X-API-KEY``,
    ``api-secret``, ``Authorization: Bearer``, or the body.
    """

    def __init__(
        self,
        serving: Serving,
        key: Key,
        bearer: Bearer,
        api_secret: Annotated[str | None, Header(description="an API key")] = None,
    ) -> None:
        self._serving = serving
        token = bearer.credentials if bearer else None
        self._sent = next((each for each in (key, api_secret, token) if each), None)

    async def caller(self, in_body: str = "") -> Principal:
        """Who may mint sessions, or `Refused`."""
        return await keyed(self._serving, self._sent or in_body or None, Scope.MINT)


ByKey = Annotated[Keys, Depends()]


@avatar_calls.post(
    "/v1/livekit/start-avatar", responses={**KEYED, **problems(404, 409)}
)
async def start_avatar(
    wanted: AvatarRequest, serving: Serving, by: ByKey
) -> LaunchedAvatar:
    """Let an avatar join a room. The same call again finds the same session."""
    return await launched(serving, wanted, await by.caller(wanted.key))


@avatar_calls.post("/v1/livekit/stop-avatar", responses={**KEYED, **problems(404, 409)})
async def stop_avatar(wanted: StopAvatar, serving: Serving, by: ByKey) -> StoppedAvatar:
    """Let it leave. It also does when its agent has left."""
    caller = await by.caller()
    past = await serving.store.run(lambda db: history.find(db, wanted.session_id))
    if past is None or not caller.can_access(past.key_id):
        raise Refused(404, "no such session")
    if serving.sessions.get(wanted.session_id) is None:
        await check_not_elsewhere(serving, wanted.session_id)
    await serving.sessions.stop(wanted.session_id, EndReason.USER_CLOSED)
    return StoppedAvatar(session_id=wanted.session_id)


async def launch_body(request: Request) -> AvatarRequest:
    """JSON, or the form that the container takes."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    given: Any
    if kind in ("application/x-www-form-urlencoded", "multipart/form-data"):
        async with request.form(
            max_files=1, max_fields=_FORM_FIELDS_MAX, max_part_size=64 << 10
        ) as form:
            given = {name: _named(value) for name, value in form.items()}
    else:
        try:
            given = await request.json()
        except (ValueError, RecursionError):
            raise Refused(422, "the body is not JSON; send an object") from None
    try:
        return AvatarRequest.model_validate(given)
    except ValidationError as wrong:
        raise RequestValidationError(wrong.errors()) from None


def _named(value: Any) -> str:
    """A picture is not kept: it only counts that there was one."""
    return value if isinstance(value, str) else "a file"


_EITHER: dict[str, Any] = {
    "required": True,
    "content": {
        kind: {"schema": AvatarRequest.model_json_schema()}
        for kind in ("application/json", "application/x-www-form-urlencoded")
    },
}


@avatar_calls.post(
    "/launch",
    responses={**KEYED, **problems(400, 404, 409, 422)},
    openapi_extra={"requestBody": _EITHER},
)
async def launch(
    wanted: Annotated[AvatarRequest, Depends(launch_body)], serving: Serving, by: ByKey
) -> LaunchedAvatar:
    """The same in the words of LiveKit's example and of bitHuman's container."""
    return await launched(serving, wanted, await by.caller(wanted.key))


async def launched(
    serving: Service, wanted: AvatarRequest, by: Principal
) -> LaunchedAvatar:
    config = serving.config
    avatar, note = await choose(serving, wanted.avatar_id or config.default_avatar)
    if wanted.avatar_image is not None and not wanted.avatar_id:
        note = f"no avatar is made of a picture here: showing {avatar.name}"
    now_s = time.time()  # noqa: TID251 - a token's
    order = wanted.order(
        avatar.name, config.stream_quality, config.max_session_s, now_s
    )
    record = await serving.sessions.start_in_background(
        order, SessionOwner(by.id, by.sessions)
    )
    assert order.external_room is not None
    return LaunchedAvatar(
        session_id=record.id,
        avatar_participant_identity=order.external_room.identity,
        room_name=order.external_room.room,
        message=note,
    )
