"""Files that commands write."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from lite_gateway.errors import ConfigError


def check_ending(path: Path, ending: str, format_name: str) -> None:
    """
    Raise `ConfigError` for a file whose name says another format than is written.

    A name without an ending says none.
    """
    if path.suffix.lower() not in ("", ending):
        problem = f"{path.name} does not end with {ending}"
        fix = f"The command writes {format_name}: name a file that ends with {ending}."
        raise ConfigError("--output", problem, fix)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """
    Turn an error of the block into a `ConfigError` that names the file.

    A new file is deleted then: a part of it looks like a result.
    """
    is_new = not path.exists()
    try:
        yield
    except OSError as error:
        if is_new:
            with contextlib.suppress(OSError):
                path.unlink()
        problem = f"{path} cannot be written ({error.strerror})"
        fix = "Name a file in a folder that exists and has room."
        raise ConfigError("--output", problem, fix) from error
