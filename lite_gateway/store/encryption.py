"""Encryption at rest: a ring of Fernet keys, the first of which seals."""

import contextlib
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from lite_gateway.errors import ConfigError, StoreUnavailable

_KEPT = 2  # a gateway that runs may seal with the key before the newest


class DecryptionFailed(StoreUnavailable):
    """No key of the ring fits: the state belongs to another ring."""


@dataclass(frozen=True, slots=True)
class KeyRing:
    """
    Keys from the environment, or lines of a file, newest first.

    The file is read at each use, so that a gateway that runs follows a rotation.
    """

    keys: str = field(default="", repr=False)
    path: Path | None = None

    def _fernet(self) -> MultiFernet:
        lines = self.keys.split(",") if self.keys else self._lines()
        keys = [line.strip() for line in lines if line.strip()]
        if not keys and self.path is not None:
            raise ConfigError("LITE_STATE_KEY", f"{self.path} holds no key", _RESTORE)
        try:
            return MultiFernet([Fernet(key) for key in keys])
        except ValueError:
            where = "LITE_STATE_KEY" if self.keys else str(self.path)
            raise ConfigError(where, "a key is not a Fernet key", _NEW_KEY) from None

    def _lines(self) -> list[str]:
        if self.path is None:
            raise ConfigError("LITE_STATE_KEY", "no key is set", _NEW_KEY)
        try:
            return self.path.read_text().splitlines()
        except FileNotFoundError:
            problem = f"it is not set and {self.path} does not exist"
            raise ConfigError("LITE_STATE_KEY", problem, _RESTORE) from None
        except OSError as failed:
            raise ConfigError(
                "LITE_STATE_KEY",
                f"{self.path} cannot be read ({failed.strerror})",
                "Make the file readable for the gateway.",
            ) from None

    def check(self) -> None:
        """`ConfigError` unless there is a key that can seal."""
        self._fernet()

    def create_file(self) -> None:
        """Write a first key where there is none; only its owner may read it."""
        if self.keys or self.path is None or self.path.exists():
            return
        draft = self._draft([Fernet.generate_key().decode()])
        try:
            with contextlib.suppress(FileExistsError):  # another process was first
                os.link(draft, self.path)
        finally:
            draft.unlink()

    def rotate(self) -> None:
        """A new key seals from now on. The one before still opens."""
        if self.path is None or self.keys:
            problem = "the keys are set in the environment and not in a file"
            raise ConfigError("LITE_STATE_KEY", problem, _ROTATE)
        keys = [Fernet.generate_key().decode(), *self._lines()[: _KEPT - 1]]
        self._draft(keys).replace(self.path)

    def _draft(self, keys: list[str]) -> Path:
        """A file that others cannot read, not even for a moment; then to be renamed."""
        assert self.path is not None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            opened, draft = tempfile.mkstemp(dir=self.path.parent)  # mode 0600
        except OSError as failed:
            raise ConfigError(
                "LITE_STATE_KEY",
                f"{self.path} cannot be written ({failed.strerror})",
                "Make its folder writable, or set LITE_STATE_KEY.",
            ) from None
        with os.fdopen(opened, "w") as file:
            file.write("".join(f"{key}\n" for key in keys))
            file.flush()
            os.fsync(file.fileno())
        return Path(draft)

    def encrypt(self, text: str) -> bytes:
        return self._fernet().encrypt(text.encode())

    def decrypt(self, sealed: bytes) -> str:
        try:
            return self._fernet().decrypt(sealed).decode()
        except InvalidToken:
            where = "LITE_STATE_KEY" if self.keys else self.path
            raise DecryptionFailed(
                f"no key of {where} opens what the state holds; "
                "bring back the key that it was written with"
            ) from None

    def reencrypt(self, sealed: bytes) -> bytes:
        """The same under the newest key."""
        return self.encrypt(self.decrypt(sealed))


_NEW_KEY = (
    "A Fernet key is 32 bytes in url-safe base64. Make one with: "
    "python -c 'from cryptography.fernet import Fernet as F; "
    "print(F.generate_key().decode())'. Put the newest key first and separate keys "
    "with commas."
)
_RESTORE = "Restore the key file, or set LITE_STATE_KEY to its keys."
_ROTATE = (
    "Put a new key before the old one there, restart every gateway, then run "
    "`lite-gateway secrets rotate --reseal`."
)
