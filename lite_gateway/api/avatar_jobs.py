"""Avatars from photos: jobs, their progress, and what becomes of each."""

import contextlib
import math
import os
import re
from collections.abc import AsyncIterator
from typing import Annotated, Any, BinaryIO, Literal

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field
from starlette.datastructures import FormData, UploadFile

from lite_gateway.api.avatars import AvatarItem, avatar_item
from lite_gateway.api.dependencies import MintPrincipal, ServiceDep, StoreDep
from lite_gateway.api.envelope import AUTH_ERRORS, Envelope, error_responses, ok
from lite_gateway.api.json_body import content_type, refuse_surrogates
from lite_gateway.api.key_first import KeyFirstRoute, checked_first
from lite_gateway.auth.api_keys import Principal
from lite_gateway.avatar_jobs.job import AvatarJob, Reason
from lite_gateway.avatar_jobs.manifest import (
    WRONG_OPTION,
    ManifestChanges,
    check_text,
)
from lite_gateway.avatar_jobs.program import CONSENT, CreationOptions
from lite_gateway.errors import Refused
from lite_gateway.foreign.text import foreign_text
from lite_gateway.http.body_limit import MAX_PHOTO_BYTES, PHOTO_TOO_LARGE
from lite_gateway.service import Service
from lite_gateway.threads import in_daemon_thread
from renderer.avatar import avatar_id
from renderer.manifest import MAX_TEXT_CHARACTERS

avatar_jobs = APIRouter(
    prefix="/v1/avatars", tags=["avatars from photos"], route_class=KeyFirstRoute
)

_FORM = "multipart/form-data"
_MAX_FIELDS, _MAX_FIELD_BYTES = 16, 4 << 10
_BACKGROUND = re.compile(r"keep|blur|transparent|any|#[0-9a-fA-F]{6}")
_RANGES = {"smile": (0.0, 1.0), "jaw": (0.5, 1.5)}
_DONORS = ("mira", "theo")
_WAITING = "waiting for the machine"  # as a step
_NOT_STORED = {"Cache-Control": "no-store"}  # the face of a person


class ReasonItem(BaseModel):
    code: str
    message: str


class PhotoFace(BaseModel):
    """Face in pixels of the upright picture, of at most 3000 on its longer side."""

    width: int
    height: int
    # Degrees, counter-clockwise, by which the picture was turned to be upright.
    turned: Literal[0, 90, 180, 270]
    box: list[float] = Field(min_length=4, max_length=4)  # x, y, width, height
    landmarks: list[tuple[float, float]]


class AvatarJobItem(BaseModel):
    job_id: str
    state: Literal["running", "finished", "failed", "cancelled"]
    progress: float = Field(ge=0, le=1)
    step: str
    title: str
    face: PhotoFace | None = None
    warnings: list[ReasonItem]
    reason: ReasonItem | None = None
    preview: str | None = None  # path
    avatar_id: str | None = None
    kept: bool
    expires_in_s: float | None = None  # until the draft goes


class KeepRequest(BaseModel):
    """Changes to an avatar that is kept. A missing field stays."""

    title: str | None = None
    background: str | None = Field(default=None, max_length=40)


async def _check_creation(request: Request) -> None:
    service: Service = request.app.state.service
    service.avatar_jobs.check_enabled()


async def _check_start(request: Request) -> None:
    """Refuse what would be refused anyway before 40 MB are read."""
    await _check_creation(request)
    service: Service = request.app.state.service
    service.check_accepting()
    service.avatar_jobs.check_free()
    if content_type(request) != _FORM:
        raise Refused(415, f"send the picture and its fields as {_FORM}")


@checked_first(_check_creation)
async def require_creation() -> None:
    """Raise `Refused` with 403 if this server makes no avatars, before the body."""


@checked_first(_check_start)
async def require_start() -> None:
    """Raise `Refused` if no job can start now, before the body is read."""


CreationDep = Annotated[None, Depends(require_creation)]


