"""Texts and colours of packages that callers choose."""

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

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


@contextlib.contextmanager
def changed_manifest(draft: Avatar, changes: ManifestChanges) -> Iterator[Path | None]:
    """
    Write the manifest of a draft with changes beside its own, and yield its path.

    Yields None without changes. The file is gone at the end, unless it was moved.
    Raises `Refused` if a change does not fit, and `OSError`. It reads and writes files.
    """
    if changes == ManifestChanges():
        yield None
        return
    background = _background(draft, changes.background)
    path = draft.package.path / MANIFEST
    manifest = json.loads(path.read_bytes())
    if changes.title:
        manifest["title"] = check_text("title", changes.title)
    if background is not None:
        manifest["background"] = background
    changed = path.with_suffix(".new")
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        with open(os.open(changed, flags, 0o600), "w", encoding="utf-8") as file:
            file.write(json.dumps(manifest, indent=2) + "\n")
        yield changed
    finally:
        changed.unlink(missing_ok=True)


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
