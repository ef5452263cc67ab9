"""Sessions: create, start, stop and list them, and read their history."""

import contextlib
import datetime
import time
import uuid
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel
from sqlalchemy.orm import Session as Db

from lite_gateway.api.conversation_plans import ConversationPlanner
from lite_gateway.api.dependencies import (
    AnyPrincipal,
    MintPrincipal,
    ServiceDep,
    SessionCredentialsDep,
    check_scope,
    get_session_row,
    public_base_url,
    require_session,
)
from lite_gateway.api.envelope import (
    AUTH_ERRORS,
    Envelope,
    Page,
    Pagination,
    error_responses,
    ok,
    timestamp,
)
from lite_gateway.api.key_first import KeyFirstRoute
from lite_gateway.api.session_requests import (
    KeepAliveRequest,
    StopRequest,
    TokenRequest,
)
from lite_gateway.auth.api_keys import Scope
from lite_gateway.conversation.plan import ConversationPlan
from lite_gateway.errors import Refused, StoreUnavailable
from lite_gateway.service import Service
from lite_gateway.sessions.access import room_access, ws_url
from lite_gateway.sessions.session_config import SessionOwner
from lite_gateway.store import history
from lite_gateway.store.models import SessionRow, now
from protocol.lite.messages import EndReason
from renderer.avatar import Avatar

sessions = APIRouter(
    prefix="/v1/sessions", tags=["sessions"], route_class=KeyFirstRoute
)


class SessionToken(BaseModel):
    session_id: str
    session_token: str


class StartedSession(BaseModel):
    session_id: str
    livekit_url: str
    livekit_client_token: str
    livekit_agent_token: str
    max_session_duration: int


class StartedLiteSession(StartedSession):
    """Session whose client sends the speech; others have no ``ws_url``."""

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


@sessions.post("/token", responses={**AUTH_ERRORS, **error_responses(404)})
async def create_session(
    request: TokenRequest, service: ServiceDep, principal: MintPrincipal
) -> Envelope[SessionToken]:
    """Create a session and return its token. Its configuration cannot change later."""
    if request.base_url is not None:
        # The secret is sent there: who may not read it must not choose who does.
        check_scope(principal, Scope.ADMIN)
    owner = SessionOwner(principal.id, principal.max_sessions)
    return await create_session_token(service, request, owner)


async def create_session_token(
    service: Service, request: TokenRequest, owner: SessionOwner
) -> Envelope[SessionToken]:
    """
    Create a session for ``owner`` and sign its token.

    The message of the response has what the caller should know about its settings.
    """
    service.check_accepting()
    avatar, warning = await service.select_avatar(request.avatar_id)
    now_s = time.time()  # noqa: TID251 - times in a JWT are Unix times
    plan = await _conversation(service, request, avatar)
    config = request.session_config(
        *(avatar.name, service.config.max_session_s, warning, now_s, plan),
        background=request.background_of(avatar),
    )
    if room := config.external_room:
        service.addresses.check_spelling(room.url)
    record = await service.sessions.create(config, owner)
    agent = plan.mode if plan is not None else None
    token = service.tokens.sign(record.id, config.mode, now_s, agent)
    notes = request.notes()
    if plan is not None and warning:  # other sessions get it over their socket
        notes.append(warning)
    result = SessionToken(session_id=record.id, session_token=token)
    return ok(result, "; ".join(notes) or "ok")


async def _conversation(
    service: Service, request: TokenRequest, avatar: Avatar
) -> ConversationPlan | None:
    """Return the plan of the conversation that a request asks for, None without one."""
    request.refuse_unsupported()
    mode = request.conversation_mode
    if mode is None:
        return None
    if missing := service.missing_packages(mode):
        raise Refused(422, missing)

    def read(db: Db) -> ConversationPlan:
        planner = ConversationPlanner(
            db, service.config, request, service.built_in_voices
        )
        return planner.plan(mode, avatar)

    plan = await service.store.read(read)
    plan.check_spelling(service.addresses)
    return plan


@sessions.post(
    "/start",
    status_code=201,
    responses=error_responses(400, 401, 404, 409, 422, 429, 502, 503),
)
async def start(
    session_id: Annotated[str, Depends(require_session)],
    service: ServiceDep,
    request: Request,
) -> Envelope[StartedLiteSession | StartedSession]:
    """
    Let the avatar join its room, and answer after it has joined.

    In a conversation the agent joins too, and there is no ``ws_url``.

    The request needs no body. A second start returns the running session, with tokens
    of its own.
    """
    service.check_accepting()
    await _check_key_not_revoked(service, session_id)
    known = service.sessions.get(session_id)
    started = await service.sessions.start(session_id)
    if started is None and known and (end_info := known.requested_end):
        raise _has_ended(end_info.text)  # the history may not know it yet
    if started is None:
        raise await _not_here(service, session_id)
    record, start_number = started
    await service.long_steps.wait()
    access = room_access(service.rooms, record, start_number)
    await service.long_steps.wait()
    session = StartedSession(
        session_id=record.id,
        livekit_url=access.url,
        livekit_client_token=access.user_token,
        livekit_agent_token=access.agent_token,
        max_session_duration=int(record.config.max_duration_s),
    )
    if record.config.conversation is not None:
        return ok(session)
    url = ws_url(public_base_url(service, request), record)
    return ok(StartedLiteSession(**session.model_dump(), ws_url=url))