async def get_job(
    job_id: str, service: ServiceDep, principal: MintPrincipal, _: CreationDep
) -> AvatarJob:
    """Return a job that the caller may access, or raise 404."""
    job = service.avatar_jobs.find(job_id)
    if job is None or not principal.can_access(job.key_id):
        raise Refused(404, "no such job; start one with POST /v1/avatars")
    return job


JobDep = Annotated[AvatarJob, Depends(get_job)]

_START_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        _FORM: {
            "schema": {
                "type": "object",
                "required": ["picture", "title", "consent"],
                "properties": {
                    "picture": {"type": "string", "format": "binary"},
                    "title": {"type": "string", "maxLength": 200},
                    "consent": {
                        "type": "string",
                        "enum": ["me", "consent"],
                        "description": CONSENT,
                    },
                    "who": {"type": "string", "maxLength": 200},
                    "background": {"type": "string", "pattern": _BACKGROUND.pattern},
                    "smile": {"type": "number", "minimum": 0, "maximum": 1},
                    "jaw": {"type": "number", "minimum": 0.5, "maximum": 1.5},
                    "donor": {"type": "string", "enum": [*_DONORS]},
                },
            }
        }
    },
}
_ERRORS = {**AUTH_ERRORS, **error_responses(404)}


@avatar_jobs.post(
    "",
    status_code=202,
    responses={**AUTH_ERRORS, **error_responses(400, 408, 409, 413, 415, 422)},
    openapi_extra={"requestBody": _START_BODY},
)
async def create_avatar(
    request: Request,
    service: ServiceDep,
    principal: MintPrincipal,
    _: Annotated[None, Depends(require_start)],
) -> Envelope[AvatarJobItem]:
    """
    Start to make an avatar from a photo.

    The photo is deleted when the job ends, whichever way.
    """
    jobs = service.avatar_jobs
    with jobs.reserved(principal.id):
        async with _photo_of(request) as (form, photo):
            options = _options(form, principal)
            # The form closes its own descriptor at the end of this block.
            job = jobs.start(principal.id, options, os.dup(photo))
    return ok(_item(service, job))


@avatar_jobs.get("/jobs/{job_id}", responses=_ERRORS)
async def get_avatar_job(job: JobDep, service: ServiceDep) -> Envelope[AvatarJobItem]:
    """Return how far a job is, and its result."""
    return ok(_item(service, job))


@avatar_jobs.get(
    "/jobs/{job_id}/preview",
    response_class=Response,
    responses={**_ERRORS, 200: {"content": {"image/png": {}}}},
)
async def get_preview(job: JobDep) -> Response:
    """Return a page of faces, as PNG: how the avatar looks when it speaks."""
    preview = job.preview
    if preview is not None and (job.draft is not None or job.kept is not None):
        with contextlib.suppress(FileNotFoundError):  # it goes at this moment
            page = await in_daemon_thread(preview.read_bytes, "avatar jobs")
            return Response(page, media_type="image/png", headers=_NOT_STORED)
    raise Refused(404, f"there is no preview: the job's state is {job.state}")


@avatar_jobs.post(
    "/jobs/{job_id}/keep", responses={**_ERRORS, **error_responses(409, 507)}
)
async def keep_avatar(
    job: JobDep,
    service: ServiceDep,
    store: StoreDep,
    request: KeepRequest | None = None,
) -> Envelope[AvatarItem]:
    """Keep a draft: it is listed, and stays when the server restarts."""
    changes = request or KeepRequest()
    avatar = await service.avatar_jobs.keep(
        job, ManifestChanges(changes.title, changes.background)
    )
    return ok(await store.read(lambda db: avatar_item(db, service, avatar)))


@avatar_jobs.delete("/jobs/{job_id}", responses={**_ERRORS, **error_responses(409)})
async def delete_avatar_job(job: JobDep, service: ServiceDep) -> Envelope[None]:
    """Cancel a running job, or discard its draft."""
    await service.avatar_jobs.discard(job)
    return ok(None)


