"""Avatars: packages on disk, with names and voices that an operator may change."""

import uuid
from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, model_validator
from sqlalchemy import select
from sqlalchemy.orm import Session as Db

from lite_gateway.api.dependencies import Admin, Anyone, Serving, Stored
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
from lite_gateway.service import Service
from lite_gateway.store.models import AvatarNoteRow, VoiceRow
from renderer.avatar import Avatar

avatars = APIRouter(prefix="/v1/avatars", tags=["avatars"])


class DefaultVoice(BaseModel):
    id: str
    name: str


class AvatarItem(BaseModel):
    id: str
    type: str = "VIDEO"
    status: Literal["ACTIVE", "FAILED"] = "ACTIVE"
    name: str
    title: str
    preview_url: str | None = None
    is_expired: bool = False
    default_voice: DefaultVoice | None
    is_1080p: bool = True
    created_at: str | None = None  # a folder does not know
    updated_at: str | None
    error_message: str | None = None


class AvatarPatch(BaseModel):
    """What is missing stays; null takes a change back."""

    name: Named | None = None
    default_voice_id: uuid.UUID | Literal[""] | None = None

    @model_validator(mode="after")
    def _asks_for_something(self) -> "AvatarPatch":
        if not self.model_fields_set & {"name", "default_voice_id"}:
            raise ValueError("name or default_voice_id must be there")
        return self


@avatars.get("/public", responses=problems(503))
async def public_avatars(
    serving: Serving, store: Stored, window: Annotated[Pagination, Depends()]
) -> Envelope[Page[AvatarItem]]:
    """The avatars that this server can show."""
    return done(window.of(await store.run(lambda db: _all(db, serving))))


@avatars.get("", responses=KEYED)
async def own_avatars(
    serving: Serving, store: Stored, _: Anyone, window: Annotated[Pagination, Depends()]
) -> Envelope[Page[AvatarItem]]:
    """The same, and packages that cannot be loaded, with what is wrong with them."""
    good = await store.run(lambda db: _all(db, serving))
    return done(window.of([*good, *map(_faulty, serving.packages.broken())]))


@avatars.get("/{avatar_id}", responses={**KEYED, **problems(404)})
async def get_avatar(
    avatar_id: str, serving: Serving, store: Stored, _: Anyone
) -> Envelope[AvatarItem]:
    for broken in serving.packages.broken():
        if avatar_id in (str(broken[0]), broken[1]):
            return done(_faulty(broken))
    avatar = _find(serving, avatar_id)
    return done(await store.run(lambda db: _item(db, avatar)))


@avatars.patch("/{avatar_id}", responses={**KEYED, **problems(404)})
async def patch_avatar(
    avatar_id: str, wanted: AvatarPatch, serving: Serving, store: Stored, _: Admin
) -> Envelope[AvatarItem]:
    """Another name or voice; sessions may ask for the old name too."""
    avatar = _find(serving, avatar_id)

    def patch(db: Db) -> AvatarItem:
        note = db.get(AvatarNoteRow, avatar.name) or AvatarNoteRow(package=avatar.name)
        if "name" in wanted.model_fields_set:
            note.name = wanted.name
        if "default_voice_id" in wanted.model_fields_set:
            voice_id = str(wanted.default_voice_id or "")
            if voice_id and db.get(VoiceRow, voice_id) is None:
                raise Refused(404, "default_voice_id: no such voice; see /v1/voices")
            note.default_voice_id = voice_id or None
        db.add(note)
        db.flush()
        return _item(db, avatar)

    return done(await store.run(patch))


@avatars.delete("/{avatar_id}", responses={**KEYED, **problems(404, 409)})
async def delete_avatar(avatar_id: str, serving: Serving, _: Admin) -> Envelope[None]:
    """Always refused: a package is deleted where it lies."""
    avatar = _find(serving, avatar_id)
    raise Refused(
        409,
        f"avatar {avatar.name!r} is a package on disk; remove it from the folder "
        "of --avatars (LITE_AVATARS), and it is gone within seconds",
    )


def _find(serving: Service, wanted: str) -> Avatar:
    if avatar := serving.avatar(wanted):
        return avatar
    raise Refused(404, "no such avatar; see GET /v1/avatars/public")


def _all(db: Db, serving: Service) -> list[AvatarItem]:
    """By name, the default one first: pages show the first they are told of."""
    shelf, default = serving.shelf.avatars, serving.config.default_avatar
    notes = {note.package: note for note in db.scalars(select(AvatarNoteRow))}
    names = sorted(shelf, key=lambda name: (name != default, name))
    return [_described(db, shelf[name], notes.get(name)) for name in names]


def _faulty(broken: tuple[uuid.UUID, str, str]) -> AvatarItem:
    avatar_id, name, why = broken
    return AvatarItem(
        id=str(avatar_id),
        status="FAILED",
        name=name,
        title=name,
        default_voice=None,
        updated_at=None,
        error_message=why,
    )


def _item(db: Db, avatar: Avatar) -> AvatarItem:
    return _described(db, avatar, db.get(AvatarNoteRow, avatar.name))


def _described(db: Db, avatar: Avatar, note: AvatarNoteRow | None) -> AvatarItem:
    voice = None
    if note is not None and note.default_voice_id is not None:
        voice = db.get(VoiceRow, note.default_voice_id)
    return AvatarItem(
        id=str(avatar.id),
        name=(note.name if note else None) or avatar.name,
        title=avatar.title,
        default_voice=DefaultVoice(id=voice.id, name=voice.name) if voice else None,
        updated_at=stamp(note.updated_at) if note else None,
    )
