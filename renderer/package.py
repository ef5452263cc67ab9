"""
The files of an avatar: a folder ``NAME/``, or that as ``NAME.zip``.

What can go wrong:

* BrokenAvatar    a package is not what it should be; says what is wrong and what
                  would be right
"""

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

MANIFEST = "avatar.json"


class BrokenAvatar(Exception):
    """The package cannot be used; the text is for whoever made it."""


@dataclass(frozen=True, slots=True)
class Package:
    """A folder or a zip, read a file at a time."""

    path: Path

    @classmethod
    def at(cls, path: Path) -> "Package":
        """Raises `BrokenAvatar` where the name cannot be an avatar's."""
        package = cls(path)
        if not package.name.replace("-", "").replace("_", "").isalnum():
            raise BrokenAvatar(
                f"name {package.name!r}: use letters, digits, '-' and '_' only"
            )
        return package

    @property
    def name(self) -> str:
        return self.path.stem if self.path.suffix == ".zip" else self.path.name

    def read(self, member: str, most: int) -> bytes:
        """All of one file of at most so many bytes. Raises `BrokenAvatar`."""
        if self.path.suffix == ".zip":
            data = self._from_zip(member, most)
        else:
            data = self._from_folder(member, most)
        if len(data) > most:
            raise BrokenAvatar(f"{member} is over {most} bytes")
        return data

    def _from_folder(self, member: str, most: int) -> bytes:
        try:
            with (self.path / member).open("rb") as file:
                return file.read(most + 1)
        except OSError as error:
            raise BrokenAvatar(f"{member} cannot be read: {error.strerror}") from error

    def _from_zip(self, member: str, most: int) -> bytes:
        try:
            with zipfile.ZipFile(self.path) as package:
                names = package.namelist()
                _refuse_outside(names)
                for place in (member, f"{self.name}/{member}"):
                    if place in names:
                        with package.open(place) as file:
                            return file.read(most + 1)
        except (
            zipfile.BadZipFile,
            OSError,
            RuntimeError,
            NotImplementedError,
            zlib.error,
            EOFError,
        ) as error:
            raise BrokenAvatar(f"not a zip file that can be read: {error}") from error
        raise BrokenAvatar(f"{member} is missing; it must be at the top of the zip")


def _refuse_outside(names: list[str]) -> None:
    for name in names:
        at = PurePosixPath(name.replace("\\", "/"))
        if at.is_absolute() or ".." in at.parts or ":" in at.parts[0]:
            raise BrokenAvatar(f"file {name!r} lies outside of the package")
