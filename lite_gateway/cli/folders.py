"""Folders of the user for data and for the cache."""

from pathlib import Path


def data_dir(env: dict[str, str]) -> Path:
    """Return the folder for data that cannot be created again."""
    base = env.get("XDG_DATA_HOME")
    home = Path(env["HOME"]) if env.get("HOME") else Path.home()
    return (Path(base) if base else home / ".local" / "share") / "lite-gateway"


def cache_dir(env: dict[str, str]) -> Path:
    """Return the folder for data that can be created again."""
    base = env.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "lite-gateway"
