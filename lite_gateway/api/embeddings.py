"""Embeddings: pages that show an avatar to whoever opens them, without an API key."""

import uuid
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.orm import Session as Db

from lite_gateway.api import embed_page
from lite_gateway.api.dependencies import Minter, Serving, Stored
from lite_gateway.api.envelope import KEYED, Envelope, Page, Pagination, done, problems
from lite_gateway.api.session_requests import TokenRequest
from lite_gateway.api.sessions import SessionToken, choose, minted
from lite_gateway.auth.api_keys import Principal
from lite_gateway.errors import Refused
from lite_gateway.service import Service
from lite_gateway.sessions.request import SessionOwner
from lite_gateway.store.models import ContextRow, EmbeddingRow

embeddings = APIRouter(prefix="/v2/embeddings", tags=["embeddings"])
pages = APIRouter(prefix="/embed", tags=["embeddings"])


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


class EmbeddingMade(BaseModel):
    embed_id: str
    url: str
    script: str
    orientation: str


@embeddings.post("", responses={**KEYED, **problems(404)})
async def add_embedding(
    wanted: EmbeddingBody, request: Request, serving: Serving, who: Minter
) -> Envelope[EmbeddingMade]:
    """
    A page, and a script that puts it into another page.

    Whoever has its url may start sessions, at the cost of the key that made it.
    """
    avatar, _ = await choose(serving, wanted.avatar_id)
    # Refused now rather than to every visitor.
    asked = _request(avatar.name, wanted.max_session_duration, wanted.is_sandbox, None)
    asked.order(avatar.name, serving.config.max_session_s, "")

    def add(db: Db) -> str:
        if wanted.context_id and db.get(ContextRow, str(wanted.context_id)) is None:
            raise Refused(404, "context_id: no such context; see GET /v1/contexts")
        row = EmbeddingRow(
            key_id=who.id,
            avatar=avatar.name,
            context_id=str(wanted.context_id) if wanted.context_id else None,
            voice_id=str(wanted.voice_id) if wanted.voice_id else None,
            kind=wanted.type,
            longest_s=wanted.max_session_duration,
            language=wanted.default_language,
            sandbox=wanted.is_sandbox,
            orientation=wanted.orientation,
        )
        db.add(row)
        db.flush()
        return row.id

    embed_id = await serving.store.run(add)
    return done(_made(serving, request, embed_id, wanted.orientation))


@embeddings.get("", responses=KEYED)
async def list_embeddings(
    request: Request,
    serving: Serving,
    who: Minter,
    window: Annotated[Pagination, Depends()],
) -> Envelope[Page[EmbeddingMade]]:
    newest = select(EmbeddingRow).order_by(
        EmbeddingRow.created_at.desc(), EmbeddingRow.id
    )
    rows = await serving.store.run(lambda db: list(db.scalars(newest)))
    mine = [row for row in rows if who.can_access(row.key_id)]
    made = [_made(serving, request, row.id, row.orientation) for row in mine]
    return done(window.of(made))


@embeddings.delete("/{embed_id}", responses={**KEYED, **problems(404)})
async def delete_embedding(
    embed_id: uuid.UUID, store: Stored, who: Minter
) -> Envelope[None]:
    """The page is gone; sessions that it started go on."""

    def delete(db: Db) -> None:
        row = db.get(EmbeddingRow, str(embed_id))
        if row is None or not who.can_access(row.key_id):
            raise Refused(404, "no such embedding; see GET /v2/embeddings")
        db.delete(row)

    await store.run(delete)
    return done(None)


def _text(kind: str) -> dict[int | str, dict[str, Any]]:
    """The answers of an endpoint that is no JSON when it is well."""
    content = {f"text/{kind}": {"schema": {"type": "string"}}}
    return {200: {"content": content}, **problems(404, 503)}


@pages.get("/{embed_id}", response_class=Response, responses=_text("html"))
async def page(embed_id: uuid.UUID, store: Stored) -> HTMLResponse:
    """The page itself; any site may frame it."""
    row = await _find(store, embed_id)
    return HTMLResponse(
        embed_page.page(row.id, row.orientation),
        headers={"Content-Security-Policy": embed_page.POLICY},
    )


@pages.get(
    "/{embed_id}/script.js", response_class=Response, responses=_text("javascript")
)
async def script(
    embed_id: uuid.UUID, request: Request, serving: Serving, store: Stored
) -> Response:
    """Puts the page where the script stands, and speaks to it."""
    row = await _find(store, embed_id)
    text = embed_page.script(
        _base(serving, request), row.id, row.orientation, row.kind == "WIDGET"
    )
    return Response(text, media_type="text/javascript")


@pages.post("/{embed_id}/session", responses=problems(404, 429, 503))
async def open_page(
    embed_id: uuid.UUID, serving: Serving, store: Stored
) -> Envelope[SessionToken]:
    """Mint a session for the page, within the limits of the key that made it."""
    row = await _find(store, embed_id)
    maker = await serving.api_keys.get(row.key_id)
    if maker is None:
        raise Refused(404, "the API key that made this page was revoked")
    serving.api_keys.check_rate(maker)
    return done(await _mint(serving, row, maker))


async def _mint(serving: Service, row: EmbeddingRow, maker: Principal) -> SessionToken:
    wanted = _request(row.avatar, row.longest_s, row.sandbox, row.context_id)
    return await minted(serving, wanted, SessionOwner(maker.id, maker.sessions, row.id))


def _request(
    avatar: str, longest_s: int | None, sandbox: bool, context_id: str | None
) -> TokenRequest:
    """What a client with a key would have asked for."""
    return TokenRequest(
        avatar_id=avatar,
        max_session_duration=longest_s,
        is_sandbox=sandbox,
        avatar_persona={"context_id": context_id},
    )


async def _find(store: Stored, embed_id: uuid.UUID) -> EmbeddingRow:
    row = await store.run(lambda db: db.get(EmbeddingRow, str(embed_id)))
    if row is None:
        raise Refused(404, "no such page; make one with POST /v2/embeddings")
    return row


def _base(serving: Service, request: Request) -> str:
    return (serving.config.public_url or str(request.base_url)).rstrip("/")


def _made(
    serving: Service, request: Request, embed_id: str, orientation: str
) -> EmbeddingMade:
    url = f"{_base(serving, request)}/embed/{embed_id}"
    return EmbeddingMade(
        embed_id=embed_id,
        url=url,
        script=f'<script src="{url}/script.js" async></script>',
        orientation=orientation,
    )