@contextlib.asynccontextmanager
async def _photo_of(request: Request) -> AsyncIterator[tuple[FormData, int]]:
    """Yield the form of a request, and the descriptor of the photo in it."""
    try:
        form = await request.form(
            max_files=1, max_fields=_MAX_FIELDS, max_part_size=_MAX_FIELD_BYTES
        )
    except ValueError:  # the codec of an unusual charset
        text = "the form cannot be read: send it without a charset, in UTF-8"
        raise Refused(400, text) from None
    try:
        # A file without a name: Starlette keeps small ones in memory.
        yield form, _picture_of(form).fileno()
    finally:
        await form.close()


def _picture_of(form: FormData) -> BinaryIO:
    """Return the file in a form, or raise `Refused`."""
    picture = form.get("picture")
    if not isinstance(picture, UploadFile):
        raise Refused(422, "picture: send the photo as a file", code=WRONG_OPTION)
    if not picture.size:
        text = "picture: the file is empty: choose a photo as JPEG, PNG or WebP"
        raise Refused(422, text, code="not_a_picture")
    if picture.size > MAX_PHOTO_BYTES:
        raise Refused(413, PHOTO_TOO_LARGE, code="too_large")
    return picture.file


def _options(form: FormData, principal: Principal) -> CreationOptions:
    """Return the choices in a form, or raise `Refused` with the code of the reason."""
    fields = {name: text for name, text in form.items() if isinstance(text, str)}
    refuse_surrogates(fields)
    confirmed = fields.get("consent", "")
    if confirmed not in ("me", "consent"):
        raise Refused(
            422,
            f'consent: nothing is made without it. Confirm "{CONSENT}": send me, or '
            "consent",
            code="consent_required",
        )
    title = check_text("title", fields.get("title", ""))
    # Names of keys may be longer than texts of manifests.
    of_key = foreign_text(f"API key {principal.name}", limit=MAX_TEXT_CHARACTERS)
    by = title if confirmed == "me" else of_key
    if who := fields.get("who", "").strip():
        by = check_text("who", who)
    background = fields.get("background") or "keep"
    if not _BACKGROUND.fullmatch(background):
        raise _wrong(
            "background", "keep, blur, transparent, any or a colour as #93a8b0"
        )
    donor = fields.get("donor", "")  # empty: the one that is more like the person
    if donor and donor not in _DONORS:
        raise _wrong("donor", " or ".join(_DONORS))
    numbers = {name: _number(name, fields.get(name) or "") for name in _RANGES}
    return CreationOptions(
        title, by, confirmed, background=background, donor=donor, **numbers
    )


def _number(name: str, text: str) -> float | None:
    if not text:
        return None
    low, high = _RANGES[name]
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:  # NaN is not, either
        raise _wrong(name, f"a number from {low:g} to {high:g}")
    return value


def _wrong(name: str, allowed: str) -> Refused:
    return Refused(422, f"{name}: send {allowed}", code=WRONG_OPTION)


def _item(service: Service, job: AvatarJob) -> AvatarJobItem:
    has_avatar = job.draft is not None or job.kept is not None
    running = job.state == "running"
    return AvatarJobItem(
        job_id=job.id,
        state=job.state,
        progress=round(job.progress, 3),
        step=_WAITING if running and job.is_waiting else job.step,
        title=job.title,
        face=PhotoFace(**job.face) if job.face else None,
        warnings=[_reason_item(warning) for warning in job.warnings],
        reason=_reason_item(job.reason) if job.reason else None,
        preview=f"/v1/avatars/jobs/{job.id}/preview" if has_avatar else None,
        avatar_id=str(avatar_id(job.name)) if has_avatar else None,
        kept=job.kept is not None,
        expires_in_s=service.avatar_jobs.expires_in_s(job),
    )


def _reason_item(reason: Reason) -> ReasonItem:
    return ReasonItem(code=reason.code, message=reason.message)
