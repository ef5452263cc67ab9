"""Avatar packages of a folder, loaded again when files change."""

import contextlib
import logging
import shutil
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

from lite_gateway.errors import Refused
from lite_gateway.foreign.text import foreign_text
from renderer.avatar import (
    Avatar,
    AvatarCatalog,
    BrokenAvatar,
    UnreadableAvatar,
    UnusableBackground,
    avatar_id,
    catalog_of,
    check_background,
    load,
    load_or_error,
    package_paths,
)
from renderer.package import MANIFEST

log = logging.getLogger(__name__)

RESCAN_S = 2.0  # between two rescans
RESCAN_WARNING_S = 30.0  # a rescan that takes longer is reported
_MAX_NAME_CHARACTERS = 200
_FOLDER = "the folder of avatars"
_CREATED = "the folder of --created-avatars (LITE_CREATED_AVATARS)"
_Stamp = frozenset[tuple[str, int, int]]  # path, mtime in ns and size of each file


def background_of(avatar: Avatar, wanted: str | None, field: str) -> str:
    """
    Return the background of a session, empty for the avatar's own.

    ``wanted`` is that of a request, in ``field``. Raises `Refused`, with the name of
    the field, if the avatar cannot have it.
    """
    try:
        return check_background(avatar, wanted or "")
    except UnusableBackground as error:
        raise Refused(422, f"{field}: {error}") from error


