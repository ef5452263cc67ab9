"""Avatar packages of a folder, loaded again when files change."""

import logging
import uuid
from collections.abc import Iterator
from pathlib import Path

from renderer.avatar import Avatar, AvatarCatalog, avatar_id, load_all

log = logging.getLogger(__name__)

RESCAN_S = 2.0  # between two rescans
_Stamp = frozenset[tuple[str, int, int]]  # path, mtime in ns and size of each file


class AvatarPackages:
    """
    Avatars of a folder, by name or id.

    The constructor and `rescan` read the disk: call them in a thread.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loaded = self._seen = _stamps(folder)  # by name of the file or folder
        self.catalog: AvatarCatalog = load_all(folder)
        for file, error in sorted(self.catalog.broken.items()):
            log.warning("avatar %s is not loaded: %s", file, error)

    def find(self, name: str) -> Avatar | None:
        """Return the avatar of that name or id."""
        for avatar in self.catalog.avatars.values():
            if name in (avatar.name, str(avatar.id)):
                return avatar
        return None

    def find_broken(self, name: str) -> tuple[str, str] | None:
        """Return name and error of the broken package of that name or id."""
        for broken_id, broken_name, error in self.broken():
            if name in (broken_name, str(broken_id)):
                return broken_name, error
        return None

    def broken(self) -> Iterator[tuple[uuid.UUID, str, str]]:
        """Yield id, name and error of each package that cannot be loaded."""
        for file, error in sorted(self.catalog.broken.items()):
            name = _name(file)
            if name not in self.catalog.avatars:
                yield avatar_id(name), name, error

    def rescan(self) -> set[str]:
        """
        Load the packages again if files have changed; return the changed names.

        Files that changed since the last rescan may still be copied, so they are
        loaded at the first rescan that finds no further change.
        """
        stamps, before = _stamps(self._folder), self._seen
        self._seen = stamps
        if stamps != before or stamps == self._loaded:
            return set()
        changed = {
            file
            for file in stamps.keys() | self._loaded.keys()
            if stamps.get(file) != self._loaded.get(file)
        }
        self._loaded = stamps
        self.catalog = load_all(self._folder)
        for file in sorted(changed):
            if error := self.catalog.broken.get(file):
                log.warning("avatar %s is not loaded: %s", file, error)
            else:
                log.info(
                    "avatar %s %s", file, "loaded" if file in stamps else "removed"
                )
        return {_name(file) for file in changed}


def _name(file: str) -> str:
    return file.removesuffix(".zip")


def _stamps(folder: Path) -> dict[str, _Stamp]:
    """Return a stamp of each package, which changes when its files change."""
    try:
        paths = list(folder.iterdir())
    except OSError:  # missing, or not readable
        return {}
    return {path.name: _stamp(path) for path in paths if path.name[0] != "."}


def _stamp(package: Path) -> _Stamp:
    files = set()
    for path in (package, *(package.rglob("*") if package.is_dir() else ())):
        try:
            stat = path.stat()
        except OSError:  # deleted in the meantime
            continue
        files.add((str(path), stat.st_mtime_ns, stat.st_size))
    return frozenset(files)
