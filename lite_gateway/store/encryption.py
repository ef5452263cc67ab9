"""Encryption at rest: a ring of Fernet keys. The first encrypts, all can decrypt."""

import fcntl
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from lite_gateway.errors import ConfigError, StoreUnavailable

# Keys in the file: a running gateway may still encrypt with the one before the newest.
_MAX_FILE_KEYS = 2


class DecryptionFailed(StoreUnavailable):
    """No key of the ring decrypts the data: the database belongs to another key."""


@dataclass(frozen=True, slots=True)
class KeyRing:
    """
    Fernet keys, newest first: from the environment (``keys``) or a file (``path``).

    ``keys`` separates them with commas, the file with lines. The file is read at each
    use, so that a running gateway follows a rotation.
    """

    keys: str = field(default="", repr=False)
    path: Path | None = None

    def _fernet(self) -> MultiFernet:
        lines = self.keys.split(",") if self.keys else self._read_file()
        keys = [line.strip() for line in lines if line.strip()]
        if not keys and self.path is not None:
            raise ConfigError("LITE_STATE_KEY", f"{self.path} holds no key", _RESTORE)
        try:
            return MultiFernet([Fernet(key) for key in keys])
        except ValueError:
            raise ConfigError(
                self.source, "a key is not a Fernet key", _NEW_KEY
            ) from None

    @property
    def source(self) -> str:
        """Name of the setting or the file that the keys are in."""
        return "LITE_STATE_KEY" if self.keys else str(self.path)

    def _read_file(self) -> list[str]:
        if self.path is None:
            raise ConfigError("LITE_STATE_KEY", "no key is set", _NEW_KEY)
        try:
            return self.path.read_text().splitlines()
        except FileNotFoundError:
            problem = f"it is not set and {self.path} does not exist"
            raise ConfigError("LITE_STATE_KEY", problem, _RESTORE) from None
        except OSError as error:
            raise ConfigError(
                "LITE_STATE_KEY",
                f"{self.path} cannot be read ({error.strerror})",
                "Make the file readable for the gateway.",
            ) from None

    def check(self) -> None:
        """Raise `ConfigError` unless there is a valid key."""
        self._fernet()

    def create_file(self) -> None:
        """Create the file with a first key, unless it exists or ``keys`` are set."""
        if self.keys or self.path is None or self.path.exists():
            return
        temporary = self._write_temporary([Fernet.generate_key().decode()])
        try:
            _move_to_new(temporary, self.path)
        except OSError as error:
            raise self._not_written(error) from None
        finally:
            temporary.unlink(missing_ok=True)

    def rotate(self) -> None:
        """Add a new key that encrypts from now on. The key before it still decrypts."""
        if self.path is None or self.keys:
            problem = "the keys are set in the environment and not in a file"
            raise ConfigError("LITE_STATE_KEY", problem, _ROTATE)
        keys = [
            Fernet.generate_key().decode(),
            *self._read_file()[: _MAX_FILE_KEYS - 1],
        ]
        self._write_temporary(keys).replace(self.path)

    def copy_file(self, target: Path) -> None:
        """Copy the keys to the new file ``target``, with mode 0600."""
        if self.keys or self.path is None:
            fix = "Keep a copy of that variable instead."
            raise ConfigError("LITE_STATE_KEY", "the keys are in it", fix)
        keys = self._read_file()
        try:
            descriptor = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            _write_lines(descriptor, target, keys)
        except OSError as error:
            problem = f"{target} cannot be created ({error.strerror})"
            fix = "Name a new file in a folder that has room."
            raise ConfigError("--key", problem, fix) from None

    def _write_temporary(self, keys: list[str]) -> Path:
        """Write ``keys`` to a new file beside `path` that only its owner can read."""
        assert self.path is not None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor, name = tempfile.mkstemp(dir=self.path.parent)  # mode 0600
            _write_lines(descriptor, Path(name), keys)
        except OSError as error:
            raise self._not_written(error) from None
        return Path(name)

    def _not_written(self, error: OSError) -> ConfigError:
        problem = f"{self.path} cannot be written ({error.strerror})"
        fix = "Make its folder writable, with room on its disk, or set LITE_STATE_KEY."
        return ConfigError("LITE_STATE_KEY", problem, fix)

    def encrypt(self, text: str) -> bytes:
        return self._fernet().encrypt(text.encode())

    def decrypt(self, encrypted: bytes) -> str:
        try:
            return self._fernet().decrypt(encrypted).decode()
        except InvalidToken:
            raise DecryptionFailed(
                f"no key of {self.source} decrypts the secrets of the database; "
                "restore the key that they were encrypted with"
            ) from None

    def reencrypt(self, encrypted: bytes) -> bytes:
        """Decrypt with any key of the ring and encrypt with the newest."""
        return self.encrypt(self.decrypt(encrypted))


def _move_to_new(temporary: Path, path: Path) -> None:
    """
    Give a complete file its name, unless another process was first: its file stays.

    The file may have its old name as well then. Raises `OSError`.
    """
    try:
        os.link(temporary, path)
    except FileExistsError:
        return
    except OSError:  # no hard links here, as on FAT: all who create it come to this
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)  # until the descriptor is closed
            if not path.exists():
                temporary.replace(path)
        finally:
            os.close(folder)


def _write_lines(descriptor: int, path: Path, lines: Iterable[str]) -> None:
    """Write lines to the new file ``path``, which an `OSError` leaves deleted."""
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write("".join(f"{line}\n" for line in lines))
            file.flush()
            os.fsync(file.fileno())
    except OSError:  # a part of a key decrypts nothing
        path.unlink()
        raise


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
