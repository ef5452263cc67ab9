"""
Avatars: read and check avatar packages, and make the rigs that draw them.

A package has one of two rigs: a portrait, or the fiducial test pattern.

Errors:

* BrokenAvatar          a package cannot be used; the text says what is wrong and how
                        to correct it
* UnusableBackground    an avatar cannot have a background; the text says which ones it
                        can have
"""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from renderer.fiducial.rig import FiducialRig
from renderer.manifest import MAX_TEXT_CHARACTERS, JsonObject
from renderer.native.library import library_for
from renderer.package import (
    MANIFEST,
    BrokenAvatar,
    Package,
    UnreadableAvatar,
    broken,
    one_line,
)
from renderer.portrait.background import (
    KEY_COLOUR,
    TRANSPARENT,
    Background,
    Gradient,
    PackagedPicture,
    is_colour,
    picture_names,
)
from renderer.portrait.loader import has_cut_out_person, load_portrait
from renderer.portrait.native_rig import NativePortraitRig
from renderer.portrait.parts import PortraitParts, prepare
from renderer.rig import Rig

if TYPE_CHECKING:
    import torch

__all__ = (
    "KEY_COLOUR",
    "TRANSPARENT",
    "Avatar",
    "AvatarCatalog",
    "BrokenAvatar",
    "Likeness",
    "UnreadableAvatar",
    "UnusableBackground",
    "avatar_id",
    "catalog_of",
    "check_background",
    "load",
    "load_all",
    "load_or_error",
    "make_rig",
    "package_paths",
    "portrait_parts",
)

SCHEMA = 1
RIGS = ("fiducial", "portrait")
LIKENESS_SOURCES = ("photo",)
_REMOVED_RIG = "drawn"  # of cartoons
_NAMESPACE = uuid.UUID("5f8d7c9e-3f57-5c1b-9a44-0c6d1e2b7a90")
_MAX_MANIFEST_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Likeness:
    """Record that an avatar shows a real person, and of that person's consent."""

    source: str  # one of LIKENESS_SOURCES
    consent: str  # sentence that was confirmed
    by: str  # name of who confirmed it
    date: str  # ISO 8601, such as 2026-11-29
    # Name of the portrait that lent what no photo shows; empty in older packages.
    donor: str = ""


@dataclass(frozen=True, slots=True)
class Avatar:
    """One avatar, as its package describes it."""

    name: str  # of the folder, or of the zip file without its suffix
    title: str
    rig: str  # one of RIGS
    licence: str
    author: str
    package: Package
    background: Background | None = None  # of a portrait
    voice: str = ""  # name of a built-in voice; empty for the default one
    likeness: Likeness | None = None  # of a portrait that shows a real person
    pictures: tuple[str, ...] = ()  # names of backgrounds in the package
    # Whether another background can be shown: the person is cut out in the base image.
    is_cut_out: bool = False

    @property
    def id(self) -> uuid.UUID:
        return avatar_id(self.name)


@dataclass(frozen=True, slots=True)
class AvatarCatalog:
    """Avatars of one folder of packages, and the packages that are broken."""

    avatars: dict[str, Avatar]  # by name
    broken: dict[str, str]  # file or folder name -> error text


class UnusableBackground(Exception):
    """A background that an avatar cannot have. The text says which ones it can have."""

    def __init__(self, problem: str, fix: str) -> None:
        super().__init__(f"{problem}. {fix}")
        self.problem, self.fix = problem, fix


def avatar_id(name: str) -> uuid.UUID:
    """Return the id of an avatar. It depends on the name alone, on every server."""
    return uuid.uuid5(_NAMESPACE, name)


def package_paths(folder: Path) -> list[Path]:
    """Return the packages in ``folder``, sorted. Raises `OSError`."""
    return [
        path
        for path in sorted(folder.iterdir())
        if path.name[0] != "." and (path.suffix == ".zip" or _may_be_folder(path))
    ]


def _may_be_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # loading it says why
        return True


def load_all(folder: Path) -> AvatarCatalog:
    """
    Load every package in ``folder``; a missing folder gives an empty catalog.

    A broken package does not keep the others from loading.
    """
    try:
        paths = package_paths(folder)
    except (FileNotFoundError, NotADirectoryError):
        paths = []
    return catalog_of({path.name: load_or_error(path) for path in paths})


def catalog_of(packages: Mapping[str, Avatar | BrokenAvatar]) -> AvatarCatalog:
    """Return the catalog of ``packages``, by the name of their file or folder."""
    catalog = AvatarCatalog({}, {})
    for file, avatar in sorted(packages.items()):
        if isinstance(avatar, BrokenAvatar):
            problem = str(avatar)
        elif avatar.name in catalog.avatars:
            problem = f"there is also a folder {avatar.name!r}: remove one of them"
        else:
            catalog.avatars[avatar.name] = avatar
            continue
        catalog.broken[one_line(file, MAX_TEXT_CHARACTERS)] = problem
    return catalog


def load_or_error(path: Path, *, trusted: bool = False) -> Avatar | BrokenAvatar:
    """Load one package as `load` does, or return why it cannot be loaded."""
    try:
        return load(path, trusted=trusted)
    except BrokenAvatar as error:
        return error


def load(path: Path, *, trusted: bool = False) -> Avatar:
    """
    Load one package, a folder or a zip file. Raises `BrokenAvatar`, nothing else.

    Of a ``trusted`` package no image is decoded: the manifest, the names of pictures
    and the header of the base image are read. The rig checks the rest when it is built,
    as it does with each package.
    """
    try:
        return _load(path, trusted=trusted)
    except Exception as error:  # boundary: a package is the work of others
        raise broken(error, "the package cannot be read") from error


