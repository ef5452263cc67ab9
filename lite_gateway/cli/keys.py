"""Command ``keys``: create, list and revoke API keys of a gateway."""

import argparse
import contextlib

from rich.console import Console
from rich.table import Column, Table

from lite_gateway.auth.api_keys import parse_scopes
from lite_gateway.cli.state import open_store_from
from lite_gateway.errors import GatewayError
from lite_gateway.store import keys
from lite_gateway.store.models import ApiKeyRow

_MAX_LIMIT = 1_000_000
_MAX_NAME = 255  # characters
_MIN_WIDTH = 126  # characters of the list


def create_key(args: argparse.Namespace, env: dict[str, str]) -> int:
    """Create a key and print it."""
    scopes = sorted(parse_scopes(args.scopes, "--scopes"))
    for option in ("sessions", "rate"):
        if not 0 <= (getattr(args, option) or 0) <= _MAX_LIMIT:
            raise GatewayError(
                f"--{option} is out of range. Use a number from 0 to {_MAX_LIMIT}."
            )
    name = args.name.strip()
    if not 1 <= len(name) <= _MAX_NAME:
        raise GatewayError(
            f"the name is empty or too long. Use 1 to {_MAX_NAME} characters."
        )
    with contextlib.closing(open_store_from(args, env)) as store:
        _, key = store.run_sync(
            lambda db: keys.create(
                db, name, scopes, sessions=args.sessions, rate=args.rate
            )
        )
    print(key)
    return 0


def list_keys(args: argparse.Namespace, env: dict[str, str]) -> int:
    """Print a table of all keys."""
    with contextlib.closing(open_store_from(args, env)) as store:
        rows = store.run_sync(keys.list_keys)
    # Users copy ids and names, so the table may be wider than the terminal.
    unwrapped = [Column(name, no_wrap=True) for name in ("id", "name")]
    table = Table(*unwrapped, "scopes", "sessions", "rate", "created", "revoked")
    for row in rows:
        table.add_row(*_cells(row))
    Console(width=max(Console().width, _MIN_WIDTH)).print(table)
    return 0


def _cells(row: ApiKeyRow) -> tuple[str, ...]:
    limits = ("" if n is None else str(n) for n in (row.sessions, row.rate))
    revoked = f"{row.revoked_at:%Y-%m-%d %H:%M}" if row.revoked_at else ""
    created = f"{row.created_at:%Y-%m-%d %H:%M}"
    return row.id, row.name, row.scopes, *limits, created, revoked


def revoke_key(args: argparse.Namespace, env: dict[str, str]) -> int:
    """Revoke all valid keys of a name or id."""
    with contextlib.closing(open_store_from(args, env)) as store:
        revoked = store.run_sync(lambda db: keys.revoke(db, args.name))
    if not revoked:
        raise GatewayError(
            f"no valid key has the name or id {args.name!r}. "
            "`lite-gateway keys list` lists the keys."
        )
    for row in revoked:
        print(f"revoked {row.id} ({row.name})")
    return 0