async def _check_key_not_revoked(service: Service, session_id: str) -> None:
    """
    Refuse to start if the API key that created the session was revoked.

    If the database is down, this check is skipped.
    """
    record = service.sessions.get(session_id)
    with contextlib.suppress(StoreUnavailable):
        if record and await service.api_keys.get(record.owner.key_id) is None:
            raise Refused(401, "the API key that created this session was revoked")


async def _not_here(service: Service, session_id: str) -> Refused:
    """Return the error for a session that is not in this gateway's registry."""
    row = await service.store.read(lambda db: history.find(db, session_id))
    if row is None:
        return Refused(404, "no such session; create one with POST /v1/sessions/token")
    if row.ended_at is None:
        return Refused(
            409,
            "another gateway created this session, or this one dropped it because too "
            "many sessions waited to be started; create a new one",
        )
    return _has_ended(row.end_text)


def _has_ended(text: str | None) -> Refused:
    return Refused(409, f"this session has ended ({text}); create a new one")


@sessions.post("/stop", responses={**AUTH_ERRORS, **error_responses(409)})
async def stop(
    service: ServiceDep,
    credentials: SessionCredentialsDep,
    request: StopRequest | None = None,
) -> Envelope[None]:
    """Stop a session. Stopping a session that has ended is not an error."""
    request = request or StopRequest()
    session_id = await credentials.session_id(request.session_id)
    if service.sessions.get(session_id) is None:
        await check_not_on_another_gateway(service, session_id)
    await service.sessions.stop(session_id, request.end_reason)
    return ok(None)


async def check_not_on_another_gateway(service: Service, session_id: str) -> None:
    """
    Refuse to stop a session that another gateway runs: this one cannot reach it.

    If the database is down, this check is skipped.
    """
    with contextlib.suppress(StoreUnavailable):
        row = await service.store.read(lambda db: history.find(db, session_id))
        own_id = service.recorder.instance_id
        if row and not row.ended_at and row.instance_id != own_id:
            raise Refused(409, "another gateway runs this session; stop it there")


@sessions.delete("", responses={**AUTH_ERRORS, **error_responses(409, 422)})
async def stop_by_delete(
    service: ServiceDep, credentials: SessionCredentialsDep
) -> Envelope[None]:
    """Stop the session of the Bearer token, as POST /v1/sessions/stop does."""
    return await stop(service, credentials)


@sessions.post("/keep-alive", responses={**AUTH_ERRORS, **error_responses(404, 409)})
async def keep_alive(
    service: ServiceDep,
    credentials: SessionCredentialsDep,
    request: KeepAliveRequest | None = None,
) -> Envelope[None]:
    """Restart the idle timeout of a session."""
    body_id = request.session_id if request else None
    session_id = await credentials.session_id(body_id)
    record = service.sessions.get(session_id)
    if record is None:
        raise await _not_here(service, session_id)
    if record.live is not None and record.active:
        record.live.session.mark_active()
    return ok(None)


@sessions.get("", responses=AUTH_ERRORS)
async def list_sessions(
    service: ServiceDep,
    principal: AnyPrincipal,
    pagination: Annotated[Pagination, Depends()],
    type: Annotated[Literal["active", "historic"], Query()],
    avatar_id: str | None = None,
    embed_id: uuid.UUID | None = None,
    context_id: uuid.UUID | None = None,
) -> Envelope[Page[SessionItem]]:
    """List sessions that run (active) or have run (historic), newest first."""
    avatar = service.avatar(avatar_id) if avatar_id is not None else None
    if avatar_id is not None and avatar is None:
        return ok(pagination.page(0, []))
    query = history.HistoryFilter(
        active=type == "active",
        key_id=None if Scope.ADMIN in principal.scopes else principal.id,
        avatar=avatar.name if avatar else None,
        embed_id=str(embed_id) if embed_id else None,
        context_id=str(context_id) if context_id else None,
    )
    count, rows = await service.store.read(
        lambda db: history.list_sessions(
            db, query, offset=pagination.offset, limit=pagination.size
        )
    )
    return ok(pagination.page(count, [_item(row) for row in rows]))


@sessions.get("/{session_id}", responses={**AUTH_ERRORS, **error_responses(404)})
async def get_session(
    session_id: uuid.UUID, service: ServiceDep, principal: AnyPrincipal
) -> Envelope[SessionItem]:
    """Return one session of the history, also while it runs."""
    return ok(_item(await get_session_row(service, principal, str(session_id))))


def _item(row: SessionRow) -> SessionItem:
    duration = datetime.timedelta()
    if row.started_at is not None:
        duration = (row.ended_at or now()) - row.started_at
    default_reason = EndReason.UNKNOWN.value if row.ended_at else None
    return SessionItem(
        id=row.id,
        created_at=timestamp(row.created_at),
        updated_at=timestamp(row.ended_at or row.started_at or row.created_at),
        duration=int(duration.total_seconds()),
        source=row.source,
        mode=row.mode,
        is_sandbox=row.sandbox,
        avatar_id=row.avatar,
        embed_id=row.embed_id,
        context_id=row.context_id,
        end_at=timestamp(row.ended_at) if row.ended_at else None,
        end_reason=row.end_reason or default_reason,
        end_message=row.end_text,
    )
