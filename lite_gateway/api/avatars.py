"""Avatars: packages on disk, with a name and a default voice that can be changed."""

import logging
import uuid
from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, model_validator
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
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
from lite_gateway.errors import Refused
from lite_gateway.service import Service
from lite_gateway.store.models import AvatarOverrideRow, VoiceRow
from renderer.avatar import Avatar

log = logging.getLogger(__name__)
avatars = APIRouter(prefix="/v1/avatars", tags=["avatars"], route_class=KeyFirstRoute)


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
    created_at: str | None = None  # unknown: packages carry no creation time
    updated_at: str | None
    error_message: str | None = None


class AvatarPatch(BaseModel):
    """Changes to an avatar. A missing field stays; null restores the original value."""

    name: ShortText | None = None
    default_voice_id: uuid.UUID | Literal[""] | None = None

    @model_validator(mode="after")
    def _require_a_field(self) -> "AvatarPatch":
        if not self.model_fields_set & {"name", "default_voice_id"}:
            raise ValueError("send name or default_voice_id")
        return self


@avatars.get("/public", responses=error_responses(503))
async def public_avatars(
    service: ServiceDep, store: StoreDep, pagination: Annotated[Pagination, Depends()]
) -> Envelope[Page[AvatarItem]]:
    """List the avatars that this server can show."""
    items = await store.read_public(lambda db: _loaded_items(db, service))
    return ok(pagination.paginate(items))


@avatars.get("", responses=AUTH_ERRORS)
async def own_avatars(
    service: ServiceDep,
    store: StoreDep,
    _: AnyPrincipal,
    pagination: Annotated[Pagination, Depends()],
) -> Envelope[Page[AvatarItem]]:
    """List all avatars, and packages that fail to load with their error message."""
    loaded = await store.read(lambda db: _loaded_items(db, service))
    broken = map(_broken_item, service.packages.broken())
    return ok(pagination.paginate([*loaded, *broken]))


@avatars.get("/{avatar_id}", responses={**AUTH_ERRORS, **error_responses(404)})
async def get_avatar(
    avatar_id: str, service: ServiceDep, store: StoreDep, _: AnyPrincipal
) -> Envelope[AvatarItem]:
    """Return one avatar, by its id or the name of its package."""
    for broken in service.packages.broken():
        if avatar_id in (str(broken[0]), broken[1]):
            return ok(_broken_item(broken))
    avatar = _find(service, avatar_id)
    return ok(await store.read(lambda db: _item(db, avatar)))


@avatars.patch("/{avatar_id}", responses={**AUTH_ERRORS, **error_responses(404)})
async def patch_avatar(
    avatar_id: str,
    request: AvatarPatch,
    service: ServiceDep,
    store: StoreDep,
    _: AdminPrincipal,
) -> Envelope[AvatarItem]:
    """Change name or voice of an avatar. Sessions may still use the package's name."""
    avatar = _find(service, avatar_id)

    def patch(db: Db) -> AvatarItem:
        override = db.get(AvatarOverrideRow, avatar.name) or AvatarOverrideRow(
            package=avatar.name
        )
        if "name" in request.model_fields_set:
            override.name = request.name
        if "default_voice_id" in request.model_fields_set:
            voice_id = str(request.default_voice_id or "")
            if voice_id and db.get(VoiceRow, voice_id) is None:
                raise Refused(404, "default_voice_id: no such voice; see /v1/voices")
            override.default_voice_id = voice_id or None
        db.add(override)
        db.flush()
        return _item(db, avatar)

    return ok(await store.run(patch))


@avatars.delete("/{avatar_id}", responses={**AUTH_ERRORS, **error_responses(404, 409)})
async def delete_avatar(
    avatar_id: str, service: ServiceDep, _: AdminPrincipal
) -> Envelope[None]:
    """Refuse always: an avatar is deleted by removing its package from the folder."""
    avatar = _find(service, avatar_id)
    raise Refused(
        409,
        f"avatar {avatar.name!r} is a package on disk; remove it from the folder of "
        "--avatars (LITE_AVATARS), and the server drops it within seconds",
    )


def _find(service: Service, name: str) -> Avatar:
    if avatar := service.avatar(name):
        return avatar
    raise Refused(404, "no such avatar; see GET /v1/avatars/public")


def _loaded_items(db: Db, service: Service) -> list[AvatarItem]:
    """Sort by name, but put the default first: web pages select the first avatar."""
    loaded, default = service.catalog.avatars, service.config.default_avatar
    overrides = {
        override.package: override for override in db.scalars(select(AvatarOverrideRow))
    }
    names = sorted(loaded, key=lambda name: (name != default, name))
    items = (_listable(db, loaded[name], overrides.get(name)) for name in names)
    return [item for item in items if item is not None]


def _listable(
    db: Db, avatar: Avatar, override: AvatarOverrideRow | None
) -> AvatarItem | None:
    """Return the item of an avatar, or None if no response can contain it."""
    try:
        item = _overridden_item(db, avatar, override)
        item.model_dump_json()
    except DBAPIError:
        raise
    except Exception:  # boundary: one avatar must not hide the others
        log.exception("avatar %s cannot be listed", avatar.name)
        return None
    return item


def _broken_item(broken: tuple[uuid.UUID, str, str]) -> AvatarItem:
    avatar_id, name, reason = broken
    return AvatarItem(
        id=str(avatar_id),
        status="FAILED",
        name=name,
        title=name,
        default_voice=None,
        updated_at=None,
        error_message=reason,
    )


def _item(db: Db, avatar: Avatar) -> AvatarItem:
    return _overridden_item(db, avatar, db.get(AvatarOverrideRow, avatar.name))


def _overridden_item(
    db: Db, avatar: Avatar, override: AvatarOverrideRow | None
) -> AvatarItem:
    voice = None
    if override is not None and override.default_voice_id is not None:
        voice = db.get(VoiceRow, override.default_voice_id)
    return AvatarItem(
        id=str(avatar.id),
        name=(override.name if override else None) or avatar.name,
        title=avatar.title,
        default_voice=DefaultVoice(id=voice.id, name=voice.name) if voice else None,
        updated_at=timestamp(override.updated_at) if override else None,
    )
