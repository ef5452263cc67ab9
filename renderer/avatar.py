"""
What an avatar is, as its package says: a drawn person, a portrait, or a fiducial.

What can go wrong:

* BrokenAvatar    a package is not what it should be; says what is wrong and what
                  would be right
"""

import json
import uuid
from dataclasses import dataclass, fields
from pathlib import Path

import torch

from renderer.cartoon.look import CLOTHES, HAIR_STYLES, Style
from renderer.cartoon.rig import DrawnRig
from renderer.fiducial.rig import FiducialRig
from renderer.frames import Rig
from renderer.package import MANIFEST, BrokenAvatar, Package
from renderer.portrait.background import Background
from renderer.portrait.loader import read_likeness
from renderer.portrait.rig import PortraitRig

__all__ = (
    "Avatar",
    "AvatarCatalog",
    "BrokenAvatar",
    "avatar_id",
    "load",
    "load_all",
    "make_rig",
)

SCHEMA = 1
RIGS = ("drawn", "fiducial", "portrait")
_PARTS = {"drawn": "look", "portrait": "background"}  # what else a manifest has
_NAMESPACE = uuid.UUID("5f8d7c9e-3f57-5c1b-9a44-0c6d1e2b7a90")
_LARGEST = 64 * 1024  # bytes of a manifest
_CHOICES = {"hair_style": HAIR_STYLES, "clothes": CLOTHES}
_RANGES = {"brow_weight": (1.0, 8.0),
    "lip_weight": (0.4, 1.3), "lashes": (0.0, 1.0), "stubble": (0.0, 1.0),
           "jaw": (0.0, 1.0)}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Avatar:
    """One avatar as its package describes it."""

    name: str  # of the folder or file
    title: str
    rig: str  # one of RIGS
    licence: str
    author: str
    package: Package
    look: Style | None = None  # of a drawn one
    backdrop: Background | None = None  # of a portrait

    @property
    def id(self) -> uuid.UUID:
        return avatar_id(self.name)


@dataclass(frozen=True, slots=True)
class AvatarCatalog:
    """What a folder of packages holds."""

    avatars: dict[str, Avatar]
    broken: dict[str, str]  # name -> what is wrong with it


def avatar_id(name: str) -> uuid.UUID:
    """The same for the same name, on every server."""
    return uuid.uuid5(_NAMESPACE, name)


def load_all(folder: Path) -> AvatarCatalog:
    """Every package in ``folder``; a broken one does not keep the others away."""
    shelf = AvatarCatalog({}, {})
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.name.startswith(".") or not (path.is_dir() or path.suffix == ".zip"):
            continue
        try:
            avatar = load(path)
        except BrokenAvatar as broken:
            shelf.broken[path.name] = str(broken)
            continue
        if avatar.name in shelf.avatars:
            reason = f"there is a folder {avatar.name!r} too; remove one of them"
            shelf.broken[path.name] = reason
        else:
            shelf.avatars[avatar.name] = avatar
    return shelf


def load(path: Path) -> Avatar:
    """One package, a folder or a zip. Raises `BrokenAvatar`."""
    package = Package.at(path)
    manifest = _Object.parse(package.read(MANIFEST, _LARGEST))
    avatar = _avatar(package, manifest)
    if avatar.backdrop is not None:
        read_likeness(package)
    return avatar


def make_rig(avatar: Avatar, width: int, height: int, device: torch.device) -> Rig:
    """A rig that draws ``avatar``; takes up to seconds. Width and height are even."""
    if avatar.look is not None:
        return DrawnRig(avatar.look, width, height, device)
    if avatar.backdrop is not None:
        likeness = read_likeness(avatar.package)
        return PortraitRig(likeness, avatar.backdrop, width, height, device)
    return FiducialRig(width, height, device)


