"""Sessions: minted, started, stopped, listed, remembered."""

import contextlib
import datetime
import time
import uuid
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel
from sqlalchemy import select

from lite_gateway.api.dependencies import (
    Anyone,
    Bearer,
    Key,
    Minter,
    Serving,
    named_session,
    past_of,
    require_session,
)
from lite_gateway.api.envelope import (
    KEYED,
    Envelope,
    Page,
    Pagination,
    done,
    problems,
    stamp,
)
from lite_gateway.api.session_requests import (
    KeepAliveRequest,
    StopRequest,
    TokenRequest,
)
from lite_gateway.auth.api_keys import Scope
from lite_gateway.errors import Refused, StoreUnavailable
from lite_gateway.rooms.server_api import AGENT_IDENTITY_PREFIX
from lite_gateway.service import Service
from lite_gateway.sessions.registry import SessionRecord
from lite_gateway.sessions.request import SessionOwner
from lite_gateway.store import history
from lite_gateway.store.models import AvatarNoteRow, SessionRow, now
from protocol.lite.messages import EndReason
from renderer.avatar import Avatar

sessions = APIRouter(prefix="/v1/sessions", tags=["sessions"])


class SessionToken(BaseModel):
    session_id: str
    session_token: str


class StartedSession(BaseModel):
    session_id: str
    livekit_url: str
    livekit_client_token: str
    livekit_agent_token: str
    max_session_duration: int
    ws_url: str


class SessionItem(BaseModel):
    id: str
    created_at: str
    updated_at: str
    duration: int
    source: str
    mode: str
    is_sandbox: bool
    credits_consumed: float = 0
    avatar_id: str
    embed_id: str | None
    context_id: str | None
    end_at: str | None
    end_reason: str | None
    end_message: str | None


class Transcript(BaseModel):
    session_active: bool
    next_timestamp: int | None = None
    transcript_data: list[dict[str, Any]] = []


@sessions.post("/token", responses={**KEYED, **problems(404)})
async def mint(
    wanted: TokenRequest, serving: Serving, who: Minter
) -> Envelope[SessionToken]:
    """Mint a session. Its configuration is fixed from here on."""
    owner = SessionOwner(who.id, who.sessions)
    return done(await minted(serving, wanted, owner))


async def minted(
    serving: Service, wanted: TokenRequest, owner: SessionOwner
) -> SessionToken:
    avatar, note = await choose(serving, wanted.avatar_id)
    order = wanted.order(avatar.name, serving.config.max_session_s, note)
    record = await serving.sessions.create(order, owner)
    token = serving.tokens.sign(record.id, "LITE", time.time())  # noqa: TID251 - a JWT's
    return SessionToken(session_id=record.id, session_token=token)


async def choose(serving: Service, wanted: str) -> tuple[Avatar, str]:
    """
    The avatar of that id or name, be it the package's or the one that it was given.

    A client of the hosted service brings an id that only exists there: it gets the
    default avatar and is told so, for that is what "change one URL" means.
    """
    if avatar := serving.avatar(wanted) or await _renamed(serving, wanted):
        return avatar, ""
    if broken := serving.packages.why_broken(wanted):
        raise Refused(422, "avatar {}: its package is broken: {}".format(*broken))
    names = ", ".join(sorted(serving.shelf.avatars)) or "none"
    default = serving.avatar(serving.config.default_avatar)
    if default is None or not _is_uuid(wanted):
        raise Refused(404, f"avatar {wanted[:60]!r} is not here; there is: {names}")
    note = f"avatar {wanted} is not here: showing {default.name}; there is: {names}"
    return default, note


async def _renamed(serving: Service, wanted: str) -> Avatar | None:
    if not wanted.isprintable():
        return None
    named = select(AvatarNoteRow.package).where(AvatarNoteRow.name == wanted).limit(1)
    package = await serving.store.run(lambda db: db.scalar(named))
    return serving.avatar(package) if package else None


def _is_uuid(text: str) -> bool:
    return len(text) == 36 and text.count("-") == 4


@sessions.post(
    "/start", status_code=201, responses=problems(400, 401, 404, 409, 429, 502, 503)
)
async def start(
    session_id: Annotated[str, Depends(require_session)],
    serving: Serving,
    request: Request,
) -> Envelope[StartedSession]:
    """
    Let the avatar join its room; answered when it is in.

    A body is not needed and not read.  Starting twice is the same as starting once.
    """
    await _check_maker(serving, session_id)
    started = await serving.sessions.start(session_id)
    if started is None:
        raise await _over(serving, session_id)
    record, which = started
    url, client, agent = _room_of(serving, record, which)
    return done(
        StartedSession(
            session_id=record.id,
            livekit_url=url,
            livekit_client_token=client,
            livekit_agent_token=agent,
            max_session_duration=int(record.config.max_duration_s),
            ws_url=_ws_url(serving, request, record),
        )
    )


async def _check_maker(serving: Service, session_id: str) -> None:
    """A key that was revoked starts nothing more; unless nobody can tell."""
    record = serving.sessions.get(session_id)
    with contextlib.suppress(StoreUnavailable):
        if record and await serving.api_keys.get(record.owner.key_id) is None:
            raise Refused(401, "the API key that minted this session was revoked")


async def _over(serving: Service, session_id: str) -> Refused:
    """Why a session that was minted once is not here."""
    past = await serving.store.run(lambda db: history.find(db, session_id))
    if past is None:
        return Refused(404, "no such session; mint one with POST /v1/sessions/token")
    if past.ended_at is None:
        return Refused(
            409, "another gateway minted this session, or it was forgotten; mint again"
        )
    return Refused(409, f"this session has ended ({past.end_text}); mint a new one")


