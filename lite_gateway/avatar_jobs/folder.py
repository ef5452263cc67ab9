"""Folder in which a gateway makes avatars; those of gateways that died are removed."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

_PREFIX = ".jobs-"  # packages are not looked for in folders that begin with a dot
_LOCK = "lock"


@contextlib.contextmanager
def jobs_folder(parent: Path) -> Iterator[Path]:
    """
    Yield a new folder in ``parent`` that only this user can read; remove it at the end.

    A ``parent`` that is made is for this user only; one that exists keeps its mode.
    Folders of processes that were killed are removed first: the lock of each file
    ``lock`` ends with its process, so several gateways may share ``parent``. Raises
    `OSError`.
    """
    parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    remove_abandoned(parent)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    try:
        with (folder / _LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_abandoned(parent: Path) -> None:
    """Remove the folders in ``parent`` of gateways that were killed."""
    for folder in parent.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            # Without the file, it is between the two first steps of its process's
            # start.
            descriptor = os.open(folder / _LOCK, os.O_RDWR)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(descriptor)
