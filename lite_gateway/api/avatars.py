"""Avatars: packages on disk, with a name and a default voice that can be changed."""

import logging
import uuid
from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, BeforeValidator, model_validator
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
from lite_gateway.conversation.voices import (
    BuiltInVoice,
    built_in_voice,
    voice_of_package,
)
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
    # Names of the pictures for video_settings.background; null: no background but the
    # avatar's own.
    backgrounds: list[str] | None = None
    # Made from a photo of a real person: pages say so.
    ai_generated: bool = False
    created_at: str | None = None  # unknown: packages carry no creation time
    updated_at: str | None
    error_message: str | None = None


class AvatarPatch(BaseModel):
    """Changes to an avatar. A missing field stays; null restores the original value."""

    name: ShortText | None = None
    # An empty text is null.
    default_voice_id: Annotated[
        uuid.UUID | None,
        BeforeValidator(lambda value: None if value == "" else value),
    ] = None

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
    return ok(await store.read(lambda db: avatar_item(db, service, avatar)))


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
            voice_id = str(request.default_voice_id or "") or None
            _set_voice(db, service, override, voice_id)
        db.add(override)
        db.flush()
        return avatar_item(db, service, avatar)

    return ok(await store.run(patch))


@avatars.delete(
    "/{avatar_id}", responses={**AUTH_ERRORS, **error_responses(404, 409, 507)}
)
async def delete_avatar(
    avatar_id: str, service: ServiceDep, _: AdminPrincipal
) -> Envelope[None]:
    """Delete an avatar that was made from a photo here. Others are files: 409."""
    avatar = _find(service, avatar_id)
    if service.packages.is_created(avatar) and avatar.likeness is not None:
        await service.avatar_jobs.delete_kept(avatar)
        return ok(None)
    if avatar.name not in service.catalog.avatars:
        raise Refused(409, "this is a draft: DELETE its job, /v1/avatars/jobs/…")
    raise Refused(
        409,
        f"avatar {avatar.name!r} is a package on disk; remove it from the folder of "
        "--avatars (LITE_AVATARS), and the server drops it within seconds",
    )


def _find(service: Service, name: str) -> Avatar:
    if avatar := service.avatar(name):
        return avatar
    raise Refused(404, "no such avatar; see GET /v1/avatars/public")


def _set_voice(
    db: Db, service: Service, override: AvatarOverrideRow, voice_id: str | None
) -> None:
    """Set the default voice: a built-in one, one of a provider, or none."""
    override.default_voice_id = override.built_in_voice_id = None
    if built_in_voice(voice_id, service.built_in_voices) is not None:
        override.built_in_voice_id = voice_id
    elif voice_id is not None:
        if db.get(VoiceRow, voice_id) is None:
            raise Refused(404, "default_voice_id: no such voice; see /v1/voices")
        override.default_voice_id = voice_id


def _loaded_items(db: Db, service: Service) -> list[AvatarItem]:
    """Sort by name, but put the default first: web pages select the first avatar."""
    loaded, default = service.catalog.avatars, service.config.default_avatar
    overrides = {
        override.package: override for override in db.scalars(select(AvatarOverrideRow))
    }
    names = sorted(loaded, key=lambda name: (name != default, name))
    items = (
        _listable(db, service, loaded[name], overrides.get(name)) for name in names
    )
    return [item for item in items if item is not None]


def _listable(
    db: Db, service: Service, avatar: Avatar, override: AvatarOverrideRow | None
) -> AvatarItem | None:
    """Return the item of an avatar, or None if no response can contain it."""
    try:
        item = _overridden_item(db, service, avatar, override)
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


def avatar_item(db: Db, service: Service, avatar: Avatar) -> AvatarItem:
    """Return the item of one avatar."""
    override = db.get(AvatarOverrideRow, avatar.name)
    return _overridden_item(db, service, avatar, override)


def _overridden_item(
    db: Db, service: Service, avatar: Avatar, override: AvatarOverrideRow | None
) -> AvatarItem:
    return AvatarItem(
        id=str(avatar.id),
        name=(override.name if override else None) or avatar.name,
        title=avatar.title,
        backgrounds=list(avatar.pictures) if avatar.is_cut_out else None,
        ai_generated=avatar.likeness is not None,
        default_voice=_default_voice(db, service, avatar, override),
        updated_at=timestamp(override.updated_at) if override else None,
    )


def _default_voice(
    db: Db, service: Service, avatar: Avatar, override: AvatarOverrideRow | None
) -> DefaultVoice | None:
    """Return the voice of the override, else of the package; None: the server's."""
    found: VoiceRow | BuiltInVoice | None = None
    if override is not None and override.default_voice_id is not None:
        found = db.get(VoiceRow, override.default_voice_id)
    elif override is not None and override.built_in_voice_id is not None:
        found = built_in_voice(override.built_in_voice_id, service.built_in_voices)
    if found is None:
        found = voice_of_package(avatar.voice, service.config, service.built_in_voices)
    return DefaultVoice(id=found.id, name=found.name) if found else None
