"""
Files of an avatar package: a folder ``NAME/``, or the same files in ``NAME.zip``.

Errors:

* BrokenAvatar            a package cannot be used; the text says what is wrong and how
                          to correct it
    * UnreadableAvatar    its files cannot be read now, so nothing is known about it
"""

import errno
import os
import stat
import threading
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, TypeVar

Result = TypeVar("Result")

MANIFEST = "avatar.json"
READ_S = 10.0  # to read one file; a file system that takes longer hangs

_MAX_ERROR_CHARACTERS = 500
# Errors of the system or of the file system, not of the package.
_PASSING = {
    *(errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.ESTALE),
    *(errno.ENODEV, errno.ENOTCONN, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EAGAIN),
}


class BrokenAvatar(Exception):
    """The package cannot be used. The text is one line for the package's author."""

    def __init__(self, text: str) -> None:
        super().__init__(one_line(text, _MAX_ERROR_CHARACTERS))


class UnreadableAvatar(BrokenAvatar):
    """The package's files cannot be read now; the package may be good."""


def one_line(text: str, limit: int) -> str:
    """Escape what cannot be printed, such as a line break, and cut the text."""
    if not text.isprintable():
        characters = (c if c.isprintable() else _escape(c) for c in text[:limit])
        text = "".join(characters)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def broken(error: Exception, text: str) -> BrokenAvatar:
    """Return the error of a package for an exception while it was read."""
    if isinstance(error, BrokenAvatar):
        return error
    cause = error.strerror if isinstance(error, OSError) else str(error)
    kind = BrokenAvatar
    if isinstance(error, OSError) and error.errno in _PASSING:
        kind = UnreadableAvatar
    return kind(f"{text}: {cause or type(error).__name__}")


@dataclass(frozen=True, slots=True)
class Package:
    """Folder or zip file of a package. Files are read one at a time."""

    path: Path

    @classmethod
    def at(cls, path: Path) -> "Package":
        """Return the package at ``path``. Raises `BrokenAvatar` for an invalid name."""
        package = cls(path)
        if not package.name.replace("-", "").replace("_", "").isalnum():
            raise BrokenAvatar(
                f"name {package.name!r}: use letters, digits, '-' and '_' only"
            )
        return package

    @property
    def name(self) -> str:
        return self.path.stem if self.path.suffix == ".zip" else self.path.name

    def read(self, member: str, max_bytes: int) -> bytes:
        """
        Return the content of the file ``member``.

        Raises `BrokenAvatar` if it cannot be read or has more than ``max_bytes``, and
        `UnreadableAvatar` if that takes longer than `READ_S`.
        """
        is_zip = self.path.suffix == ".zip"
        read = self._read_zip if is_zip else self._read_folder
        subject = "the zip file" if is_zip else member
        try:
            data = _in_time(self.path, lambda: read(member, max_bytes))
        except Exception as error:  # boundary: a file may raise anything
            raise broken(error, f"{subject} cannot be read") from error
        if len(data) > max_bytes:
            raise BrokenAvatar(f"{member} is over {max_bytes} bytes")
        return data

    def files(self, folder: str) -> list[str]:
        """
        Return the names of the files in a folder of the package, sorted.

        A folder that is missing has none. Names that begin with a dot are left out.
        Raises `BrokenAvatar` if it cannot be listed, and `UnreadableAvatar` if that
        takes longer than `READ_S`.
        """
        is_zip = self.path.suffix == ".zip"
        listed = self._list_zip if is_zip else self._list_folder
        try:
            names = _in_time(self.path, lambda: listed(folder))
        except Exception as error:  # boundary: a file system may raise anything
            raise broken(error, f"{folder} cannot be listed") from error
        return sorted(name for name in names if name and name[0] != ".")

    def _list_folder(self, folder: str) -> list[str]:
        path = (self.path / folder).resolve()
        if not path.is_relative_to(self.path.resolve()):
            raise BrokenAvatar(f"{folder} is a link that leads out of the package")
        try:
            return os.listdir(path)
        except FileNotFoundError:
            return []

    def _list_zip(self, folder: str) -> list[str]:
        with _open_regular(self.path) as file, zipfile.ZipFile(file) as archive:
            names = archive.namelist()
        prefixes = (f"{folder}/", f"{self.name}/{folder}/")
        return [
            name.removeprefix(prefix)
            for prefix in prefixes
            for name in names
            if name.startswith(prefix)
        ]

    def _read_folder(self, member: str, max_bytes: int) -> bytes:
        path = (self.path / member).resolve()
        if not path.is_relative_to(self.path.resolve()):
            raise BrokenAvatar(f"{member} is a link that leads out of the package")
        with _open_regular(path) as file:
            return file.read(max_bytes + 1)

    def _read_zip(self, member: str, max_bytes: int) -> bytes:
        with _open_regular(self.path) as file, zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            _refuse_outside(names)
            for name in (member, f"{self.name}/{member}"):
                if name in names:
                    with archive.open(name) as content:
                        return content.read(max_bytes + 1)
        raise BrokenAvatar(f"{member} is missing: put it at the top of the zip file")


_hanging: dict[Path, threading.Thread] = {}  # reads that took longer than `READ_S`


def _in_time(path: Path, read: Callable[[], Result]) -> Result:
    """
    Return the result of ``read``, which runs in a thread for up to `READ_S`.

    A read of a network file system that is gone cannot be ended. While one hangs, no
    other of that package begins.
    """
    earlier = _hanging.get(path)
    if earlier is not None and earlier.is_alive():
        raise UnreadableAvatar("an earlier read of this package still hangs")
    results: list[Result] = []
    errors: list[Exception] = []

    def work() -> None:
        try:
            results.append(read())
        except Exception as error:  # boundary: the caller gets it
            errors.append(error)

    thread = threading.Thread(target=work, name="package", daemon=True)
    thread.start()
    thread.join(READ_S)
    if errors:
        raise errors[0]
    if not results:
        _hanging[path] = thread
        raise UnreadableAvatar(f"the disk did not answer within {READ_S:g} s")
    _hanging.pop(path, None)
    return results[0]


def _open_regular(path: Path) -> BinaryIO:
    """Open a regular file. A pipe or a device could block, or never end."""
    # Without O_NONBLOCK, opening a pipe waits for its writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    raise BrokenAvatar(f"{path.name} is not a regular file")


def _refuse_outside(names: list[str]) -> None:
    """Raise `BrokenAvatar` if a name is absolute or leads out of the archive."""
    for name in names:
        path = PurePosixPath(name.replace("\\", "/"))
        # ":" in the first part is a Windows drive. "" and "." have no parts.
        if path.is_absolute() or ".." in path.parts or ":" in "".join(path.parts[:1]):
            raise BrokenAvatar(f"file {name!r} lies outside of the package")
