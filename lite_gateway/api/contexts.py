"""Contexts: prompts and opening texts, stored for agents that ask a language model."""

import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.orm import Session as Db

from lite_gateway.api.conversation_plans import linked_text
from lite_gateway.api.dependencies import AdminPrincipal, AnyPrincipal, StoreDep
from lite_gateway.api.envelope import (
    AUTH_ERRORS,
    Envelope,
    LongText,
    Page,
    Pagination,
    ShortText,
    error_responses,
    ok,
    timestamp,
)
from lite_gateway.api.key_first import KeyFirstRoute
from lite_gateway.conversation.variables import variable_names
from lite_gateway.errors import Refused
from lite_gateway.store.models import ContextRow, new_id

contexts = APIRouter(
    prefix="/v1/contexts", tags=["contexts"], route_class=KeyFirstRoute
)

MAX_LINKS = 100


class Link(BaseModel):
    url: LongText
    faq: LongText
    id: LongText | None = None


class ContextBody(BaseModel):
    name: ShortText
    prompt: LongText
    opening_text: LongText | None
    links: list[Link] | None = Field(default=None, max_length=MAX_LINKS)


class ContextPatch(BaseModel):
    """Changes to a context. A missing field stays as it is."""

    name: ShortText | None = None
    prompt: LongText | None = None
    opening_text: LongText | None = None
    links: list[Link] | None = Field(default=None, max_length=MAX_LINKS)


class ContextSummary(BaseModel):
    id: str
    name: str
    created_at: str
    updated_at: str


class ContextItem(ContextSummary):
    prompt: str
    opening_text: str | None
    links: list[dict[str, Any]]
    required_dynamic_variables: list[str]


@contexts.get("", responses=AUTH_ERRORS)
async def list_contexts(
    store: StoreDep, _: AnyPrincipal, pagination: Annotated[Pagination, Depends()]
) -> Envelope[Page[ContextSummary]]:
    newest = select(ContextRow).order_by(ContextRow.created_at.desc(), ContextRow.id)

    def read(db: Db) -> list[ContextSummary]:
        return [
            ContextSummary(
                id=row.id,
                name=row.name,
                created_at=timestamp(row.created_at),
                updated_at=timestamp(row.updated_at),
            )
            for row in db.scalars(newest)
        ]

    return ok(pagination.paginate(await store.read(read)))


@contexts.post("", responses=AUTH_ERRORS)
async def add_context(
    request: ContextBody, store: StoreDep, _: AdminPrincipal
) -> Envelope[ContextItem]:
    def add(db: Db) -> ContextItem:
        row = ContextRow(
            name=request.name,
            prompt=request.prompt,
            opening_text=request.opening_text,
            links=_links(request.links),
        )
        db.add(row)
        db.flush()
        return _item(row)

    return ok(await store.run(add))


@contexts.get("/{context_id}", responses={**AUTH_ERRORS, **error_responses(404)})
async def get_context(
    context_id: uuid.UUID, store: StoreDep, _: AnyPrincipal
) -> Envelope[ContextItem]:
    return ok(await store.read(lambda db: _item(_find(db, context_id))))


@contexts.patch("/{context_id}", responses={**AUTH_ERRORS, **error_responses(404)})
async def patch_context(
    context_id: uuid.UUID, request: ContextPatch, store: StoreDep, _: AdminPrincipal
) -> Envelope[ContextItem]:
    """Change a context. A missing field stays; so do name and prompt if null."""

    def patch(db: Db) -> ContextItem:
        row = _find(db, context_id)
        row.name = request.name or row.name
        row.prompt = row.prompt if request.prompt is None else request.prompt
        if "opening_text" in request.model_fields_set:
            row.opening_text = request.opening_text
        if "links" in request.model_fields_set:
            row.links = _links(request.links)
        db.flush()
        return _item(row)

    return ok(await store.run(patch))


@contexts.delete("/{context_id}", responses={**AUTH_ERRORS, **error_responses(404)})
async def delete_context(
    context_id: uuid.UUID, store: StoreDep, _: AdminPrincipal
) -> Envelope[None]:
    await store.run(lambda db: db.delete(_find(db, context_id)))
    return ok(None)


def _links(links: list[Link] | None) -> list[dict[str, Any]]:
    return [{**link.model_dump(), "id": link.id or new_id()} for link in links or ()]


def _find(db: Db, context_id: uuid.UUID) -> ContextRow:
    if row := db.get(ContextRow, str(context_id)):
        return row
    raise Refused(404, "no such context; see GET /v1/contexts")


def _item(row: ContextRow) -> ContextItem:
    return ContextItem(
        id=row.id,
        name=row.name,
        prompt=row.prompt,
        opening_text=row.opening_text,
        links=row.links,
        created_at=timestamp(row.created_at),
        updated_at=timestamp(row.updated_at),
        required_dynamic_variables=variable_names(
            row.prompt, linked_text(row), row.opening_text or ""
        ),
    )
