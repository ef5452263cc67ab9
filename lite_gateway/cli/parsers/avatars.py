"""Options of ``avatars``."""

import argparse
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lite_gateway.cli.parsers.render import add_background_to
from lite_gateway.config import Config, shipped_avatars

if TYPE_CHECKING:
    from lite_gateway.cli.parsers import Commands

SHEET_CELL = "256x256"  # size of each face of a sheet


def add_to(commands: "Commands", env: dict[str, str]) -> None:
    """Add the command and its actions to the parser."""
    parser = commands.add_parser(
        "avatars",
        help="list, check, preview and create avatar packages",
        description="An avatar package is a folder, or a .zip of one, that contains "
        "avatar.json. docs/avatars.md describes the format, and what a good photo is. "
        "Without an action, the packages are listed.",
    )
    _add_folder_to(parser, shipped_avatars())
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    listing = actions.add_parser("list", help="print the packages")
    check = actions.add_parser(
        "check", help="print the packages, and exit with status 1 if one is broken"
    )
    preview = actions.add_parser("preview", help="draw an avatar as a PNG")
    for action, default in (
        (listing, "all packages"),
        (check, "all packages"),
        (preview, Config().default_avatar),
    ):
        action.add_argument(
            "name",
            nargs="?",
            help=f"name of an avatar, or path of a folder or .zip (default: {default})",
        )
        _add_folder_to(action, argparse.SUPPRESS)
    _add_preview_options(preview)
    create = actions.add_parser(
        "create",
        help="make a package from a photo",
        description="Make a package from a photo. The exit status is 2 if the photo "
        "cannot be used.",
    )
    _add_create_options(create)
    parser.set_defaults(action="list", name=None, run=lambda args: _run(args, env))


def _add_folder_to(parser: argparse.ArgumentParser, default: object) -> None:
    """Add the option before and after the action; the latter counts."""
    parser.add_argument(
        "--avatars",
        type=Path,
        default=default,
        metavar="FOLDER",
        help="folder of avatar packages (default: the shipped packages)",
    )


def _add_preview_options(parser: argparse.ArgumentParser) -> None:
    add_background_to(parser)
    content = parser.add_mutually_exclusive_group()
    content.add_argument(
        "--face",
        type=_face,
        metavar="NAME=N,…",
        help="weights of the face, such as jawOpen=0.6,mouthSmile=0.3,headYaw=0.1; a "
        "name without a side sets both sides (default: a frame of idle motion)",
    )
    content.add_argument(
        "--sheet",
        action="store_true",
        help="draw 15 visemes, head poses and a blink on one page",
    )
    parser.add_argument(
        "--quality",
        help="size of the image, or of each face of a sheet "
        f"(default: 512x512, {SHEET_CELL} for a sheet)",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="PNG file to write (default: NAME.png)",
    )


def _add_create_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name",
        nargs="?",
        metavar="PHOTO",
        help="photo with one face, seen from the front",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FOLDER",
        help="folder to make, whose name is the avatar's; a preview is written beside "
        "it as .png",
    )
    parser.add_argument("--title", help="name for people (default: the photo's name)")
    parser.add_argument(
        "--consent",
        metavar="NAME",
        help="confirm, as NAME, that this is you, or that you have this person's "
        "consent to make them speak. Without it the command asks on the terminal, and "
        "without a yes makes nothing. NAME and date are kept in the package",
    )
    parser.add_argument(
        "--background",
        metavar="KIND",
        help="what is behind the person: keep, blur, transparent, any (the photo's, "
        "or another one in a session), #rrggbb or a picture file (default: keep)",
    )
    parser.add_argument(
        "--smile",
        type=float,
        metavar="N",
        help="how much of a smile in the photo stays at rest, 0 to 1 (default: 0.85)",
    )
    parser.add_argument(
        "--jaw",
        type=float,
        metavar="N",
        help="size of the moves of jaw and mouth, 0.5 to 1.5 (default: 1)",
    )
    parser.add_argument(
        "--donor",
        choices=("mira", "theo"),
        help="portrait that lends what no photo shows: the inside of the mouth, and "
        "how skin moves (default: the one whose face is more like the person's)",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print progress, warnings and the result as lines of JSON",
    )


def _face(text: str) -> Mapping[str, float]:
    from lite_gateway.offline.expressions import both_sides
    from renderer.face import INDEX, NAMES

    weights: dict[str, float] = {}
    for part in text.split(","):
        name, _, number = (word.strip() for word in part.partition("="))
        if not {*both_sides(**{name: 0.0})} <= INDEX.keys():
            raise argparse.ArgumentTypeError(
                f"unknown weight {name!r}. The weights are: {', '.join(NAMES)}"
            )
        try:
            weight = float(number)
        except ValueError:
            weight = math.nan
        if not math.isfinite(weight):
            raise argparse.ArgumentTypeError(
                f"{part.strip()!r} has no number. Write it like jawOpen=0.6"
            )
        weights |= both_sides(**{name: weight})
    return weights


def _run(args: argparse.Namespace, env: dict[str, str]) -> int:
    if args.action == "create":
        from lite_gateway.cli.avatars_create import create

        return create(args, env)
    from lite_gateway.cli.avatars import run_action

    return run_action(args)
