"""
Calls by which agents bring an avatar into their LiveKit room, as plugins make them.

`start-avatar` and `stop-avatar` are Avaluma's API; `launch` is that of LiveKit's
example and of bitHuman's container. A start is answered at once, and the avatar joins
in the background. Responses are plain objects, as these plugins expect. Errors have
the envelope of the other endpoints.
"""

import time
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from lite_gateway.api.dependencies import (
    BearerToken,
    KeyHeader,
    ServiceDep,
    authenticate,
    check_scope,
)
from lite_gateway.api.envelope import AUTH_ERRORS, ShortText, error_responses
from lite_gateway.api.json_body import (
    JSON_TYPE,
    content_type,
    is_json,
    read_json,
    refuse_surrogates,
)
from lite_gateway.api.key_first import KeyFirstRoute, checked_first
from lite_gateway.api.livekit_requests import AvatarRequest
from lite_gateway.api.sessions import check_not_on_another_gateway
from lite_gateway.auth.api_keys import Principal, Scope
from lite_gateway.avatars import background_of
from lite_gateway.errors import Refused
from lite_gateway.service import Service
from lite_gateway.sessions.session_config import SessionOwner
from lite_gateway.store import history
from protocol.lite.messages import EndReason

livekit_calls = APIRouter(tags=["avatars in agents' rooms"], route_class=KeyFirstRoute)

_MAX_FORM_FIELDS = 32


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
    session_id: ShortText


def _header_key(request: Request) -> str | None:
    """Return the API key of the headers, None if the body may have it."""
    headers = request.headers
    kind, _, token = headers.get("authorization", "").partition(" ")
    bearer = token.strip() if kind.lower() == "bearer" else None
    return headers.get("x-api-key") or headers.get("api-secret") or bearer or None


async def _check_header_key(request: Request) -> None:
    """
    Check the key of the headers.

    A key in the body needs JSON: a page of another site can make a browser send text
    and forms, but neither JSON nor these headers, unless the server allows its origin.
    """
    if key := _header_key(request):
        check_scope(await authenticate(request, key), Scope.MINT)
    elif not _has_body(request):
        await authenticate(request, None)
    elif not is_json(request):
        raise Refused(
            415,
            "send your API key in the header X-API-KEY, or as avaluma_key in a body "
            f"with the header Content-Type: {JSON_TYPE}",
        )


def _has_body(request: Request) -> bool:
    headers = request.headers
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers


async def _check_header_key_only(request: Request) -> None:
    check_scope(await authenticate(request, _header_key(request)), Scope.MINT)


class PluginCredentials:
    """
    API key in the headers of a plugin's request.

    Plugins send it as ``X-API-KEY``, ``api-secret`` or ``Authorization: Bearer``.
    """

    def __init__(
        self,
        request: Request,
        _key: KeyHeader,
        _bearer: BearerToken,
        _api_secret: Annotated[
            str | None, Header(alias="api-secret", description="an API key")
        ] = None,
    ) -> None:
        self._request = request

    async def authenticate(self, body_key: str = "") -> Principal:
        """Return the principal if it may create sessions, else raise `Refused`."""
        key = _header_key(self._request) or body_key or None
        return check_scope(await authenticate(self._request, key), Scope.MINT)


@checked_first(_check_header_key)
class LaunchCredentials(PluginCredentials):
    """API key of a request to start an avatar; it may also be in the body."""


@checked_first(_check_header_key_only)
class HeaderCredentials(PluginCredentials):
    """API key of a request to stop an avatar."""


LaunchCredentialsDep = Annotated[LaunchCredentials, Depends()]


@livekit_calls.post(
    "/v1/livekit/start-avatar",
    responses={**AUTH_ERRORS, **error_responses(404, 409, 415)},
)
async def start_avatar(
    body: AvatarRequest, service: ServiceDep, credentials: LaunchCredentialsDep
) -> LaunchedAvatar:
    """
    Send an avatar to a room.

    Repeating the call returns the same session.
    """
    return await launch_avatar(service, body, await credentials.authenticate(body.key))


@livekit_calls.post(
    "/v1/livekit/stop-avatar", responses={**AUTH_ERRORS, **error_responses(404, 409)}
)
async def stop_avatar(
    body: StopAvatar,
    service: ServiceDep,
    credentials: Annotated[HeaderCredentials, Depends()],
) -> StoppedAvatar:
    """Remove an avatar from its room. It also leaves after its agent has left."""
    principal = await credentials.authenticate()
    row = await service.store.read(lambda db: history.find(db, body.session_id))
    if row is None or not principal.can_access(row.key_id):
        raise Refused(404, "no such session")
    if service.sessions.get(body.session_id) is None:
        await check_not_on_another_gateway(service, body.session_id)
    await service.sessions.stop(body.session_id, EndReason.USER_CLOSED)
    return StoppedAvatar(session_id=body.session_id)


async def parse_launch_body(request: Request) -> AvatarRequest:
    """Parse the body of ``launch``: JSON, or a form, as bitHuman's container allows."""
    body: Any
    # `curl -d` calls every body a form, also JSON. No form of ours begins so.
    if content_type(request) in _FORMS and not await _begins_like_json(request):
        async with request.form(
            max_files=1, max_fields=_MAX_FORM_FIELDS, max_part_size=64 << 10
        ) as form:
            body = {name: _form_text(value) for name, value in form.items()}
        refuse_surrogates(body)
    else:
        body = await read_json(request)
    try:
        return AvatarRequest.model_validate(body)
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from None


_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


async def _begins_like_json(request: Request) -> bool:
    return (await request.body()).lstrip().startswith(b"{")


def _form_text(value: Any) -> str:
    """Return a form field; an uploaded image is dropped, only its presence counts."""
    return value if isinstance(value, str) else "a file"


_LAUNCH_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        kind: {"schema": AvatarRequest.model_json_schema()}
        for kind in ("application/json", "application/x-www-form-urlencoded")
    },
}


@livekit_calls.post(
    "/launch",
    responses={**AUTH_ERRORS, **error_responses(400, 404, 409, 415, 422)},
    openapi_extra={"requestBody": _LAUNCH_BODY},
)
async def launch(
    body: Annotated[AvatarRequest, Depends(parse_launch_body)],
    service: ServiceDep,
    credentials: LaunchCredentialsDep,
) -> LaunchedAvatar:
    """
    Send an avatar to a room.

    Takes the body of LiveKit's example and of bitHuman's container; otherwise the same
    as start-avatar.
    """
    return await launch_avatar(service, body, await credentials.authenticate(body.key))


async def launch_avatar(
    service: Service, body: AvatarRequest, principal: Principal
) -> LaunchedAvatar:
    """Start a session in the background, or return the one that is there already."""
    service.check_accepting()
    config = service.config
    avatar, warning = await service.select_avatar(
        body.avatar_id or config.default_avatar
    )
    if body.avatar_image is not None and not body.avatar_id:
        warning = f"this server makes no avatar from a picture: showing {avatar.name}"
    now_s = time.time()  # noqa: TID251 - a token's expiry is Unix time
    session_config = body.session_config(
        *(avatar.name, config.stream_quality, config.max_session_s, now_s),
        background=background_of(avatar, body.background, "background"),
    )
    room = session_config.external_room
    assert room is not None
    # It is checked again at the moment of joining. Here the caller can be told.
    await service.addresses.check(room.url)
    owner = SessionOwner(principal.id, principal.max_sessions)
    record = await service.sessions.start_in_background(session_config, owner)
    return LaunchedAvatar(
        session_id=record.id,
        avatar_participant_identity=room.identity,
        room_name=room.room,
        message=warning,
    )
