"""LLM configurations, under both spellings of their path."""

import uuid
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends
from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.orm import Session as Db

from lite_gateway.api.dependencies import Admin, Anyone, Stored
from lite_gateway.api.envelope import (
    KEYED,
    Envelope,
    Named,
    Page,
    Pagination,
    done,
    problems,
    stamp,
)
from lite_gateway.errors import Refused
from lite_gateway.store.models import LlmConfigurationRow, SecretRow

OPENAI = "https://api.openai.com/v1"

# The reference's path is described; the guide's works just as well.
llm_configurations = APIRouter(tags=["LLM configurations"])
described = "/v1/llm-configurations"
guides = "/v1/llm_configurations"


def _is_url(url: str) -> str:
    try:
        told = urlsplit(url)
        good = told.scheme in ("http", "https") and bool(told.hostname)
    except ValueError:
        good = False
    if not good:
        raise ValueError("must be an http:// or https:// url")
    if told.username or told.password:
        raise ValueError("must hold no password; put that into a secret")
    return url


Url = Annotated[Named, AfterValidator(_is_url)]


class LlmBody(BaseModel):
    model_config = ConfigDict(protected_namespaces=())
    display_name: Named
    model_name: Named = Field(validation_alias=AliasChoices("model_name", "model"))
    secret_id: uuid.UUID
    base_url: Url = OPENAI


class LlmPatch(BaseModel):
    """What is missing or null stays."""

    model_config = ConfigDict(protected_namespaces=())
    display_name: Named | None = None
    model_name: Named | None = Field(
        default=None, validation_alias=AliasChoices("model_name", "model")
    )
    secret_id: uuid.UUID | None = None
    base_url: Url | None = None


class LlmItem(BaseModel):
    model_config = ConfigDict(protected_namespaces=())
    id: str
    base_url: str
    display_name: str
    model_name: str
    secret_id: str
    created_at: str
    updated_at: str


async def list_llms(
    store: Stored, _: Anyone, window: Annotated[Pagination, Depends()]
) -> Envelope[Page[LlmItem]]:
    newest = select(LlmConfigurationRow).order_by(
        LlmConfigurationRow.created_at.desc(), LlmConfigurationRow.id
    )
    found = await store.run(lambda db: [_item(row) for row in db.scalars(newest)])
    return done(window.of(found))


async def add_llm(wanted: LlmBody, store: Stored, _: Admin) -> Envelope[LlmItem]:
    def add(db: Db) -> LlmItem:
        row = LlmConfigurationRow(
            display_name=wanted.display_name,
            model_name=wanted.model_name,
            base_url=wanted.base_url,
            secret_id=_secret(db, wanted.secret_id),
        )
        db.add(row)
        db.flush()
        return _item(row)

    return done(await store.run(add))


async def get_llm(llm_id: uuid.UUID, store: Stored, _: Anyone) -> Envelope[LlmItem]:
    return done(await store.run(lambda db: _item(_find(db, llm_id))))


async def patch_llm(
    llm_id: uuid.UUID, wanted: LlmPatch, store: Stored, _: Admin
) -> Envelope[LlmItem]:
    def patch(db: Db) -> LlmItem:
        row = _find(db, llm_id)
        row.display_name = wanted.display_name or row.display_name
        row.model_name = wanted.model_name or row.model_name
        row.base_url = wanted.base_url or row.base_url
        if wanted.secret_id is not None:
            row.secret_id = _secret(db, wanted.secret_id)
        db.flush()
        return _item(row)

    return done(await store.run(patch))


async def delete_llm(llm_id: uuid.UUID, store: Stored, _: Admin) -> Envelope[None]:
    await store.run(lambda db: db.delete(_find(db, llm_id)))
    return done(None)


_ONE = {**KEYED, **problems(404)}
for prefix, shown in ((described, True), (guides, False)):
    for path, method, endpoint in (
        (prefix, "GET", list_llms),
        (prefix, "POST", add_llm),
        (prefix + "/{llm_id}", "GET", get_llm),
        (prefix + "/{llm_id}", "PATCH", patch_llm),
        (prefix + "/{llm_id}", "DELETE", delete_llm),
    ):
        llm_configurations.add_api_route(
            path, endpoint, methods=[method], responses=_ONE, include_in_schema=shown
        )


def _secret(db: Db, secret_id: uuid.UUID) -> str:
    if db.get(SecretRow, str(secret_id)) is None:
        raise Refused(404, "secret_id: no such secret; see POST /v1/secrets")
    return str(secret_id)


def _find(db: Db, llm_id: uuid.UUID) -> LlmConfigurationRow:
    if row := db.get(LlmConfigurationRow, str(llm_id)):
        return row
    raise Refused(404, f"no such LLM configuration; see GET {described}")


def _item(row: LlmConfigurationRow) -> LlmItem:
    return LlmItem(
        id=row.id,
        base_url=row.base_url,
        display_name=row.display_name,
        model_name=row.model_name,
        secret_id=row.secret_id,
        created_at=stamp(row.created_at),
        updated_at=stamp(row.updated_at),
    )
