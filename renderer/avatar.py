"""
Avatars: read and check avatar packages, and make the rigs that draw them.

A package has one of two rigs: a portrait, or the fiducial test pattern.

Errors:

* BrokenAvatar    a package cannot be used; the text says what is wrong and how to
                  correct it
"""

import json
import unicodedata
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import torch

from renderer.fiducial.rig import FiducialRig
from renderer.native.library import library_for
from renderer.package import (
    MANIFEST,
    BrokenAvatar,
    Package,
    UnreadableAvatar,
    broken,
    one_line,
)
from renderer.portrait.background import Background
from renderer.portrait.loader import load_portrait
from renderer.portrait.native_rig import NativePortraitRig
from renderer.portrait.rig import PortraitRig
from renderer.rig import Rig

__all__ = (
    "Avatar",
    "AvatarCatalog",
    "BrokenAvatar",
    "UnreadableAvatar",
    "avatar_id",
    "catalog_of",
    "load",
    "load_all",
    "load_or_error",
    "make_rig",
    "package_paths",
)

SCHEMA = 1
RIGS = ("fiducial", "portrait")
_REMOVED_RIG = "drawn"  # of cartoons
_NAMESPACE = uuid.UUID("5f8d7c9e-3f57-5c1b-9a44-0c6d1e2b7a90")
_MAX_MANIFEST_BYTES = 64 * 1024
_MAX_TEXT_CHARACTERS = 200
# Unicode's categories of control characters, halves of surrogate pairs, line breaks.
_UNLISTABLE = {"Cc", "Cs", "Zl", "Zp"}


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

    @property
    def id(self) -> uuid.UUID:
        return avatar_id(self.name)


@dataclass(frozen=True, slots=True)
class AvatarCatalog:
    """Avatars of one folder of packages, and the packages that are broken."""

    avatars: dict[str, Avatar]  # by name
    broken: dict[str, str]  # file or folder name -> error text


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
        catalog.broken[one_line(file, _MAX_TEXT_CHARACTERS)] = problem
    return catalog


def load_or_error(path: Path) -> Avatar | BrokenAvatar:
    """Load one package, or return why it cannot be loaded."""
    try:
        return load(path)
    except BrokenAvatar as error:
        return error


def load(path: Path) -> Avatar:
    """Load one package, a folder or a zip file. Raises `BrokenAvatar`, nothing else."""
    try:
        return _load(path)
    except Exception as error:  # boundary: a package is the work of others
        raise broken(error, "the package cannot be read") from error


def _load(path: Path) -> Avatar:
    package = Package.at(path)
    manifest = _JsonObject.parse(package.read(MANIFEST, _MAX_MANIFEST_BYTES))
    avatar = _avatar(package, manifest)
    if avatar.background is not None:
        load_portrait(package)
    return avatar


def make_rig(
    avatar: Avatar,
    width: int,
    height: int,
    device: torch.device,
    native: bool | None = None,
) -> Rig:
    """
    Return a rig that draws ``avatar``; ``width`` and ``height`` must be even.

    ``native``: draw portraits with native code; None: on a CPU that has a build. It
    takes up to seconds. Raises `BrokenAvatar` if the package has changed, `ValueError`
    if native code is asked for and cannot be used.
    """
    if avatar.background is not None:
        library = library_for(device.type, native)
        model = load_portrait(avatar.package)
        rig = PortraitRig(model, avatar.background, width, height, device)
        return rig if library is None else NativePortraitRig(rig, library)
    return FiducialRig(width, height, device)


def _avatar(package: Package, manifest: "_JsonObject") -> Avatar:
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
        background=_background(manifest.child("background")) if is_portrait else None,
    )
    allowed = {"schema", "rig", "title", "licence", "author"}
    manifest.refuse_others(allowed | {"background"} if is_portrait else allowed)
    return avatar


def _background(json_object: "_JsonObject") -> Background:
    json_object.refuse_others({field.name for field in fields(Background)})
    return Background(
        centre=json_object.colour("centre"), edge=json_object.colour("edge")
    )


class _JsonObject:
    """Reader of a JSON object; its errors name the field, with its path."""

    def __init__(self, value: object, path: str = "") -> None:
        if not isinstance(value, dict):
            raise BrokenAvatar(f"{path or MANIFEST} must be a JSON object")
        self._fields: dict[str, object] = value
        self._prefix = path + "." if path else ""

    @classmethod
    def parse(cls, text: bytes) -> "_JsonObject":
        """Parse the manifest. Raises `BrokenAvatar` if it is not a JSON object."""
        try:
            return cls(json.loads(text))
        except (ValueError, RecursionError) as error:
            raise BrokenAvatar(f"{MANIFEST} is not JSON: {error}") from error

    def refuse_others(self, allowed: set[str]) -> None:
        """Raise `BrokenAvatar` if there is a field that is not ``allowed``."""
        for name in self._fields:
            if name not in allowed:
                raise BrokenAvatar(
                    f"unknown field {self._prefix}{name}; the fields are: "
                    + ", ".join(sorted(allowed))
                )

    def has(self, name: str, value: str) -> bool:
        """Tell whether a field is there and has this value."""
        return self._fields.get(name) == value

    def child(self, name: str) -> "_JsonObject":
        return _JsonObject(self._get(name, "a JSON object"), self._prefix + name)

    def text(self, name: str) -> str:
        expected = f"a text of 1 to {_MAX_TEXT_CHARACTERS} characters on one line"
        value = self._get(name, expected)
        if not isinstance(value, str) or not _is_listable(value):
            raise self._wrong(name, value, expected)
        return value

    def require_number(self, name: str, number: int) -> None:
        """Raise `BrokenAvatar` unless a field has this value."""
        expected = f"{number}, which is what this server reads"
        value = self._get(name, expected)
        if isinstance(value, bool) or value != number:
            raise self._wrong(name, value, expected)

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        expected = "one of " + ", ".join(choices)
        value = self._get(name, expected)
        if not isinstance(value, str) or value not in choices:
            raise self._wrong(name, value, expected)
        return value

    def colour(self, name: str) -> str:
        expected = 'a colour such as "#1a2b3c"'
        value = self._get(name, expected)
        if not isinstance(value, str) or not _is_colour(value):
            raise self._wrong(name, value, expected)
        return value

    def _get(self, name: str, expected: str) -> object:
        if name not in self._fields:
            raise BrokenAvatar(f"{self._prefix}{name} is missing: add {expected}")
        return self._fields[name]

    def _wrong(self, name: str, value: object, expected: str) -> BrokenAvatar:
        text = json.dumps(value)[:60]
        return BrokenAvatar(f"{self._prefix}{name} is {text}, expected {expected}")


def _is_listable(text: str) -> bool:
    """Tell whether a text can be shown in one line of a list, on any output."""
    return 0 < len(text.strip()) <= len(
        text
    ) <= _MAX_TEXT_CHARACTERS and not _UNLISTABLE & {
        unicodedata.category(character) for character in text
    }


def _is_colour(text: str) -> bool:
    digits = "0123456789abcdefABCDEF"
    return len(text) == 7 and text[0] == "#" and all(c in digits for c in text[1:])