class AvatarPackages:
    """
    Avatars of a folder, and of the one of avatars that people make, by name or id.

    The constructor, `rescan`, `add_draft` and `keep` use the disk: call them in a
    thread. What cannot be read at the moment counts as unchanged.
    """

    def __init__(
        self, folder: Path, created: Path | None = None, *, trusted: bool = False
    ) -> None:
        """
        Load the packages of ``folder``, and of ``created``, which may be missing.

        Where both have a package of a name, that of ``folder`` counts. ``trusted``:
        their images are not checked now, which takes half a second each. What changes
        later is checked.
        """
        self._folder = folder
        self.created = created
        self._changing = threading.Lock()
        self._drafts: dict[str, Avatar] = {}  # by name; they are found, and not listed
        self._paths: dict[str, Path] = {}
        # By name of the file or folder.
        self._loaded: dict[str, _Stamp] = {}
        self._seen: dict[str, _Stamp] = {}
        self._packages: dict[str, Avatar | BrokenAvatar] = {}
        self._trouble: dict[str, str] = {}  # by what it is in
        self.catalog = AvatarCatalog({}, {})
        if stamps := self._list():
            self._seen = stamps
            self._load(set(stamps), trusted=trusted)

    def find(self, name: str) -> Avatar | None:
        """Return the avatar of that name or id."""
        for avatar in (*self.catalog.avatars.values(), *self._drafts.values()):
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
                name = foreign_text(name, limit=_MAX_NAME_CHARACTERS)
                yield avatar_id(name), name, foreign_text(error)

    def add_draft(self, path: Path) -> Avatar:
        """
        Return the avatar of a package that was just made; it is found from now on.

        Raises `BrokenAvatar`.
        """
        avatar = load(path, trusted=True)
        self._drafts = {**self._drafts, avatar.name: avatar}
        return avatar

    def drop_draft(self, draft: Avatar) -> None:
        """Find a draft no more. Its files stay."""
        self._drafts = {
            name: avatar for name, avatar in self._drafts.items() if name != draft.name
        }

    def keep(self, draft: Avatar, manifest: Path | None = None) -> Avatar:
        """
        Move a draft into the folder of avatars that people made, and list it.

        ``manifest``: file in the draft's folder that takes the place of its own.
        Raises `OSError` and `BrokenAvatar`; the draft is where and as it was then.
        """
        assert self.created is not None
        place, name = draft.package.path, draft.name
        path = self.created / name
        with self._changing:
            place.rename(path)
            try:
                with _replaced_manifest(path, manifest):
                    avatar = load(path, trusted=True)
            except BaseException:
                path.rename(place)
                raise
            self._paths[name] = path
            stamp = self._stamp(path)
            if stamp is not None:
                self._seen[name] = self._loaded[name] = stamp
            self._replace(name, avatar)
            self.catalog = catalog_of(self._packages)
        self.drop_draft(draft)
        return avatar

    def is_created(self, avatar: Avatar) -> bool:
        """Tell whether an avatar lies in the folder of those that people made."""
        return avatar.package.path.parent == self.created

    def created_count(self) -> int:
        """Return how many avatars people have made and kept."""
        return sum(map(self.is_created, self.catalog.avatars.values()))

    def remove(self, avatar: Avatar) -> None:
        """Delete the files of an avatar that somebody made. Raises `OSError`."""
        assert self.is_created(avatar)
        path = avatar.package.path
        with self._changing:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
            for known in (self._packages, self._loaded, self._seen):
                known.pop(path.name, None)
            self.catalog = catalog_of(self._packages)

    def rescan(self) -> set[str]:
        """
        Load the packages whose files have changed; return the changed names.

        Files that changed since the last rescan may still be copied, so they are
        loaded at the first rescan that finds no further change.
        """
        with self._changing:
            return self._rescan()

    def _rescan(self) -> set[str]:
        stamps = self._list()
        before, self._seen = self._seen, stamps
        changed = {
            file
            for file in stamps.keys() | self._loaded.keys()
            if stamps.get(file) != self._loaded.get(file)
        }
        if stamps != before or not changed:
            return set()
        return {_name(file) for file in self._load(changed)}

    def _list(self) -> dict[str, _Stamp]:
        """
        Return a stamp of each package, which changes when its files change.

        What cannot be listed at the moment is as it was.
        """
        found = self._found(self.created, _CREATED) if self.created else {}
        found |= self._found(self._folder, _FOLDER)
        self._paths |= {name: path for name, (path, _) in found.items()}
        return {name: stamp for name, (_, stamp) in found.items()}

    def _found(self, folder: Path, place: str) -> dict[str, tuple[Path, _Stamp]]:
        """
        Return path and stamp of the packages of a folder.

        If it cannot be listed, or the operator's is empty and was not, a mount may be
        gone: those that are loaded stay then. Those that people made go with their
        files, also when the whole folder goes: that withdraws them.
        """
        loaded = {
            name: (self._paths[name], self._seen.get(name, stamp))
            for name, stamp in self._loaded.items()
            if self._paths[name].parent == folder
        }
        trouble, lost = "", ""
        try:
            paths = package_paths(folder)
        except OSError as error:
            paths = []
            if folder == self.created and isinstance(error, FileNotFoundError):
                lost = "is gone"
            else:
                trouble = f"cannot be listed ({error.strerror})"
        if not paths and loaded and not trouble:
            lost = lost or "has no package any more"
            if folder == self._folder:
                trouble, lost = lost, ""
        self._report(place, trouble, lost if loaded else "")
        if trouble:
            return loaded
        stamps = {path.name: (path, self._stamp(path)) for path in paths}
        return {
            name: (path, stamp)
            for name, (path, stamp) in stamps.items()
            if stamp is not None
        }

    def _report(self, place: str, trouble: str, lost: str) -> None:
        """
        Log the state of a folder when it changes.

        ``trouble``: its avatars stay loaded; ``lost``: they go with their files.
        """
        if (trouble or lost) != self._trouble.get(place, ""):
            if trouble:
                text = "the loaded avatars stay; restart the server to drop them"
                log.error("%s %s: %s", place, trouble, text)
            elif lost:
                text = "its avatars leave the list; they come back with their files"
                log.warning("%s %s: %s", place, lost, text)
        self._trouble[place] = trouble or lost

    def _stamp(self, package: Path) -> _Stamp | None:
        """Return the stamp; that of the last rescan if the files cannot be listed."""
        files = set()
        try:
            for path in (package, *(package.rglob("*") if package.is_dir() else ())):
                try:
                    stat = path.stat()
                except FileNotFoundError:  # deleted in the meantime, or a dead link
                    continue
                files.add((str(path), stat.st_mtime_ns, stat.st_size))
        except (OSError, RuntimeError):  # RuntimeError: links in a circle
            return self._seen.get(package.name)
        return frozenset(files)

    def _load(self, files: set[str], *, trusted: bool = False) -> set[str]:
        """Load or drop packages; return those that are different now."""
        changed = set()
        for file in sorted(files):
            if file not in self._seen:
                log.info("avatar %s removed", foreign_text(file))
                del self._packages[file], self._loaded[file]
                changed.add(file)
                continue
            package = load_or_error(self._paths[file], trusted=trusted)
            if self._replace(file, package):
                changed.add(file)
            if not isinstance(package, UnreadableAvatar):  # else it is tried again
                self._loaded[file] = self._seen[file]
        self.catalog = catalog_of(self._packages)
        return changed

    def _replace(self, file: str, package: Avatar | BrokenAvatar) -> bool:
        """Keep a loaded package; tell whether it differs from the one before."""
        before = self._packages.get(file)
        if isinstance(package, UnreadableAvatar):
            if isinstance(before, Avatar):
                log.warning("avatar %s stays as it was: %s", file, package)
                return False
            if str(before) == str(package):
                return False
        self._packages[file] = package
        if isinstance(package, BrokenAvatar):
            log.warning("avatar %s is not loaded: %s", foreign_text(file), package)
        elif self._loaded:
            log.info("avatar %s loaded", file)
        return True


@contextlib.contextmanager
def _replaced_manifest(package: Path, manifest: Path | None) -> Iterator[None]:
    """
    Replace the manifest of a package by its file of the name of ``manifest``.

    If the block fails, the package has its own manifest again.
    """
    if manifest is None:
        yield
        return
    own = package / MANIFEST
    aside = own.with_suffix(".own")
    own.rename(aside)
    try:
        (package / manifest.name).rename(own)
        yield
        aside.unlink()
    except BaseException:
        aside.replace(own)
        raise


def _name(file: str) -> str:
    return file.removesuffix(".zip")
