"""The folder of avatar packages as it is now: changed files are seen and loaded."""

import logging
import uuid
from collections.abc import Iterator
from pathlib import Path

from renderer.avatar import Avatar, AvatarCatalog, avatar_id, load_all

log = logging.getLogger(__name__)

LOOK_S = 2.0  # between two looks
_Stamp = frozenset[tuple[str, int, int]]  # path, mtime in ns and size of each file


class AvatarPackages:
    """Reads the disk when it is made and at each `look`: call that in a thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loaded = self._seen = _stamps(folder)
        self.shelf: AvatarCatalog = load_all(folder)
        for name, why in sorted(self.shelf.broken.items()):
            log.warning("avatar %s is left out: %s", name, why)

    def find(self, wanted: str) -> Avatar | None:
        """By name or id."""
        for avatar in self.shelf.avatars.values():
            if wanted in (avatar.name, str(avatar.id)):
                return avatar
        return None

    def why_broken(self, wanted: str) -> tuple[str, str] | None:
        """The name of a package that cannot be loaded, by name or id, and why."""
        for id_, name, why in self.broken():
            if wanted in (name, str(id_)):
                return name, why
        return None

    def broken(self) -> Iterator[tuple[uuid.UUID, str, str]]:
        """Id, name and fault of each package that cannot be loaded."""
        for file, why in sorted(self.shelf.broken.items()):
            name = _name(file)
            if name not in self.shelf.avatars:
                yield avatar_id(name), name, why

    def look(self) -> set[str]:
        """
        Load again if files have changed; the avatars that are not what they were.

        Not while they are still changing: what is being copied is not all there.
        """
        seen, before = _stamps(self._folder), self._seen
        self._seen = seen
        if seen != before or seen == self._loaded:
            return set()
        changed = {
            name
            for name in seen.keys() | self._loaded.keys()
            if seen.get(name) != self._loaded.get(name)
        }
        self._loaded = seen
        self.shelf = load_all(self._folder)
        for file in sorted(changed):
            if why := self.shelf.broken.get(file):
                log.warning("avatar %s is left out: %s", file, why)
            else:
                log.info("avatar %s is %s", file, "here" if file in seen else "gone")
        return {_name(file) for file in changed}


def _name(file: str) -> str:
    return file.removesuffix(".zip")


def _stamps(folder: Path) -> dict[str, _Stamp]:
    """What each package's files look like from outside."""
    try:
        paths = list(folder.iterdir())
    except OSError:  # not there, or not for us
        return {}
    return {path.name: _stamp(path) for path in paths if path.name[0] != "."}


def _stamp(package: Path) -> _Stamp:
    files = set()
    for path in (package, *(package.rglob("*") if package.is_dir() else ())):
        try:
            found = path.stat()
        except OSError:  # gone in the meantime
            continue
        files.add((str(path), found.st_mtime_ns, found.st_size))
    return frozenset(files)
