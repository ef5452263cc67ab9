"""Arrays of an .npz file, read by name and checked for type and shape."""

import io
import tokenize
import zipfile
import zlib
from collections.abc import Collection

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.generic]

_MAX_UNPACKED_BYTES = 256 * 1024 * 1024  # all arrays together
_PIECE_BYTES = 1 << 18
_KINDS = {"f": "floats", "i": "signed integers", "u": "unsigned integers"}
# zipfile and numpy raise these for a damaged zip or a damaged array header.
_READ_ERRORS = (
    *(ValueError, TypeError, OSError, EOFError, RuntimeError, MemoryError),
    *(SyntaxError, tokenize.TokenError, zipfile.BadZipFile, zlib.error),
)


class Arrays:
    """Reader of a file that `numpy.savez` wrote. It never unpickles."""

    def __init__(self, file: str, data: bytes, error: type[Exception]) -> None:
        """
        Open the archive in ``data``; ``file`` is its name for error texts.

        All methods raise ``error`` if the file is invalid. The constructor raises it
        if it is not a zip file or unpacks to too many bytes.
        """
        self._file = file
        self._error = error
        try:
            self._members = zipfile.ZipFile(io.BytesIO(data))
        except _READ_ERRORS as cause:
            raise error(
                f"{file} cannot be read: {cause}; expected an .npz file, as "
                "numpy.savez writes it"
            ) from cause
        unpacked_bytes = sum(member.file_size for member in self._members.infolist())
        if unpacked_bytes > _MAX_UNPACKED_BYTES:
            raise error(
                f"{file} unpacks to more than {_MAX_UNPACKED_BYTES} bytes: store "
                "fewer or smaller arrays"
            )

    def refuse_others(self, names: Collection[str]) -> None:
        """Raise if there is an array whose name is not in ``names``."""
        stored = (name.removesuffix(".npy") for name in self._members.namelist())
        if others := sorted(set(stored) - set(names)):
            raise self._error(f"{self._file} has unknown arrays: {', '.join(others)}")

    def get(self, name: str, kind: str, shape: tuple[int | None, ...]) -> Array:
        """
        Return the array ``name``. Raises if it is missing or does not fit.

        ``kind`` is numpy's letter: f, i or u. None in ``shape`` stands for any length
        above 0. Floats must be finite.
        """
        expected = f"{_KINDS[kind]} of shape {_shape(shape)}"
        if f"{name}.npy" not in self._members.namelist():
            raise self._error(f"{self._file} has no array {name}: add {expected}")
        array = self._read(name)
        fits = len(array.shape) == len(shape) and all(
            length > 0 if side is None else length == side
            for length, side in zip(array.shape, shape, strict=True)
        )
        if array.dtype.kind != kind or not fits:
            raise self._error(
                f"{self._file}: {name} is {array.dtype} of shape "
                f"{_shape(array.shape)}, expected {expected}"
            )
        if kind == "f" and not np.isfinite(array).all():
            raise self._error(f"{self._file}: {name} has values that are not finite")
        return array

    def floats(
        self,
        name: str,
        kind: str,
        shape: tuple[int | None, ...],
        limit: float = float(np.finfo(np.float32).max),
    ) -> npt.NDArray[np.float32]:
        """
        Return the array ``name`` as float32; parameters and errors as in `get`.

        It also raises if a value is above ``limit`` or below ``-limit``.
        """
        array = self.get(name, kind, shape)
        lowest, highest = float(array.min()), float(array.max())
        if max(-lowest, highest) > limit:
            raise self._error(
                f"{self._file}: {name} has values from {lowest:g} to {highest:g}, but "
                f"{limit:g} is the limit"
            )
        return array.astype(np.float32)

    def _read(self, name: str) -> Array:
        try:
            with self._members.open(f"{name}.npy") as member:
                # In pieces, as numpy reads: Python holds its lock for each of them.
                array: Array = np.lib.format.read_array(member, allow_pickle=False)
                while member.read(_PIECE_BYTES):
                    pass  # the checksum is compared at the end
        except _READ_ERRORS as cause:
            raise self._error(
                f"{self._file}: {name} cannot be read: {cause}"
            ) from cause
        return array


def _shape(sides: tuple[int | None, ...]) -> str:
    return " x ".join("N" if side is None else str(side) for side in sides)
