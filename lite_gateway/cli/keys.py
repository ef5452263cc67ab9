"""Command ``keys``: create, list and revoke API keys of a gateway."""

import argparse
import contextlib
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Column, Table

from lite_gateway.auth.api_keys import parse_scopes
from lite_gateway.cli.settings import add_database_option
from lite_gateway.cli.state import open_store_from
from lite_gateway.errors import GatewayError
from lite_gateway.store import keys
from lite_gateway.store.models import ApiKeyRow

if TYPE_CHECKING:
    from lite_gateway.cli import Commands

_MAX_LIMIT = 1_000_000
_MAX_NAME = 255  # characters
_MIN_WIDTH = 126  # characters of the list
_DESCRIPTION = """\
A key is shown once, when it is created: the database holds only a digest of it.
A running gateway applies changes at once.

scopes:
  mint    create, start, stop and list the key's own sessions; embed pages
  admin   configuration, secrets, and the sessions of every key
"""


def add_to(commands: "Commands", env: dict[str, str]) -> None:
    """Add the command and its actions to the parser."""
    parser = commands.add_parser(
        "keys",
        help="create, list and revoke API keys",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    create = actions.add_parser("create", help="create a key and print it once")
    create.add_argument("name", help="name of the program that uses the key")
    create.add_argument(
        "--scopes", default="mint", help="scopes: mint, admin or both (default: mint)"
    )
    create.add_argument(
        "--sessions",
        type=int,
        metavar="N",
        help="maximum number of sessions at once (default: LITE_KEY_SESSIONS)",
    )
    create.add_argument(
        "--rate",
        type=int,
        metavar="N",
        help="maximum number of requests per minute (default: LITE_KEY_RATE)",
    )
    listing = actions.add_parser("list", help="list names, scopes and limits of keys")
    revoke = actions.add_parser("revoke", help="revoke a key; it stops working at once")
    revoke.add_argument("name", help="name or id of the key")
    for action, run in ((create, _create), (listing, _list), (revoke, _revoke)):
        add_database_option(action)
        action.set_defaults(run=lambda args, run=run: run(args, env))


def _create(args: argparse.Namespace, env: dict[str, str]) -> int:
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


def _list(args: argparse.Namespace, env: dict[str, str]) -> int:
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


def _revoke(args: argparse.Namespace, env: dict[str, str]) -> int:
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
