"""Secrets: they come in, and only their names ever come out."""

import uuid
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter
from pydantic import AfterValidator, BaseModel, SecretStr
from sqlalchemy import select
from sqlalchemy.orm import Session as Db

from lite_gateway.api.dependencies import Admin, Stored
from lite_gateway.api.envelope import KEYED, Envelope, Named, done, problems, stamp
from lite_gateway.errors import Refused
from lite_gateway.store import secrets as stored_secrets
from lite_gateway.store.models import SecretRow

secrets = APIRouter(prefix="/v1/secrets", tags=["secrets"])

VALUE_MAX = 64 * 1024


class SecretKind(StrEnum):
    """The reference names three, the guides a fourth, and Cartesia's is our guess."""

    OPENAI = "OPENAI_API_KEY"
    ELEVENLABS = "ELEVENLABS_API_KEY"
    GEMINI = "GEMINI_API_KEY"
    LLM = "LLM_API_KEY"
    CARTESIA = "CARTESIA_API_KEY"


def _fits(value: SecretStr) -> SecretStr:
    """Said here in our own words, which hold nothing of the value."""
    if not 1 <= len(value.get_secret_value()) <= VALUE_MAX:
        raise ValueError(f"must have 1 to {VALUE_MAX} characters")
    return value


class SecretBody(BaseModel):
    secret_name: Named
    secret_value: Annotated[SecretStr, AfterValidator(_fits)]
    secret_type: SecretKind


class SecretMade(BaseModel):
    id: str
    secret_name: str
    secret_type: str


class SecretItem(SecretMade):
    created_at: str


@secrets.get("", responses=KEYED)
async def list_secrets(store: Stored, _: Admin) -> Envelope[list[SecretItem]]:
    newest = select(SecretRow).order_by(SecretRow.created_at.desc(), SecretRow.id)

    def read(db: Db) -> list[SecretItem]:
        return [
            SecretItem(
                id=row.id,
                secret_name=row.name,
                secret_type=row.kind,
                created_at=stamp(row.created_at),
            )
            for row in db.scalars(newest)
        ]

    return done(await store.run(read))


@secrets.post("", responses=KEYED)
async def add_secret(
    wanted: SecretBody, store: Stored, _: Admin
) -> Envelope[SecretMade]:
    """Encrypted before it is stored; it cannot be read back."""

    def put(db: Db) -> SecretMade:
        value = wanted.secret_value.get_secret_value()
        kind = wanted.secret_type.value
        row = stored_secrets.add(db, store.key_ring, wanted.secret_name, kind, value)
        return SecretMade(id=row.id, secret_name=row.name, secret_type=row.kind)

    return done(await store.run(put))


@secrets.delete("/{secret_id}", responses={**KEYED, **problems(404, 409)})
async def delete_secret(
    secret_id: uuid.UUID, store: Stored, _: Admin
) -> Envelope[None]:
    """Refused while an LLM configuration or a voice uses it."""
    if not await store.run(lambda db: stored_secrets.delete(db, str(secret_id))):
        raise Refused(404, "no such secret; see GET /v1/secrets")
    return done(None)
