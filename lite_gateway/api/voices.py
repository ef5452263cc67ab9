"""Voices: other people's, kept for whoever speaks; this server has none of its own."""

import uuid
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import AliasChoices, BaseModel, Field, StringConstraints
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
from lite_gateway.store.models import SecretRow, VoiceRow

voices = APIRouter(prefix="/v1/voices", tags=["voices"])

VoiceName = Annotated[Named, StringConstraints(max_length=64)]
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


class ThirdParty(BaseModel):
    provider_voice_id: Named = Field(
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


@voices.get("", responses=KEYED)
async def list_voices(
    store: Stored,
    _: Anyone,
    window: Annotated[Pagination, Depends()],
    voice_type: Annotated[Literal["public", "private"], Query()] = "public",
) -> Envelope[Page[VoiceItem]]:
    """Public ones: none. Private ones: those of POST /v1/voices/third_party."""
    if voice_type == "public":
        return done(window.page(0, []), _NO_SPEECH)
    newest = select(VoiceRow).order_by(VoiceRow.created_at.desc(), VoiceRow.id)
    found = await store.run(lambda db: [_item(row) for row in db.scalars(newest)])
    return done(window.of(found))


@voices.post("/third_party", responses={**KEYED, **problems(404)})
async def add_voice(wanted: ThirdParty, store: Stored, _: Admin) -> Envelope[VoiceId]:
    def add(db: Db) -> str:
        if db.get(SecretRow, str(wanted.secret_id)) is None:
            raise Refused(404, "secret_id: no such secret; see POST /v1/secrets")
        voice = VoiceRow(
            name=wanted.name or wanted.provider_voice_id[:64],
            provider_voice_id=wanted.provider_voice_id,
            secret_id=str(wanted.secret_id),
        )
        db.add(voice)
        db.flush()
        return voice.id

    return done(VoiceId(voice_id=await store.run(add)))


@voices.get("/{voice_id}", responses={**KEYED, **problems(404)})
async def get_voice(
    voice_id: uuid.UUID, store: Stored, _: Anyone
) -> Envelope[VoiceItem]:
    return done(await store.run(lambda db: _item(_find(db, voice_id))))


@voices.patch("/{voice_id}", responses={**KEYED, **problems(404)})
async def patch_voice(
    voice_id: uuid.UUID, wanted: VoicePatch, store: Stored, _: Admin
) -> Envelope[VoiceItem]:
    def patch(db: Db) -> VoiceItem:
        voice = _find(db, voice_id)
        voice.name = wanted.name
        db.flush()
        return _item(voice)

    return done(await store.run(patch))


@voices.delete("/{voice_id}", responses={**KEYED, **problems(404)})
async def delete_voice(voice_id: uuid.UUID, store: Stored, _: Admin) -> Envelope[None]:
    await store.run(lambda db: db.delete(_find(db, voice_id)))
    return done(None)


@voices.get("/{voice_id}/preview", responses={**KEYED, **problems(404)})
async def preview_voice(
    voice_id: uuid.UUID, store: Stored, _: Anyone
) -> Envelope[Preview]:
    """Always 404: nothing here could speak it."""
    await store.run(lambda db: _find(db, voice_id))
    raise Refused(404, f"there is no preview: {_NO_SPEECH}")


def _find(db: Db, voice_id: uuid.UUID) -> VoiceRow:
    if voice := db.get(VoiceRow, str(voice_id)):
        return voice
    raise Refused(404, "no such voice; see GET /v1/voices?voice_type=private")


def _item(row: VoiceRow) -> VoiceItem:
    return VoiceItem(
        id=row.id,
        name=row.name,
        created_at=stamp(row.created_at),
        updated_at=stamp(row.updated_at),
    )