def _load(path: Path, *, trusted: bool) -> Avatar:
    package = Package.at(path)
    manifest = JsonObject.parse(package.read(MANIFEST, _MAX_MANIFEST_BYTES))
    avatar = _avatar(package, manifest)
    if avatar.background is None:
        return avatar
    names = picture_names(package)
    if isinstance(avatar.background, PackagedPicture):
        _check_has_picture(avatar.background.name, names)
    if not trusted:
        load_portrait(package)
        for name in names:
            PackagedPicture(package, name).read()
    return replace(avatar, pictures=names, is_cut_out=has_cut_out_person(package))


def _check_has_picture(name: str, names: tuple[str, ...]) -> None:
    if name not in names:
        known = ", ".join(names) or "none"
        raise BrokenAvatar(
            f"background.picture is {json.dumps(name)[:60]}: there is no "
            f"backgrounds/NAME.webp of that name; those in the package: {known}"
        )


def check_background(avatar: Avatar, wanted: str) -> str:
    """
    Return the shortest spelling of a background; an empty one is the avatar's own.

    ``wanted`` is a colour ``#rrggbb``, ``transparent`` (`KEY_COLOUR`), or the name of a
    picture in the package. Raises `UnusableBackground`.
    """
    if not wanted:
        return ""
    if not avatar.is_cut_out:
        raise UnusableBackground(
            f"avatar {avatar.name} keeps its own background: its images have no alpha",
            "Leave background out, or use another avatar",
        )
    if wanted == TRANSPARENT or wanted in avatar.pictures:
        return wanted
    if is_colour(wanted):
        return wanted.lower()
    pictures = ", ".join(avatar.pictures)
    has = f"pictures: {pictures}" if pictures else "no pictures"
    raise UnusableBackground(
        f"unknown background {wanted[:40]!r}",
        f"Use a colour such as #1a2b3c, {TRANSPARENT}, or the name of a picture of the "
        f"avatar ({avatar.name} has {has})",
    )


def _background_of(avatar: Avatar, wanted: str) -> Background | None:
    """Return the background of a rig; None for an avatar that has none."""
    wanted = check_background(avatar, wanted)
    if not wanted:
        return avatar.background
    if wanted in avatar.pictures:
        return PackagedPicture(avatar.package, wanted)
    colour = KEY_COLOUR if wanted == TRANSPARENT else wanted
    return Gradient(colour, colour)


def make_rig(
    avatar: Avatar,
    width: int,
    height: int,
    device: "str | torch.device",
    native: bool | None = None,
    background: str = "",
) -> Rig:
    """
    Return a rig that draws ``avatar``; ``width`` and ``height`` must be even.

    ``native``: draw portraits with native code; None: on a CPU that has a build.
    ``background`` is one of `check_background`. It takes up to seconds. Raises
    `BrokenAvatar` if the package has changed, `UnusableBackground`, and `ValueError` if
    native code is asked for and cannot be used.
    """
    library = library_for(str(device), native)
    parts = portrait_parts(avatar, width, height, background)
    if parts is None:
        return FiducialRig(width, height)
    if library is not None:
        return NativePortraitRig(parts, library)
    import torch  # takes seconds, and native code does not need it

    from renderer.portrait.rig import PortraitRig

    return PortraitRig(parts, torch.device(device))


def portrait_parts(
    avatar: Avatar, width: int, height: int, background: str = ""
) -> PortraitParts | None:
    """
    Return what rigs of a portrait draw with; None if ``avatar`` is no portrait.

    Parameters and errors as in `make_rig`.
    """
    painter = _background_of(avatar, background)
    if painter is None:
        return None
    return prepare(load_portrait(avatar.package), painter, width, height)


def _avatar(package: Package, manifest: JsonObject) -> Avatar:
    manifest.require_number("schema", SCHEMA)
    if manifest.has("rig", _REMOVED_RIG):
        raise BrokenAvatar(
            f'rig is "{_REMOVED_RIG}": cartoons were removed from lite-gateway; remove '
            "the package, or make a portrait of it as docs/avatars.md says"
        )
    rig = manifest.choice("rig", RIGS)
    is_portrait = rig == "portrait"
    avatar = Avatar(
        name=package.name,
        title=manifest.text("title"),
        rig=rig,
        licence=manifest.text("licence"),
        author=manifest.text("author"),
        package=package,
        background=_background(package, manifest.child("background"))
        if is_portrait
        else None,
        voice=manifest.text("voice") if manifest.has_field("voice") else "",
        likeness=_likeness(manifest) if is_portrait else None,
    )
    allowed = {"schema", "rig", "title", "licence", "author", "voice"}
    if is_portrait:
        allowed |= {"background", "likeness"}
    manifest.refuse_others(allowed)
    return avatar


def _likeness(manifest: JsonObject) -> Likeness | None:
    if not manifest.has_field("likeness"):
        return None
    likeness = manifest.child("likeness")
    likeness.refuse_others({field.name for field in fields(Likeness)})
    return Likeness(
        source=likeness.choice("source", LIKENESS_SOURCES),
        consent=likeness.text("consent"),
        by=likeness.text("by"),
        date=likeness.date("date"),
        donor=likeness.text("donor") if likeness.has_field("donor") else "",
    )


def _background(package: Package, json_object: JsonObject) -> Background:
    if json_object.has_field("picture"):
        json_object.refuse_others({"picture"})
        return PackagedPicture(package, json_object.text("picture"))
    json_object.refuse_others({field.name for field in fields(Gradient)})
    return Gradient(
        centre=json_object.colour("centre"), edge=json_object.colour("edge")
    )
