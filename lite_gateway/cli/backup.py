"""Command ``state``: back up and restore the database."""

import argparse
import contextlib
from pathlib import Path

from lite_gateway.cli.state import locate_from
from lite_gateway.errors import ConfigError
from lite_gateway.store import backup
from lite_gateway.store.encryption import KeyRing
from lite_gateway.store.engine import Store


def back_up(args: argparse.Namespace, env: dict[str, str]) -> int:
    """Write a copy of the database, and of its keys if a file for them is named."""
    database, key_ring = locate_from(args, env)
    backup.back_up(database, args.file)
    print(f"{args.file} is a copy of {database}")
    if args.key is not None:
        key_ring.copy_file(args.key)
        print(f"{args.key} is a copy of the keys that encrypt its secrets")
    else:
        print(f"Its secrets are encrypted: keep a copy of {key_ring.source} elsewhere")
    return 0


def restore(args: argparse.Namespace, env: dict[str, str]) -> int:
    """Replace the database by a copy."""
    database, key_ring = locate_from(args, env)
    if args.key is not None:
        _restore_key(args.key, key_ring)
    backup.restore(database, args.file, key_ring, replace=args.replace)
    with contextlib.closing(Store.open(database, key_ring)) as store:
        print(f"{database} is restored: {store.run_sync(backup.contents)}")
    return 0


def _restore_key(copy: Path, key_ring: KeyRing) -> None:
    """Put the copy of a key file in place, unless another one is there."""
    if key_ring.path is None or key_ring.keys:
        fix = "Set it to the keys of the copy, and leave --key out."
        raise ConfigError("LITE_STATE_KEY", "the keys are in it", fix)
    KeyRing(path=copy).check()
    if not key_ring.path.exists():
        key_ring.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        KeyRing(path=copy).copy_file(key_ring.path)
    elif key_ring.path.read_text().split() != copy.read_text().split():
        problem = f"{key_ring.path} has other keys"
        raise ConfigError("--key", problem, "Move that file away, then try again.")
