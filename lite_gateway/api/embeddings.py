"""Embeddings: web pages that show an avatar to visitors who have no API key."""

import uuid
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import BaseModel, Field
from sqlalchemy import func, select
from sqlalchemy.orm import Session as Db

from lite_gateway.api import embed_page
from lite_gateway.api.dependencies import (
    MintPrincipal,
    ServiceDep,
    StoreDep,
    public_base_url,
)
from lite_gateway.api.envelope import (
    AUTH_ERRORS,
    Envelope,
    Page,
    Pagination,
    error_responses,
    ok,
)
from lite_gateway.api.key_first import KeyFirstRoute
from lite_gateway.api.session_requests import (
    DEFAULT_ENCODING,
    Encoding,
    TokenRequest,
    VideoSettings,
)
from lite_gateway.api.sessions import SessionToken, create_session_token
from lite_gateway.auth.api_keys import Scope
from lite_gateway.avatars import background_of
from lite_gateway.errors import Refused
from lite_gateway.service import Service
from lite_gateway.sessions.session_config import SessionOwner
from lite_gateway.store.engine import Store
from lite_gateway.store.models import ContextRow, EmbeddingRow

embeddings = APIRouter(
    prefix="/v2/embeddings", tags=["embeddings"], route_class=KeyFirstRoute
)
pages = APIRouter(prefix="/embed", tags=["embeddings"], route_class=KeyFirstRoute)


class EmbeddingBody(BaseModel):
    avatar_id: str = Field(min_length=1, max_length=200)
    context_id: uuid.UUID | None = None
    voice_id: uuid.UUID | None = None
    type: Literal["DEFAULT", "WIDGET"] = "DEFAULT"
    max_session_duration: int | None = Field(default=None, gt=0, le=86_400)
    default_language: str | None = Field(
        default=None, pattern="^[A-Za-z-]*$", max_length=5
    )
    is_sandbox: bool = False
    orientation: Literal["horizontal", "vertical"] = "horizontal"
    background: str | None = None  # our own extension, as in video_settings


class CreatedEmbedding(BaseModel):
    embed_id: str
    url: str
    script: str
    orientation: str


@embeddings.post("", responses={**AUTH_ERRORS, **error_responses(404)})
async def add_embedding(
    body: EmbeddingBody,
    request: Request,
    service: ServiceDep,
    principal: MintPrincipal,
) -> Envelope[CreatedEmbedding]:
    """
    Create a page that shows an avatar, and a script that embeds it in another page.

    Anyone who has the page's URL can start sessions. They count against the limits of
    the API key that created the page.
    """
    avatar, _ = await service.select_avatar(body.avatar_id)
    # Refuse a bad configuration now, not at every visit of the page. A page names no
    # room, so there is no token whose time could matter.
    background = background_of(avatar, body.background, "background")
    _token_request(
        avatar.name, body.max_session_duration, body.is_sandbox, None
    ).session_config(avatar.name, service.config.max_session_s, "", now_s=0.0)

    def add(db: Db) -> str:
        if body.context_id and db.get(ContextRow, str(body.context_id)) is None:
            raise Refused(404, "context_id: no such context; see GET /v1/contexts")
        row = EmbeddingRow(
            key_id=principal.id,
            avatar=avatar.name,
            context_id=str(body.context_id) if body.context_id else None,
            voice_id=str(body.voice_id) if body.voice_id else None,
            kind=body.type,
            longest_s=body.max_session_duration,
            language=body.default_language,
            sandbox=body.is_sandbox,
            orientation=body.orientation,
            background=background or None,
        )
        db.add(row)
        db.flush()
        return row.id

    embed_id = await service.store.run(add)
    return ok(_created(service, request, embed_id, body.orientation))


