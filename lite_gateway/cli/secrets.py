"""``secrets``: change the key that encrypts what the state keeps secret."""

import argparse
import contextlib
from typing import TYPE_CHECKING

from lite_gateway.cli.state import add_state_options, given_store
from lite_gateway.store import secrets as stored_secrets

if TYPE_CHECKING:
    from lite_gateway.cli import Commands

_WHAT = """\
rotate makes a new key in the key file and encrypts every secret with it.
The key before stays in the file until the next rotation, so that a gateway that
runs goes on: it reads the file anew. Keep copies of the file apart from copies of
the state, and never lose it: without it secrets cannot be opened.

Where the keys are in LITE_STATE_KEY, put the new one first there yourself, then
run `rotate --reseal`.
"""


def add_to(commands: "Commands", env: dict[str, str]) -> None:
    parser = commands.add_parser(
        "secrets",
        help="change the key that encrypts secrets",
        description=_WHAT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    rotate = actions.add_parser("rotate", help="a new key; everything encrypted anew")
    rotate.add_argument(
        "--reseal",
        action="store_true",
        help="make no key: encrypt everything with the first one there is",
    )
    add_state_options(rotate)
    rotate.set_defaults(run=lambda given: _rotate(given, env))


def _rotate(given: argparse.Namespace, env: dict[str, str]) -> int:
    with contextlib.closing(given_store(given, env)) as store:
        if not given.reseal:
            store.key_ring.rotate()
        done = store.run_sync(lambda db: stored_secrets.reencrypt(db, store.key_ring))
    print(f"{done} secrets are encrypted with the newest key")
    return 0
