"""Voices: those built in, and those of text-to-speech providers."""

import uuid
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import AliasChoices, BaseModel, Field, StringConstraints
from sqlalchemy import select
from sqlalchemy.orm import Session as Db

from lite_gateway.api.dependencies import (
    AdminPrincipal,
    AnyPrincipal,
    ServiceDep,
    StoreDep,
)
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
from lite_gateway.conversation.voices import BuiltInVoice
from lite_gateway.errors import Refused
from lite_gateway.service import Service
from lite_gateway.store.models import SecretRow, VoiceRow

voices = APIRouter(prefix="/v1/voices", tags=["voices"], route_class=KeyFirstRoute)

VoiceName = Annotated[ShortText, StringConstraints(max_length=64)]
_NO_PREVIEW = (
    "there is no preview: this server uses text-to-speech in conversations only"
)
_NONE_PUBLIC = (
    "no voice is built in here; run: pip install 'lite-gateway[agent,speech]', or add "
    "voices with POST /v1/voices/third_party"
)
_BUILT_IN = "this voice is built in and cannot be changed"


class VoiceItem(BaseModel):
    id: str
    name: str
    description: str | None = None
    language: str = ""
    gender: str = ""
    created_at: str | None  # null for a voice that is built in
    updated_at: str | None
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
    service: ServiceDep,
    _: AnyPrincipal,
    pagination: Annotated[Pagination, Depends()],
    voice_type: Annotated[Literal["public", "private"], Query()] = "public",
) -> Envelope[Page[VoiceItem]]:
    """List public voices, which are built in, or private ones, which were added."""
    if voice_type == "public":
        public = [_built_in_item(voice) for voice in service.built_in_voices]
        return ok(pagination.paginate(public), "ok" if public else _NONE_PUBLIC)
    newest = select(VoiceRow).order_by(VoiceRow.created_at.desc(), VoiceRow.id)
    items = await service.store.read(
        lambda db: [_item(row) for row in db.scalars(newest)]
    )
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
    voice_id: uuid.UUID, service: ServiceDep, _: AnyPrincipal
) -> Envelope[VoiceItem]:
    if voice := _built_in(service, voice_id):
        return ok(_built_in_item(voice))
    return ok(await service.store.read(lambda db: _item(_find(db, voice_id))))


@voices.patch("/{voice_id}", responses={**AUTH_ERRORS, **error_responses(404, 409)})
async def patch_voice(
    voice_id: uuid.UUID, request: VoicePatch, service: ServiceDep, _: AdminPrincipal
) -> Envelope[VoiceItem]:
    if _built_in(service, voice_id):
        raise Refused(409, _BUILT_IN)

    def patch(db: Db) -> VoiceItem:
        voice = _find(db, voice_id)
        voice.name = request.name
        db.flush()
        return _item(voice)

    return ok(await service.store.run(patch))


@voices.delete("/{voice_id}", responses={**AUTH_ERRORS, **error_responses(404, 409)})
async def delete_voice(
    voice_id: uuid.UUID, service: ServiceDep, _: AdminPrincipal
) -> Envelope[None]:
    if _built_in(service, voice_id):
        raise Refused(409, _BUILT_IN)
    await service.store.run(lambda db: db.delete(_find(db, voice_id)))
    return ok(None)


@voices.get("/{voice_id}/preview", responses={**AUTH_ERRORS, **error_responses(404)})
async def preview_voice(
    voice_id: uuid.UUID, service: ServiceDep, _: AnyPrincipal
) -> Envelope[Preview]:
    """Answer 404 always: text-to-speech runs in conversations only."""
    if not _built_in(service, voice_id):
        await service.store.read(lambda db: _find(db, voice_id))
    raise Refused(404, _NO_PREVIEW)


def _built_in(service: Service, voice_id: uuid.UUID) -> BuiltInVoice | None:
    for voice in service.built_in_voices:
        if voice.id == str(voice_id):
            return voice
    return None


def _built_in_item(voice: BuiltInVoice) -> VoiceItem:
    return VoiceItem(
        id=voice.id,
        name=voice.name,
        description=voice.description,
        language=voice.language,
        gender=voice.gender,
        created_at=None,
        updated_at=None,
    )


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