@embeddings.get("", responses=AUTH_ERRORS)
async def list_embeddings(
    request: Request,
    service: ServiceDep,
    principal: MintPrincipal,
    pagination: Annotated[Pagination, Depends()],
) -> Envelope[Page[CreatedEmbedding]]:
    # One key may have pages without number: only those of the answer are read.
    own = (
        [] if Scope.ADMIN in principal.scopes else [EmbeddingRow.key_id == principal.id]
    )
    newest = (
        select(EmbeddingRow)
        .where(*own)
        .order_by(EmbeddingRow.created_at.desc(), EmbeddingRow.id)
        .offset(pagination.offset)
        .limit(pagination.size)
    )

    def read(db: Db) -> tuple[int, list[EmbeddingRow]]:
        total = select(func.count()).select_from(EmbeddingRow).where(*own)
        return db.scalar(total) or 0, list(db.scalars(newest))

    count, rows = await service.store.read(read)
    items = [_created(service, request, row.id, row.orientation) for row in rows]
    return ok(pagination.page(count, items))


@embeddings.delete("/{embed_id}", responses={**AUTH_ERRORS, **error_responses(404)})
async def delete_embedding(
    embed_id: uuid.UUID, store: StoreDep, principal: MintPrincipal
) -> Envelope[None]:
    """Delete a page. Sessions that it started go on."""

    def delete(db: Db) -> None:
        row = db.get(EmbeddingRow, str(embed_id))
        if row is None or not principal.can_access(row.key_id):
            raise Refused(404, "no such embedding; see GET /v2/embeddings")
        db.delete(row)

    await store.run(delete)
    return ok(None)


def _text_responses(kind: str) -> dict[int | str, dict[str, Any]]:
    """Describe an endpoint that returns text on success and JSON on errors."""
    content = {f"text/{kind}": {"schema": {"type": "string"}}}
    return {200: {"content": content}, **error_responses(404, 503)}


@pages.get("/{embed_id}", response_class=Response, responses=_text_responses("html"))
async def page(embed_id: uuid.UUID, request: Request, store: StoreDep) -> HTMLResponse:
    """Return the page. Any site may embed it in a frame."""
    row = await _find(store, embed_id)
    return HTMLResponse(
        embed_page.page(row.id, row.orientation),
        headers=request.app.state.embed_headers,
    )


@pages.get(
    "/{embed_id}/script.js",
    response_class=Response,
    responses=_text_responses("javascript"),
)
async def script(
    embed_id: uuid.UUID, request: Request, service: ServiceDep, store: StoreDep
) -> Response:
    """Return a script that inserts the page next to its own tag and controls it."""
    row = await _find(store, embed_id)
    text = embed_page.script(
        public_base_url(service, request), row.id, row.orientation, row.kind == "WIDGET"
    )
    return Response(text, media_type="text/javascript")


@pages.post("/{embed_id}/session", responses=error_responses(404, 429, 503))
async def create_page_session(
    embed_id: uuid.UUID,
    service: ServiceDep,
    store: StoreDep,
    encoding: Encoding = DEFAULT_ENCODING,
) -> Envelope[SessionToken]:
    """
    Create a session for the page, within the limits of the key that created it.

    The page names a codec that its browser can decode.
    """
    row = await _find(store, embed_id)
    creator = await service.api_keys.get(row.key_id)
    if creator is None:
        raise Refused(404, "the API key that created this page was revoked")
    service.api_keys.check_rate(creator)
    request = _token_request(row.avatar, row.longest_s, row.sandbox, row.context_id)
    request.video_settings = VideoSettings(encoding=encoding, background=row.background)
    owner = SessionOwner(creator.id, creator.max_sessions, row.id)
    return await create_session_token(service, request, owner)


def _token_request(
    avatar: str, max_duration_s: int | None, sandbox: bool, context_id: str | None
) -> TokenRequest:
    """Build the request that a client with an API key would send."""
    body = {
        "avatar_id": avatar,
        "max_session_duration": max_duration_s,
        "is_sandbox": sandbox,
        "avatar_persona": {"context_id": context_id},
    }
    return TokenRequest.model_validate(body)


async def _find(store: Store, embed_id: uuid.UUID) -> EmbeddingRow:
    row = await store.read_public(lambda db: db.get(EmbeddingRow, str(embed_id)))
    if row is None:
        raise Refused(404, "no such page; create one with POST /v2/embeddings")
    return row


def _created(
    service: Service, request: Request, embed_id: str, orientation: str
) -> CreatedEmbedding:
    url = f"{public_base_url(service, request)}/embed/{embed_id}"
    return CreatedEmbedding(
        embed_id=embed_id,
        url=url,
        script=f'<script src="{url}/script.js" async></script>',
        orientation=orientation,
    )
