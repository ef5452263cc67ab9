"""``keys``: make, list and revoke API keys; a gateway that runs takes note at once."""

import argparse
import contextlib
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Column, Table

from lite_gateway.auth.api_keys import parse_scopes
from lite_gateway.cli.state import add_state_options, given_store
from lite_gateway.errors import GatewayError
from lite_gateway.store import keys
from lite_gateway.store.models import ApiKeyRow

if TYPE_CHECKING:
    from lite_gateway.cli import Commands

_MOST = 1_000_000
_WIDTH = 126  # of the list
_WHAT = """\
A key is shown once, when it is made: the database holds only a digest of it.

scopes:
  mint    sessions of its own: mint, start, stop, list; pages that embed an avatar
  admin   configuration, secrets, and the sessions of every key
"""


def add_to(commands: "Commands", env: dict[str, str]) -> None:
    parser = commands.add_parser(
        "keys",
        help="make, list and revoke API keys",
        description=_WHAT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    create = actions.add_parser("create", help="make a key and print it, once")
    create.add_argument("name", help="what it is for")
    create.add_argument("--scopes", default="mint", help="mint,admin (default: mint)")
    create.add_argument(
        "--sessions", type=int, metavar="N", help="at once (default: LITE_KEY_SESSIONS)"
    )
    create.add_argument(
        "--rate",
        type=int,
        metavar="N",
        help="requests a minute (default: LITE_KEY_RATE)",
    )
    listed = actions.add_parser("list", help="names, scopes and limits of all keys")
    revoke = actions.add_parser("revoke", help="a key works no more from now on")
    revoke.add_argument("name", help="its name or id")
    for action, run in ((create, _create), (listed, _list), (revoke, _revoke)):
        add_state_options(action)
        action.set_defaults(run=lambda given, run=run: run(given, env))


def _create(given: argparse.Namespace, env: dict[str, str]) -> int:
    scopes = sorted(parse_scopes(given.scopes, "--scopes"))
    for name in ("sessions", "rate"):
        if not 0 <= (getattr(given, name) or 0) <= _MOST:
            raise GatewayError(f"--{name} must be 0 to {_MOST}")
    name = given.name.strip()
    if not 1 <= len(name) <= 255:
        raise GatewayError("the name must have 1 to 255 characters")
    with contextlib.closing(given_store(given, env)) as store:
        _, text = store.run_sync(
            lambda db: keys.create(
                db, name, scopes, sessions=given.sessions, rate=given.rate
            )
        )
    print(text)
    return 0


def _list(given: argparse.Namespace, env: dict[str, str]) -> int:
    with contextlib.closing(given_store(given, env)) as store:
        found = store.run_sync(keys.list_keys)
    # Ids and names are copied: rather a line too long than one that is cut.
    whole = [Column(name, no_wrap=True) for name in ("id", "name")]
    table = Table(*whole, "scopes", "sessions", "rate", "created", "revoked")
    for key in found:
        table.add_row(*_row(key))
    Console(width=max(Console().width, _WIDTH)).print(table)
    return 0


def _row(key: ApiKeyRow) -> tuple[str, ...]:
    limits = ("" if n is None else str(n) for n in (key.sessions, key.rate))
    revoked = f"{key.revoked_at:%Y-%m-%d %H:%M}" if key.revoked_at else ""
    made = f"{key.created_at:%Y-%m-%d %H:%M}"
    return key.id, key.name, key.scopes, *limits, made, revoked


def _revoke(given: argparse.Namespace, env: dict[str, str]) -> int:
    with contextlib.closing(given_store(given, env)) as store:
        found = store.run_sync(lambda db: keys.revoke(db, given.name))
    if not found:
        raise GatewayError(f"no key {given.name!r} works; see `lite-gateway keys list`")
    for key in found:
        print(f"revoked {key.id} ({key.name})")
    return 0
