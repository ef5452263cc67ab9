"""Folders of the user for data and for the cache."""

import dataclasses
from pathlib import Path

from lite_gateway.config import Config

_CREATED_AVATARS = "created-avatars"


def data_dir(env: dict[str, str]) -> Path:
    """Return the folder for data that cannot be created again."""
    base = env.get("XDG_DATA_HOME")
    home = Path(env["HOME"]) if env.get("HOME") else Path.home()
    return (Path(base) if base else home / ".local" / "share") / "lite-gateway"


def cache_dir(env: dict[str, str]) -> Path:
    """Return the folder for data that can be created again."""
    base = env.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "lite-gateway"


def database_folder(database: str, data_folder: Path) -> Path:
    """Return the folder of a database file; of another database the data folder."""
    in_file = "://" not in database
    return Path(database).expanduser().parent if in_file else data_folder


def with_created_avatars(config: Config, env: dict[str, str]) -> Config:
    """Return the settings with a folder for the avatars that people make."""
    if config.created_avatars:
        return config
    folder = data_dir(env)
    if config.database:
        folder = database_folder(config.database, folder)
    return dataclasses.replace(config, created_avatars=str(folder / _CREATED_AVATARS))
