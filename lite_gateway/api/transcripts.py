"""Transcripts of conversations: read page by page, and deleted."""

import uuid
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from lite_gateway.api.dependencies import AnyPrincipal, ServiceDep, get_session_row
from lite_gateway.api.envelope import AUTH_ERRORS, Envelope, error_responses, ok
from lite_gateway.api.key_first import KeyFirstRoute
from lite_gateway.store import transcripts as stored_transcripts
from lite_gateway.store.models import SessionRow

transcripts = APIRouter(
    prefix="/v1/sessions", tags=["sessions"], route_class=KeyFirstRoute
)

MAX_LINES = 200  # of one response
_RESPONSES = {**AUTH_ERRORS, **error_responses(404)}


class SpokenLine(BaseModel):
    """Words of one turn; times are milliseconds since 1970, and since the start."""

    role: Literal["user", "avatar"]
    transcript: str
    absolute_timestamp: int
    relative_timestamp: int


class Transcript(BaseModel):
    session_active: bool
    next_timestamp: int | None = None
    transcript_data: list[SpokenLine] = []


@transcripts.get("/{session_id}/transcript", responses=_RESPONSES)
async def get_transcript(
    session_id: uuid.UUID,
    service: ServiceDep,
    principal: AnyPrincipal,
    start_timestamp: int | None = None,
    end_timestamp: int | None = None,
) -> Envelope[Transcript]:
    """
    Return what was said between two times, both included, oldest first.

    If there is more, `next_timestamp` is the `start_timestamp` of the next request.
    """
    row = await get_session_row(service, principal, str(session_id))
    rows, following = await service.store.read(
        lambda db: stored_transcripts.page(
            db, row.id, start_timestamp, end_timestamp, MAX_LINES
        )
    )
    lines = [
        SpokenLine.model_validate(
            {
                "role": line.role,
                "transcript": line.text,
                "absolute_timestamp": line.absolute_ms,
                "relative_timestamp": line.relative_ms,
            }
        )
        for line in rows
    ]
    active = row.started_at is not None and row.ended_at is None
    text = "ok" if lines else _why_empty(row, service.config.keeps_transcripts)
    result = Transcript(
        session_active=active, next_timestamp=following, transcript_data=lines
    )
    return ok(result, text)


@transcripts.delete("/{session_id}/events", responses=_RESPONSES)
async def delete_events(
    session_id: uuid.UUID, service: ServiceDep, principal: AnyPrincipal
) -> Envelope[None]:
    """Delete the transcript of a session: nothing else of its events is stored."""
    row = await get_session_row(service, principal, str(session_id))
    await service.transcripts.delete(row.id)
    return ok(None)


def _why_empty(row: SessionRow, kept: bool) -> str:
    if not kept:
        return "this server keeps no transcripts (LITE_TRANSCRIPTS=off)"
    if row.mode == "LITE":
        return (
            "nothing was said, or clients sent the speech: of that this server gets "
            "only audio, and no words"
        )
    return "nothing was said"
