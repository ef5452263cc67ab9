"""The arrays of a package, asked for by name, kind and shape."""

import io
import tokenize
import zipfile
import zlib

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from renderer.package import BrokenAvatar

Array = npt.NDArray[np.generic]

_MOST_UNPACKED = 256 * 1024 * 1024  # bytes of all arrays together
_KINDS = {"f": "floats", "i": "signed integers", "u": "unsigned integers"}
# What a damaged zip or array header raises in zipfile and numpy.
_UNREADABLE = (
    *(ValueError, TypeError, OSError, EOFError, RuntimeError, MemoryError),
    *(SyntaxError, tokenize.TokenError, zipfile.BadZipFile, zlib.error),
)


class Arrays:
    """A file as `numpy.savez` writes it, without pickles."""

    def __init__(self, file: str, data: bytes) -> None:
        """``file``: its name, for the errors."""
        self._file = file
        try:
            self._members = zipfile.ZipFile(io.BytesIO(data))
        except _UNREADABLE as error:
            raise BrokenAvatar(f"{file} cannot be read: {error}") from error
        if sum(one.file_size for one in self._members.infolist()) > _MOST_UNPACKED:
            raise BrokenAvatar(f"{file} unpacks to over {_MOST_UNPACKED} bytes")

    def get(self, name: str, kind: str, shape: tuple[int | None, ...]) -> Array:
        """``kind`` is numpy's: f, i or u. None in ``shape`` is any number over 0."""
        want = f"{_KINDS[kind]} of shape {_shape(shape)}"
        if f"{name}.npy" not in self._members.namelist():
            raise BrokenAvatar(f"{self._file} has no {name}; it must be {want}")
        array = self._read(name)
        fits = len(array.shape) == len(shape) and all(
            have > 0 if side is None else have == side
            for have, side in zip(array.shape, shape, strict=True)
        )
        if array.dtype.kind != kind or not fits:
            raise BrokenAvatar(
                f"{self._file}: {name} is {array.dtype} of shape "
                f"{_shape(array.shape)}; it must be {want}"
            )
        if kind == "f" and not np.isfinite(array).all():
            raise BrokenAvatar(
                f"{self._file}: {name} holds numbers that are not finite"
            )
        return array

    def tensor(self, name: str, kind: str, shape: tuple[int | None, ...]) -> Tensor:
        """The same as float32."""
        return torch.from_numpy(self.get(name, kind, shape).astype(np.float32))

    def _read(self, name: str) -> Array:
        try:
            with self._members.open(f"{name}.npy") as member:
                data = io.BytesIO(member.read())
            found: Array = np.lib.format.read_array(data, allow_pickle=False)
        except _UNREADABLE as error:
            raise BrokenAvatar(
                f"{self._file}: {name} cannot be read: {error}"
            ) from error
        return found


def _shape(sides: tuple[int | None, ...]) -> str:
    return " x ".join("N" if side is None else str(side) for side in sides)
