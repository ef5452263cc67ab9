"""Location of the database and its key file, for all commands."""

import argparse
from pathlib import Path

from lite_gateway.cli.folders import data_dir, database_folder
from lite_gateway.cli.settings import config_from
from lite_gateway.config import Config
from lite_gateway.store.encryption import KeyRing
from lite_gateway.store.engine import Store

KEY_FILE = "state.key"


def locate(
    config: Config, env: dict[str, str], *, name: str = "state.db"
) -> tuple[str, KeyRing]:
    """Return database (or the file ``name`` in the data folder) and its key ring."""
    folder = data_dir(env)
    database = config.database or str(folder / name)
    return database, KeyRing(config.state_key, key_path(database, folder))


def open_store(config: Config, env: dict[str, str], *, name: str = "state.db") -> Store:
    """Open the configured database, else the file ``name`` in the data folder."""
    return Store.open(*locate(config, env, name=name))


def open_store_from(args: argparse.Namespace, env: dict[str, str]) -> Store:
    """Open the store that ``serve`` would open in this environment."""
    return Store.open(*locate_from(args, env))


def locate_from(args: argparse.Namespace, env: dict[str, str]) -> tuple[str, KeyRing]:
    """Return the database that ``serve`` would open here, and its key ring."""
    # LITE_API_KEY belongs to the client `speak`; it is no setting of the gateway.
    settings = {name: text for name, text in env.items() if name != "LITE_API_KEY"}
    # An empty option, such as "$UNSET" in a script, must not replace the environment's.
    values = {name: value for name, value in vars(args).items() if value != ""}
    options = argparse.Namespace(**{"database": None, **values})
    return locate(config_from(options, settings), env)


def key_path(database: str, data_folder: Path) -> Path:
    """Return the key file: beside a database file, else in the data folder."""
    return database_folder(database, data_folder) / KEY_FILE
