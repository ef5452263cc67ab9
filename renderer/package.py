"""
Files of an avatar package: a folder ``NAME/``, or the same files in ``NAME.zip``.

Errors:

* BrokenAvatar    a package cannot be used; the text says what is wrong and how to
                  correct it
"""

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

MANIFEST = "avatar.json"


class BrokenAvatar(Exception):
    """The package cannot be used. The text is for the author of the package."""


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

        Raises `BrokenAvatar` if it cannot be read or has more than ``max_bytes``.
        """
        if self.path.suffix == ".zip":
            data = self._read_zip(member, max_bytes)
        else:
            data = self._read_folder(member, max_bytes)
        if len(data) > max_bytes:
            raise BrokenAvatar(f"{member} is over {max_bytes} bytes")
        return data

    def _read_folder(self, member: str, max_bytes: int) -> bytes:
        try:
            with (self.path / member).open("rb") as file:
                return file.read(max_bytes + 1)
        except OSError as error:
            raise BrokenAvatar(f"{member} cannot be read: {error.strerror}") from error

    def _read_zip(self, member: str, max_bytes: int) -> bytes:
        try:
            with zipfile.ZipFile(self.path) as archive:
                names = archive.namelist()
                _refuse_outside(names)
                for name in (member, f"{self.name}/{member}"):
                    if name in names:
                        with archive.open(name) as file:
                            return file.read(max_bytes + 1)
        except (
            zipfile.BadZipFile,
            OSError,
            RuntimeError,
            NotImplementedError,
            zlib.error,
            EOFError,
        ) as error:
            raise BrokenAvatar(f"the zip file cannot be read: {error}") from error
        raise BrokenAvatar(f"{member} is missing: put it at the top of the zip file")


def _refuse_outside(names: list[str]) -> None:
    """Raise `BrokenAvatar` if a name is absolute or leads out of the archive."""
    for name in names:
        path = PurePosixPath(name.replace("\\", "/"))
        # ":" in the first part is a Windows drive. "" and "." have no parts.
        if path.is_absolute() or ".." in path.parts or ":" in "".join(path.parts[:1]):
            raise BrokenAvatar(f"file {name!r} lies outside of the package")
