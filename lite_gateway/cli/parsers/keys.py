"""Options of ``keys``."""

import argparse
from typing import TYPE_CHECKING

from lite_gateway.cli.settings import add_database_option

if TYPE_CHECKING:
    from lite_gateway.cli.parsers import Commands

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
    revoke.add_argument("name", help="id of the key, or a name: all keys of that name")
    for action in (create, listing, revoke):
        add_database_option(action)
        action.set_defaults(run=lambda args: _run(args, env))


def _run(args: argparse.Namespace, env: dict[str, str]) -> int:
    from lite_gateway.cli import keys

    actions = {
        "create": keys.create_key,
        "list": keys.list_keys,
        "revoke": keys.revoke_key,
    }
    return actions[args.action](args, env)
