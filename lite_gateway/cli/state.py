"""Where the state is, for every command that opens it."""

import argparse
from pathlib import Path

from lite_gateway.config import Config
from lite_gateway.store.encryption import KeyRing
from lite_gateway.store.engine import Store

KEY_FILE = "state.key"


def open_store(config: Config, env: dict[str, str], *, name: str = "state.db") -> Store:
    """As configured, else a file called ``name`` in the user's data folder."""
    folder = data_dir(env)
    state = config.state or str(folder / name)
    return Store.open(state, KeyRing(config.state_key, key_path(state, folder)))


def key_path(state: str, folder: Path) -> Path:
    """Beside the state, or in the data folder where a database holds that."""
    beside = Path(state).expanduser().parent if "://" not in state else folder
    return beside / KEY_FILE


def data_dir(env: dict[str, str]) -> Path:
    """Where things are kept that cannot be made again."""
    base = env.get("XDG_DATA_HOME")
    home = Path(env["HOME"]) if env.get("HOME") else Path.home()
    return (Path(base) if base else home / ".local" / "share") / "lite-gateway"


def cache_dir(env: dict[str, str]) -> Path:
    """Where things are kept that can be made again."""
    base = env.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "lite-gateway"


def add_state_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--state",
        metavar="STATE",
        help="the gateway's database: a file, or postgresql://... [LITE_STATE]",
    )


def given_store(given: argparse.Namespace, env: dict[str, str]) -> Store:
    """The store that ``serve`` would open in this environment."""
    ours = {k: v for k, v in env.items() if k not in ("LITE_API_KEY",)}
    config = Config.from_env(
        ours | ({"LITE_STATE": given.state} if given.state else {})
    )
    return open_store(config, env)
