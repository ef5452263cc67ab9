"""Voices of third-party text-to-speech providers; this server has none of its own."""

import uuid
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import AliasChoices, BaseModel, Field, StringConstraints
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
from lite_gateway.store.models import SecretRow, VoiceRow

voices = APIRouter(prefix="/v1/voices", tags=["voices"], route_class=KeyFirstRoute)

VoiceName = Annotated[ShortText, StringConstraints(max_length=64)]
_NO_SPEECH = "this server has no text-to-speech: send speech over the ws_url"


class VoiceItem(BaseModel):
    id: str
    name: str
    description: str | None = None
    language: str = ""
    gender: str = ""
    created_at: str
    updated_at: str
    tags: list[str] = []


class ThirdPartyVoice(BaseModel):
    provider_voice_id: ShortText = Field(
        validation_alias=AliasChoices("provider_voice_id", "voice_id")
    )
    secret_id: uuid.UUID
    name: VoiceName | None = None


class VoiceId(BaseModel):
    voice_id: str


class VoicePatch(BaseModel):
    name: VoiceName


class Preview(BaseModel):
    audio_base64: str


@voices.get("", responses=AUTH_ERRORS)
async def list_voices(
    store: StoreDep,
    _: AnyPrincipal,
    pagination: Annotated[Pagination, Depends()],
    voice_type: Annotated[Literal["public", "private"], Query()] = "public",
) -> Envelope[Page[VoiceItem]]:
    """List private voices (from POST /v1/voices/third_party). None is public."""
    if voice_type == "public":
        return ok(pagination.page(0, []), _NO_SPEECH)
    newest = select(VoiceRow).order_by(VoiceRow.created_at.desc(), VoiceRow.id)
    items = await store.read(lambda db: [_item(row) for row in db.scalars(newest)])
    return ok(pagination.paginate(items))


@voices.post("/third_party", responses={**AUTH_ERRORS, **error_responses(404)})
async def add_voice(
    request: ThirdPartyVoice, store: StoreDep, _: AdminPrincipal
) -> Envelope[VoiceId]:
    def add(db: Db) -> str:
        if db.get(SecretRow, str(request.secret_id)) is None:
            raise Refused(404, "secret_id: no such secret; see POST /v1/secrets")
        voice = VoiceRow(
            name=request.name or request.provider_voice_id[:64],
            provider_voice_id=request.provider_voice_id,
            secret_id=str(request.secret_id),
        )
        db.add(voice)
        db.flush()
        return voice.id

    return ok(VoiceId(voice_id=await store.run(add)))


@voices.get("/{voice_id}", responses={**AUTH_ERRORS, **error_responses(404)})
async def get_voice(
    voice_id: uuid.UUID, store: StoreDep, _: AnyPrincipal
) -> Envelope[VoiceItem]:
    return ok(await store.read(lambda db: _item(_find(db, voice_id))))


@voices.patch("/{voice_id}", responses={**AUTH_ERRORS, **error_responses(404)})
async def patch_voice(
    voice_id: uuid.UUID, request: VoicePatch, store: StoreDep, _: AdminPrincipal
) -> Envelope[VoiceItem]:
    def patch(db: Db) -> VoiceItem:
        voice = _find(db, voice_id)
        voice.name = request.name
        db.flush()
        return _item(voice)

    return ok(await store.run(patch))


@voices.delete("/{voice_id}", responses={**AUTH_ERRORS, **error_responses(404)})
async def delete_voice(
    voice_id: uuid.UUID, store: StoreDep, _: AdminPrincipal
) -> Envelope[None]:
    await store.run(lambda db: db.delete(_find(db, voice_id)))
    return ok(None)


@voices.get("/{voice_id}/preview", responses={**AUTH_ERRORS, **error_responses(404)})
async def preview_voice(
    voice_id: uuid.UUID, store: StoreDep, _: AnyPrincipal
) -> Envelope[Preview]:
    """Answer 404 always: this server has no text-to-speech for a preview."""
    await store.read(lambda db: _find(db, voice_id))
    raise Refused(404, f"there is no preview: {_NO_SPEECH}")


def _find(db: Db, voice_id: uuid.UUID) -> VoiceRow:
    if voice := db.get(VoiceRow, str(voice_id)):
        return voice
    raise Refused(404, "no such voice; see GET /v1/voices?voice_type=private")


def _item(row: VoiceRow) -> VoiceItem:
    return VoiceItem(
        id=row.id,
        name=row.name,
        created_at=timestamp(row.created_at),
        updated_at=timestamp(row.updated_at),
    )