def _avatar(package: Package, manifest: "_Object") -> Avatar:
    schema = manifest.number("schema")
    if schema != SCHEMA:
        raise BrokenAvatar(f"schema is {schema:g}; this server reads {SCHEMA}")
    rig = manifest.choice("rig", RIGS)
    known = {"schema", "rig", "title", "licence", "author"}
    if part := _PARTS.get(rig):
        known.add(part)
    avatar = Avatar(
        name=package.name,
        title=manifest.text("title"),
        rig=rig,
        licence=manifest.text("licence"),
        author=manifest.text("author"),
        package=package,
        look=_look(manifest.part("look")) if rig == "drawn" else None,
        backdrop=_backdrop(manifest.part("background")) if rig == "portrait" else None,
    )
    manifest.refuse_others(known)
    return avatar


def _backdrop(found: "_Object") -> Background:
    found.refuse_others({field.name for field in fields(Background)})
    return Background(centre=found.colour("centre"), edge=found.colour("edge"))


def _look(found: "_Object") -> Style:
    found.refuse_others({field.name for field in fields(Style)})
    values: dict[str, str | float] = {}
    for field in fields(Style):
        if field.name in _CHOICES:
            values[field.name] = found.choice(field.name, _CHOICES[field.name])
        elif field.name in _RANGES:
            values[field.name] = found.number(field.name, *_RANGES[field.name])
        else:
            values[field.name] = found.colour(field.name)
    return Style(**values)  # type: ignore[arg-type]  # each checked by its kind above


class _Object:
    """A JSON object whose fields are read once, with errors that name them."""

    def __init__(self, found: object, prefix: str = "") -> None:
        if not isinstance(found, dict):
            raise BrokenAvatar(f"{prefix or MANIFEST} must be a JSON object")
        self._found: dict[str, object] = found
        self._prefix = prefix + "." if prefix else ""

    @classmethod
    def parse(cls, text: bytes) -> "_Object":
        if len(text) > _LARGEST:
            raise BrokenAvatar(f"{MANIFEST} is over {_LARGEST} bytes")
        try:
            return cls(json.loads(text))
        except (ValueError, RecursionError) as error:
            raise BrokenAvatar(f"{MANIFEST} is not JSON: {error}") from error

    def refuse_others(self, known: set[str]) -> None:
        for name in self._found:
            if name not in known:
                raise BrokenAvatar(
                    f"{self._prefix}{name} is not a field; there are: "
                    + ", ".join(sorted(known))
                )

    def part(self, name: str) -> "_Object":
        return _Object(self._get(name, "a JSON object"), self._prefix + name)

    def text(self, name: str) -> str:
        found = self._get(name, "a text")
        if not isinstance(found, str) or not found.strip():
            raise self._wrong(name, found, "a text that is not empty")
        return found

    def number(self, name: str, low: float = 0, high: float = 1e6) -> float:
        want = f"a number from {low:g} to {high:g}"
        found = self._get(name, want)
        if isinstance(found, bool) or not isinstance(found, int | float):
            raise self._wrong(name, found, want)
        if not low <= found <= high:
            raise self._wrong(name, found, want)
        return float(found)

    def choice(self, name: str, among: tuple[str, ...]) -> str:
        want = "one of " + ", ".join(among)
        found = self._get(name, want)
        if not isinstance(found, str) or found not in among:
            raise self._wrong(name, found, want)
        return found

    def colour(self, name: str) -> str:
        want = 'a colour such as "#1a2b3c"'
        found = self._get(name, want)
        if not isinstance(found, str) or not _is_colour(found):
            raise self._wrong(name, found, want)
        return found

    def _get(self, name: str, want: str) -> object:
        if name not in self._found:
            raise BrokenAvatar(f"{self._prefix}{name} is missing; it must be {want}")
        return self._found[name]

    def _wrong(self, name: str, found: object, want: str) -> BrokenAvatar:
        shown = json.dumps(found)[:60]
        return BrokenAvatar(f"{self._prefix}{name} is {shown}; it must be {want}")


def _is_colour(text: str) -> bool:
    digits = "0123456789abcdefABCDEF"
    return len(text) == 7 and text[0] == "#" and all(c in digits for c in text[1:])
