"""Secrets: API keys of providers, which clients can store but never read back."""

import uuid
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter
from pydantic import AfterValidator, BaseModel, SecretStr
from sqlalchemy import select
from sqlalchemy.orm import Session as Db

from lite_gateway.api.dependencies import AdminPrincipal, StoreDep
from lite_gateway.api.envelope import (
    AUTH_ERRORS,
    Envelope,
    ShortText,
    error_responses,
    ok,
    timestamp,
)
from lite_gateway.api.key_first import KeyFirstRoute
from lite_gateway.errors import Refused
from lite_gateway.store import secrets as stored_secrets
from lite_gateway.store.models import SecretRow

secrets = APIRouter(prefix="/v1/secrets", tags=["secrets"], route_class=KeyFirstRoute)

MAX_VALUE_LENGTH = 64 * 1024  # characters


class SecretKind(StrEnum):
    """
    Provider of a secret.

    The service's API reference names the first three and its guides ``LLM_API_KEY``;
    ``CARTESIA_API_KEY`` is a guess.
    """

    OPENAI = "OPENAI_API_KEY"
    ELEVENLABS = "ELEVENLABS_API_KEY"
    GEMINI = "GEMINI_API_KEY"
    LLM = "LLM_API_KEY"
    CARTESIA = "CARTESIA_API_KEY"


def _check_length(value: SecretStr) -> SecretStr:
    """Check the length here: this error text contains nothing of the value."""
    if not 1 <= len(value.get_secret_value()) <= MAX_VALUE_LENGTH:
        raise ValueError(f"must have 1 to {MAX_VALUE_LENGTH} characters")
    return value


class SecretBody(BaseModel):
    secret_name: ShortText
    secret_value: Annotated[SecretStr, AfterValidator(_check_length)]
    secret_type: SecretKind


class CreatedSecret(BaseModel):
    id: str
    secret_name: str
    secret_type: str


class SecretItem(CreatedSecret):
    created_at: str


@secrets.get("", responses=AUTH_ERRORS)
async def list_secrets(
    store: StoreDep, _: AdminPrincipal
) -> Envelope[list[SecretItem]]:
    newest = select(SecretRow).order_by(SecretRow.created_at.desc(), SecretRow.id)

    def read(db: Db) -> list[SecretItem]:
        return [
            SecretItem(
                id=row.id,
                secret_name=row.name,
                secret_type=row.kind,
                created_at=timestamp(row.created_at),
            )
            for row in db.scalars(newest)
        ]

    return ok(await store.read(read))


@secrets.post("", responses=AUTH_ERRORS)
async def add_secret(
    request: SecretBody, store: StoreDep, _: AdminPrincipal
) -> Envelope[CreatedSecret]:
    """Encrypt and store a secret. The API never returns its value."""

    def add(db: Db) -> CreatedSecret:
        value = request.secret_value.get_secret_value()
        kind = request.secret_type.value
        row = stored_secrets.add(db, store.key_ring, request.secret_name, kind, value)
        return CreatedSecret(id=row.id, secret_name=row.name, secret_type=row.kind)

    return ok(await store.run(add))


@secrets.delete("/{secret_id}", responses={**AUTH_ERRORS, **error_responses(404, 409)})
async def delete_secret(
    secret_id: uuid.UUID, store: StoreDep, _: AdminPrincipal
) -> Envelope[None]:
    """Delete a secret, unless an LLM configuration or a voice uses it."""
    if not await store.run(lambda db: stored_secrets.delete(db, str(secret_id))):
        raise Refused(404, "no such secret; see GET /v1/secrets")
    return ok(None)
