"""Command ``secrets``: change the key that encrypts stored secrets."""

import argparse
import contextlib

from lite_gateway.cli.state import open_store_from
from lite_gateway.store import secrets as stored_secrets


def rotate(args: argparse.Namespace, env: dict[str, str]) -> int:
    """Encrypt every secret with the newest key."""
    with contextlib.closing(open_store_from(args, env)) as store:
        if not args.reseal:
            store.key_ring.rotate()
        count = store.run_sync(lambda db: stored_secrets.reencrypt(db, store.key_ring))
    print(f"{count} secrets are encrypted with the newest key")
    return 0
