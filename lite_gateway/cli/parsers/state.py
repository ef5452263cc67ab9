"""Options of ``state``."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from lite_gateway.cli.settings import add_database_option

if TYPE_CHECKING:
    from lite_gateway.cli.parsers import Commands

_DESCRIPTION = """\
`backup` copies an SQLite database, also while a gateway runs. Do not copy the file
state.db itself: what was written last is in state.db-wal. `restore` replaces the
database by such a copy, while no gateway runs.

Secrets in the copy are encrypted. Without the key file they are lost: keep a copy of
it, in another place than the copy of the database.

For PostgreSQL, use pg_dump and pg_restore.
"""


def add_to(commands: "Commands", env: dict[str, str]) -> None:
    """Add the command and its actions to the parser."""
    parser = commands.add_parser(
        "state",
        help="back up and restore the database",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    backup = actions.add_parser("backup", help="copy the database to a new file")
    backup.add_argument("file", type=Path, metavar="FILE", help="new file")
    backup.add_argument(
        "--key", type=Path, metavar="FILE", help="new file for a copy of the key file"
    )
    restore = actions.add_parser("restore", help="replace the database by a copy")
    restore.add_argument("file", type=Path, metavar="FILE", help="file of `backup`")
    restore.add_argument(
        "--key", type=Path, metavar="FILE", help="copy of the key file to restore"
    )
    restore.add_argument(
        "--replace", action="store_true", help="replace a database that exists"
    )
    for action in (backup, restore):
        add_database_option(action)
        action.set_defaults(run=lambda args: _run(args, env))


def _run(args: argparse.Namespace, env: dict[str, str]) -> int:
    from lite_gateway.cli import backup

    run = backup.back_up if args.action == "backup" else backup.restore
    return run(args, env)
