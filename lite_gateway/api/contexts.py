"""Contexts: what an agent is to know and to say, kept for those who ask a model."""

import re
import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.orm import Session as Db

from lite_gateway.api.dependencies import Admin, Anyone, Stored
from lite_gateway.api.envelope import (
    KEYED,
    Envelope,
    Named,
    Page,
    Pagination,
    Text,
    done,
    problems,
    stamp,
)
from lite_gateway.errors import Refused
from lite_gateway.store.models import ContextRow, new_id

contexts = APIRouter(prefix="/v1/contexts", tags=["contexts"])

LINKS_MAX = 100
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]{0,63})\}")


class Link(BaseModel):
    url: Text
    faq: Text
    id: Text | None = None


class ContextBody(BaseModel):
    name: Named
    prompt: Text
    opening_text: Text | None
    links: list[Link] | None = Field(default=None, max_length=LINKS_MAX)


class ContextPatch(BaseModel):
    """What is missing stays."""

    name: Named | None = None
    prompt: Text | None = None
    opening_text: Text | None = None
    links: list[Link] | None = Field(default=None, max_length=LINKS_MAX)


class ContextLine(BaseModel):
    id: str
    name: str
    created_at: str
    updated_at: str


class ContextItem(ContextLine):
    prompt: str
    opening_text: str | None
    links: list[dict[str, Any]]
    required_dynamic_variables: list[str]


@contexts.get("", responses=KEYED)
async def list_contexts(
    store: Stored, _: Anyone, window: Annotated[Pagination, Depends()]
) -> Envelope[Page[ContextLine]]:
    newest = select(ContextRow).order_by(ContextRow.created_at.desc(), ContextRow.id)

    def read(db: Db) -> list[ContextLine]:
        return [
            ContextLine(
                id=row.id,
                name=row.name,
                created_at=stamp(row.created_at),
                updated_at=stamp(row.updated_at),
            )
            for row in db.scalars(newest)
        ]

    return done(window.of(await store.run(read)))


@contexts.post("", responses=KEYED)
async def add_context(
    wanted: ContextBody, store: Stored, _: Admin
) -> Envelope[ContextItem]:
    def add(db: Db) -> ContextItem:
        row = ContextRow(
            name=wanted.name,
            prompt=wanted.prompt,
            opening_text=wanted.opening_text,
            links=_links(wanted.links),
        )
        db.add(row)
        db.flush()
        return _item(row)

    return done(await store.run(add))


@contexts.get("/{context_id}", responses={**KEYED, **problems(404)})
async def get_context(
    context_id: uuid.UUID, store: Stored, _: Anyone
) -> Envelope[ContextItem]:
    return done(await store.run(lambda db: _item(_find(db, context_id))))


@contexts.patch("/{context_id}", responses={**KEYED, **problems(404)})
async def patch_context(
    context_id: uuid.UUID, wanted: ContextPatch, store: Stored, _: Admin
) -> Envelope[ContextItem]:
    """What is missing, or null where there must be something, stays."""

    def patch(db: Db) -> ContextItem:
        row = _find(db, context_id)
        row.name = wanted.name or row.name
        row.prompt = row.prompt if wanted.prompt is None else wanted.prompt
        if "opening_text" in wanted.model_fields_set:
            row.opening_text = wanted.opening_text
        if "links" in wanted.model_fields_set:
            row.links = _links(wanted.links)
        db.flush()
        return _item(row)

    return done(await store.run(patch))


@contexts.delete("/{context_id}", responses={**KEYED, **problems(404)})
async def delete_context(
    context_id: uuid.UUID, store: Stored, _: Admin
) -> Envelope[None]:
    await store.run(lambda db: db.delete(_find(db, context_id)))
    return done(None)


def _links(wanted: list[Link] | None) -> list[dict[str, Any]]:
    return [{**link.model_dump(), "id": link.id or new_id()} for link in wanted or ()]


def _find(db: Db, context_id: uuid.UUID) -> ContextRow:
    if row := db.get(ContextRow, str(context_id)):
        return row
    raise Refused(404, "no such context; see GET /v1/contexts")


def _item(row: ContextRow) -> ContextItem:
    said = f"{row.prompt}\n{row.opening_text or ''}"
    return ContextItem(
        id=row.id,
        name=row.name,
        prompt=row.prompt,
        opening_text=row.opening_text,
        links=row.links,
        created_at=stamp(row.created_at),
        updated_at=stamp(row.updated_at),
        required_dynamic_variables=list(dict.fromkeys(_VARIABLE.findall(said))),
    )
