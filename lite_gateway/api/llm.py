"""LLM configurations: the model, base URL and secret of a language model."""

import uuid
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends
from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.orm import Session as Db

from lite_gateway.api.dependencies import AdminPrincipal, AnyPrincipal, StoreDep
from lite_gateway.api.envelope import (
    AUTH_ERRORS,
    Envelope,
    Page,
    Pagination,
    ShortText,
    error_responses,
    ok,
    timestamp,
)
from lite_gateway.api.key_first import KeyFirstRoute
from lite_gateway.errors import Refused
from lite_gateway.store.models import LlmConfigurationRow, SecretRow

OPENAI = "https://api.openai.com/v1"

llm_configurations = APIRouter(tags=["LLM configurations"], route_class=KeyFirstRoute)
# The service's API reference and its guide spell the path differently: both work, and
# the OpenAPI document lists the reference's.
PATH = "/v1/llm-configurations"
GUIDE_PATH = "/v1/llm_configurations"


def _check_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        valid = False
    if not valid:
        raise ValueError("must be an http:// or https:// URL")
    if parts.username or parts.password:
        raise ValueError("must not contain a password; store it as a secret")
    return url


Url = Annotated[ShortText, AfterValidator(_check_url)]


class LlmBody(BaseModel):
    model_config = ConfigDict(protected_namespaces=())
    display_name: ShortText
    model_name: ShortText = Field(validation_alias=AliasChoices("model_name", "model"))
    secret_id: uuid.UUID
    base_url: Url = OPENAI


class LlmPatch(BaseModel):
    """Changes to an LLM configuration. A missing or null field stays as it is."""

    model_config = ConfigDict(protected_namespaces=())
    display_name: ShortText | None = None
    model_name: ShortText | None = Field(
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


async def list_llm_configurations(
    store: StoreDep, _: AnyPrincipal, pagination: Annotated[Pagination, Depends()]
) -> Envelope[Page[LlmItem]]:
    newest = select(LlmConfigurationRow).order_by(
        LlmConfigurationRow.created_at.desc(), LlmConfigurationRow.id
    )
    items = await store.read(lambda db: [_item(row) for row in db.scalars(newest)])
    return ok(pagination.paginate(items))


async def add_llm_configuration(
    request: LlmBody, store: StoreDep, _: AdminPrincipal
) -> Envelope[LlmItem]:
    def add(db: Db) -> LlmItem:
        row = LlmConfigurationRow(
            display_name=request.display_name,
            model_name=request.model_name,
            base_url=request.base_url,
            secret_id=_checked_secret_id(db, request.secret_id),
        )
        db.add(row)
        db.flush()
        return _item(row)

    return ok(await store.run(add))


async def get_llm_configuration(
    llm_id: uuid.UUID, store: StoreDep, _: AnyPrincipal
) -> Envelope[LlmItem]:
    return ok(await store.read(lambda db: _item(_find(db, llm_id))))


async def patch_llm_configuration(
    llm_id: uuid.UUID, request: LlmPatch, store: StoreDep, _: AdminPrincipal
) -> Envelope[LlmItem]:
    def patch(db: Db) -> LlmItem:
        row = _find(db, llm_id)
        row.display_name = request.display_name or row.display_name
        row.model_name = request.model_name or row.model_name
        row.base_url = request.base_url or row.base_url
        if request.secret_id is not None:
            row.secret_id = _checked_secret_id(db, request.secret_id)
        db.flush()
        return _item(row)

    return ok(await store.run(patch))


async def delete_llm_configuration(
    llm_id: uuid.UUID, store: StoreDep, _: AdminPrincipal
) -> Envelope[None]:
    await store.run(lambda db: db.delete(_find(db, llm_id)))
    return ok(None)


_RESPONSES = {**AUTH_ERRORS, **error_responses(404)}
for prefix, documented in ((PATH, True), (GUIDE_PATH, False)):
    for path, method, endpoint in (
        (prefix, "GET", list_llm_configurations),
        (prefix, "POST", add_llm_configuration),
        (prefix + "/{llm_id}", "GET", get_llm_configuration),
        (prefix + "/{llm_id}", "PATCH", patch_llm_configuration),
        (prefix + "/{llm_id}", "DELETE", delete_llm_configuration),
    ):
        llm_configurations.add_api_route(
            path,
            endpoint,
            methods=[method],
            responses=_RESPONSES,
            include_in_schema=documented,
        )


def _checked_secret_id(db: Db, secret_id: uuid.UUID) -> str:
    if db.get(SecretRow, str(secret_id)) is None:
        raise Refused(404, "secret_id: no such secret; see POST /v1/secrets")
    return str(secret_id)


def _find(db: Db, llm_id: uuid.UUID) -> LlmConfigurationRow:
    if row := db.get(LlmConfigurationRow, str(llm_id)):
        return row
    raise Refused(404, f"no such LLM configuration; see GET {PATH}")


def _item(row: LlmConfigurationRow) -> LlmItem:
    return LlmItem(
        id=row.id,
        base_url=row.base_url,
        display_name=row.display_name,
        model_name=row.model_name,
        secret_id=row.secret_id,
        created_at=timestamp(row.created_at),
        updated_at=timestamp(row.updated_at),
    )
