"""
The control plane over HTTP: sessions and avatars, in the service's envelope.

Every endpoint is a coroutine, also those that never wait: sessions live on the event
loop, and FastAPI calls plain functions from threads.
"""

import datetime
import time
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field

from lite_gateway.auth import (
    Bearer,
    Key,
    Serving,
    named_session,
    require_key,
    require_session,
)
from lite_gateway.errors import Refused
from lite_gateway.service import Service
from lite_gateway.sessions import Entry
from lite_gateway.wanted import KeepAliveRequest, StopRequest, TokenRequest
from renderer.avatar import Avatar

SUCCESS = 1000  # the browser SDK takes nothing else for success

sessions = APIRouter(prefix="/v1/sessions", tags=["sessions"])
avatars = APIRouter(prefix="/v1/avatars", tags=["avatars"])
_keyed = [Depends(require_key)]


class Envelope(BaseModel):
    """Every answer that is not an error."""

    code: int = SUCCESS
    data: Any = None
    message: str = "ok"


def done(data: Any = None) -> Envelope:
    return Envelope(data=data)


@sessions.post("/token", dependencies=_keyed)
async def mint(wanted: TokenRequest, serving: Serving) -> Envelope:
    """Mint a session. Its configuration is fixed from here on."""
    avatar, note = _choose(serving, wanted.avatar_id)
    order = wanted.order(avatar.name, serving.config.max_session_s, note)
    entry = serving.sessions.mint(order)
    token = serving.tokens.mint(entry.id, "LITE", time.time())  # noqa: TID251 - a JWT's
    return done({"session_id": entry.id, "session_token": token})


def _choose(serving: Service, wanted: str) -> tuple[Avatar, str]:
    """
    The avatar of that name or id.

    A client of the hosted service brings an id that only exists there: it gets the
    default avatar and is told so, for that is what "change one URL" means.
    """
    if avatar := serving.avatar(wanted):
        return avatar, ""
    names = ", ".join(sorted(serving.shelf.avatars)) or "none"
    default = serving.avatar(serving.config.default_avatar)
    if default is None or not _is_uuid(wanted):
        raise Refused(404, f"avatar {wanted[:60]!r} is not here; there is: {names}")
    note = f"avatar {wanted} is not here: showing {default.name}; there is: {names}"
    return default, note


def _is_uuid(text: str) -> bool:
    return len(text) == 36 and text.count("-") == 4


@sessions.post("/start", status_code=201)
async def start(
    session_id: Annotated[str, Depends(require_session)],
    serving: Serving,
    request: Request,
) -> Envelope:
    """
    Let the avatar join its room; answered when it is in.

    A body is not needed and not read.  Starting twice is the same as starting once.
    """
    entry = await serving.sessions.start(session_id)
    return done(
        {
            "session_id": entry.id,
            **_room_of(serving, entry),
            "max_session_duration": int(entry.order.longest_s),
            "ws_url": _ws_url(serving, request, entry),
        }
    )


def _room_of(serving: Service, entry: Entry) -> dict[str, str]:
    """
    Url and tokens of the session's room.

    In a room brought along both tokens are empty: a client that joined with the
    avatar's own identity would push it out.
    """
    if own := entry.order.own_room:
        return {
            "livekit_url": own.url,
            "livekit_client_token": "",
            "livekit_agent_token": "",
        }
    rooms, valid_s = serving.rooms, entry.order.longest_s
    return {
        "livekit_url": rooms.public_url,
        "livekit_client_token": rooms.token(entry.id, f"user-{entry.id}", valid_s),
        "livekit_agent_token": rooms.token(entry.id, f"agent-{entry.id}", valid_s),
    }


def _ws_url(serving: Service, request: Request, entry: Entry) -> str:
    base = serving.config.public_url or str(request.base_url)
    return f"ws{base.removeprefix('http').rstrip('/')}/v1/ws/{entry.id}/{entry.secret}"


