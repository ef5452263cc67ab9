"""Texts and colours of packages that callers choose."""

import json
from dataclasses import dataclass

from lite_gateway.errors import Refused
from renderer.avatar import (
    TRANSPARENT,
    Avatar,
    UnusableBackground,
    check_background,
)
from renderer.hidden import hidden_character
from renderer.manifest import JsonObject
from renderer.package import MANIFEST, BrokenAvatar

WRONG_OPTION = "wrong_option"


@dataclass(frozen=True, slots=True)
class ManifestChanges:
    """Changes to the manifest of a draft that is kept; None leaves a field as it is."""

    title: str | None = None
    background: str | None = None  # a colour such as #93a8b0, or name of a picture


def check_text(name: str, text: str) -> str:
    """Return a text without blanks around it; `Refused` if no manifest can have it."""
    text = text.strip()
    if hidden := hidden_character(text):
        problem = f"{name} has the character {hidden}, which nobody sees: remove it"
        raise Refused(422, problem, code=WRONG_OPTION)
    try:
        return JsonObject({name: text}).text(name)
    except BrokenAvatar as error:
        raise Refused(422, str(error), code=WRONG_OPTION) from None


def change_manifest(draft: Avatar, changes: ManifestChanges) -> None:
    """Change the manifest of a draft, or raise `Refused`; it reads and writes files."""
    if changes == ManifestChanges():
        return
    background = _background(draft, changes.background)
    path = draft.package.path / MANIFEST
    manifest = json.loads(path.read_bytes())
    if changes.title:
        manifest["title"] = check_text("title", changes.title)
    if background is not None:
        manifest["background"] = background
    other = path.with_suffix(".new")
    other.write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    other.replace(path)


def _background(draft: Avatar, wanted: str | None) -> dict[str, str] | None:
    """Return what a manifest says of a background; None: what it says already."""
    if not wanted:
        return None
    try:
        wanted = check_background(draft, wanted)
    except UnusableBackground as error:
        raise Refused(422, f"background: {error}", code=WRONG_OPTION) from None
    if wanted == TRANSPARENT:
        raise Refused(
            422,
            "background: transparent is for sessions; keep the avatar with a colour, "
            "or a picture of its own",
            code=WRONG_OPTION,
        )
    if wanted in draft.pictures:
        return {"picture": wanted}
    return {"centre": wanted, "edge": wanted}
