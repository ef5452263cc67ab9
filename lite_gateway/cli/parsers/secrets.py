"""Options of ``secrets``."""

import argparse
from typing import TYPE_CHECKING

from lite_gateway.cli.settings import add_database_option

if TYPE_CHECKING:
    from lite_gateway.cli.parsers import Commands

_DESCRIPTION = """\
`rotate` writes a new key into the key file and encrypts every secret with it.
The previous key stays in the file until the next rotation, so that a running
gateway, which reads the file again, continues to work. Keep backups of the key file
apart from backups of the database. Without the key file, stored secrets are lost.

If the keys are in LITE_STATE_KEY, put the new key first there yourself, then run
`rotate --reseal`.
"""


def add_to(commands: "Commands", env: dict[str, str]) -> None:
    """Add the command and its actions to the parser."""
    parser = commands.add_parser(
        "secrets",
        help="change the key that encrypts stored secrets",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    rotate = actions.add_parser(
        "rotate", help="create a new key and encrypt every secret with it"
    )
    rotate.add_argument(
        "--reseal",
        action="store_true",
        help="create no key; encrypt every secret with the first existing key",
    )
    add_database_option(rotate)
    rotate.set_defaults(run=lambda args: _run(args, env))


def _run(args: argparse.Namespace, env: dict[str, str]) -> int:
    from lite_gateway.cli.secrets import rotate

    return rotate(args, env)