@sessions.post("/stop")
async def stop(
    serving: Serving, bearer: Bearer, key: Key, wanted: StopRequest | None = None
) -> Envelope:
    """Stop a session. Stopping one that is over is not an error."""
    wanted = wanted or StopRequest()
    session_id = named_session(serving, bearer, key, wanted.session_id)
    serving.sessions.stop(session_id, wanted.end_reason)
    return done()


@sessions.delete("")
async def stop_by_delete(serving: Serving, bearer: Bearer, key: Key) -> Envelope:
    """The same as stop, with the session's token."""
    return await stop(serving, bearer, key)


@sessions.post("/keep-alive")
async def keep_alive(
    serving: Serving, bearer: Bearer, key: Key, wanted: KeepAliveRequest | None = None
) -> Envelope:
    """Start the idle time again."""
    named = wanted.session_id if wanted else None
    entry = serving.sessions.get(named_session(serving, bearer, key, named))
    if entry.session is not None and entry.active:
        entry.session.touch()
    return done()


@sessions.get("", dependencies=_keyed)
async def list_sessions(
    serving: Serving,
    type: Annotated[Literal["active", "historic"], Query()],
    page: Annotated[int, Query(ge=1)] = 1,
    page_size: Annotated[int, Query(ge=1, le=100)] = 20,
    avatar_id: str | None = None,
) -> Envelope:
    """Active sessions, or those that ended since the server started; newest first."""
    entries = serving.sessions.listed(active=type == "active")
    if avatar_id is not None:
        avatar = serving.avatar(avatar_id)
        name = avatar.name if avatar else None
        entries = [entry for entry in entries if entry.order.avatar == name]
    return done(_page([_item(entry) for entry in entries], page, page_size))


@sessions.get("/{session_id}", dependencies=_keyed)
async def get_session(session_id: str, serving: Serving) -> Envelope:
    return done(_item(serving.sessions.get(session_id)))


def _item(entry: Entry) -> dict[str, Any]:
    item: dict[str, Any] = {
        "id": entry.id,
        "created_at": _stamp(entry.created),
        "updated_at": _stamp(entry.updated or entry.created),
        "duration": int(entry.duration_s),
        "source": "API",
        "mode": "LITE",
        "is_sandbox": entry.order.sandbox,
        "credits_consumed": 0,
        "avatar_id": entry.order.avatar,
    }
    if entry.ending is not None:
        item["end_at"] = _stamp(entry.updated or entry.created)
        item["end_reason"] = entry.ending.reason.value
    return item


def _stamp(when: datetime.datetime) -> str:
    return when.isoformat(timespec="milliseconds")


class Paged(BaseModel):
    count: int
    next: str | None = None
    previous: str | None = None
    results: list[dict[str, Any]] = Field(default_factory=list)


def _page(items: list[dict[str, Any]], page: int, size: int) -> Paged:
    first = (page - 1) * size
    there = f"?page={{}}&page_size={size}"
    return Paged(
        count=len(items),
        next=there.format(page + 1) if first + size < len(items) else None,
        previous=there.format(page - 1) if page > 1 else None,
        results=items[first : first + size],
    )


@avatars.get("/public")
async def public_avatars(
    serving: Serving,
    page: Annotated[int, Query(ge=1)] = 1,
    page_size: Annotated[int, Query(ge=1, le=100)] = 20,
) -> Envelope:
    """The avatars that this server can show."""
    names = sorted(serving.shelf.avatars)
    items = [_avatar_item(serving.shelf.avatars[name]) for name in names]
    return done(_page(items, page, page_size))


def _avatar_item(avatar: Avatar) -> dict[str, Any]:
    return {
        "id": str(avatar.id),
        "type": "VIDEO",
        "status": "ACTIVE",
        "name": avatar.name,
        "title": avatar.title,
        "preview_url": None,
        "is_expired": False,
        "default_voice": None,
        "is_1080p": True,
        "error_message": None,
    }