def _room_of(
    serving: Service, record: SessionRecord, which: int
) -> tuple[str, str, str]:
    """
    Url and tokens of the session's room: the user's and the agent's.

    In a room brought along both tokens are empty: a client that joined with the
    avatar's own identity would push it out.  Each start gets identities of its own,
    so that those who use them do not push each other out either.
    """
    if own := record.config.external_room:
        return own.url, "", ""
    rooms, valid_s = serving.rooms, record.config.max_duration_s
    name = record.id if which == 1 else f"{record.id}-{which}"
    return (
        rooms.public_url,
        rooms.sign_token(record.id, f"user-{name}", valid_s),
        rooms.sign_token(record.id, f"{AGENT_IDENTITY_PREFIX}{name}", valid_s),
    )


def _ws_url(serving: Service, request: Request, record: SessionRecord) -> str:
    base = serving.config.public_url or str(request.base_url)
    return (
        f"ws{base.removeprefix('http').rstrip('/')}/v1/ws/{record.id}/{record.secret}"
    )


@sessions.post("/stop", responses={**KEYED, **problems(409)})
async def stop(
    serving: Serving, bearer: Bearer, key: Key, wanted: StopRequest | None = None
) -> Envelope[None]:
    """Stop a session. Stopping one that is over is not an error."""
    wanted = wanted or StopRequest()
    session_id = await named_session(serving, bearer, key, wanted.session_id)
    if serving.sessions.get(session_id) is None:
        await check_not_elsewhere(serving, session_id)
    await serving.sessions.stop(session_id, wanted.end_reason)
    return done(None)


async def check_not_elsewhere(serving: Service, session_id: str) -> None:
    """What another gateway runs cannot be stopped from here, and should be known."""
    with contextlib.suppress(StoreUnavailable):
        past = await serving.store.run(lambda db: history.find(db, session_id))
        if (
            past
            and not past.ended_at
            and past.instance_id != serving.recorder.instance_id
        ):
            raise Refused(409, "another gateway has this session; stop it there")


@sessions.delete("", responses={**KEYED, **problems(409, 422)})
async def stop_by_delete(serving: Serving, bearer: Bearer, key: Key) -> Envelope[None]:
    """The same as stop, with the session's token."""
    return await stop(serving, bearer, key)


@sessions.post("/keep-alive", responses={**KEYED, **problems(404, 409)})
async def keep_alive(
    serving: Serving, bearer: Bearer, key: Key, wanted: KeepAliveRequest | None = None
) -> Envelope[None]:
    """Start the idle time again."""
    named = wanted.session_id if wanted else None
    session_id = await named_session(serving, bearer, key, named)
    record = serving.sessions.get(session_id)
    if record is None:
        raise await _over(serving, session_id)
    if record.session is not None and record.active:
        record.session.touch()
    return done(None)


@sessions.get("", responses=KEYED)
async def list_sessions(
    serving: Serving,
    who: Anyone,
    window: Annotated[Pagination, Depends()],
    type: Annotated[Literal["active", "historic"], Query()],
    avatar_id: str | None = None,
    embed_id: uuid.UUID | None = None,
    context_id: uuid.UUID | None = None,
) -> Envelope[Page[SessionItem]]:
    """Those that run, or those that ran and ended; newest first."""
    avatar = serving.avatar(avatar_id) if avatar_id is not None else None
    if avatar_id is not None and avatar is None:
        return done(window.page(0, []))
    wanted = history.HistoryFilter(
        active=type == "active",
        key_id=None if Scope.ADMIN in who.scopes else who.id,
        avatar=avatar.name if avatar else None,
        embed_id=str(embed_id) if embed_id else None,
        context_id=str(context_id) if context_id else None,
    )
    count, found = await serving.store.run(
        lambda db: history.list_sessions(db, wanted, window.first, window.size)
    )
    return done(window.page(count, [_item(past) for past in found]))


@sessions.get("/{session_id}", responses={**KEYED, **problems(404)})
async def get_session(
    session_id: uuid.UUID, serving: Serving, who: Anyone
) -> Envelope[SessionItem]:
    return done(_item(await past_of(serving, who, str(session_id))))


@sessions.get("/{session_id}/transcript", responses={**KEYED, **problems(404)})
async def transcript(
    session_id: uuid.UUID,
    serving: Serving,
    who: Anyone,
    start_timestamp: int | None = None,
    end_timestamp: int | None = None,
) -> Envelope[Transcript]:
    """Nothing: in LITE mode this server hears sound, not words, and keeps neither."""
    past = await past_of(serving, who, str(session_id))
    active = past.started_at is not None and past.ended_at is None
    text = "LITE sessions have no transcript: only sound goes through this server"
    return done(Transcript(session_active=active), text)


@sessions.delete("/{session_id}/events", responses={**KEYED, **problems(404)})
async def delete_events(
    session_id: uuid.UUID, serving: Serving, who: Anyone
) -> Envelope[None]:
    """Done at once: events go to the client and are not kept."""
    await past_of(serving, who, str(session_id))
    return done(None, "this server keeps no events of a session")


def _item(past: SessionRow) -> SessionItem:
    duration = datetime.timedelta()
    if past.started_at is not None:
        duration = (past.ended_at or now()) - past.started_at
    known = EndReason.UNKNOWN.value if past.ended_at else None
    return SessionItem(
        id=past.id,
        created_at=stamp(past.created_at),
        updated_at=stamp(past.ended_at or past.started_at or past.created_at),
        duration=int(duration.total_seconds()),
        source=past.source,
        mode=past.mode,
        is_sandbox=past.sandbox,
        avatar_id=past.avatar,
        embed_id=past.embed_id,
        context_id=past.context_id,
        end_at=stamp(past.ended_at) if past.ended_at else None,
        end_reason=past.end_reason or known,
        end_message=past.end_text,
    )
