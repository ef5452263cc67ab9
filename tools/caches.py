"""Folder for programs that are installed or built once for all checkouts of a user."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return the folder, which may not exist yet."""
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(caches) / "lite-gateway"
