"""Options of ``avatars``."""

import argparse
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lite_gateway.config import shipped_avatars

if TYPE_CHECKING:
    from lite_gateway.cli.parsers import Commands

SHEET_CELL = "256x256"  # size of each face of a sheet


def add_to(commands: "Commands", env: dict[str, str]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "avatars",
        help="list, check, preview and create avatar packages",
        description="An avatar package is a folder, or a .zip of one, that contains "
        "avatar.json. docs/avatars.md describes the format, and what a good photo is.",
    )
    parser.add_argument(
        "action",
        nargs="?",
        choices=("list", "check", "preview", "create"),
        default="list",
        help="list: print the packages; check: exit with status 1 if a package is "
        "broken; preview: write a PNG; create: make a package from a photo, or exit "
        "with status 2 if the photo does not do (default: list)",
    )
    parser.add_argument(
        "name",
        nargs="?",
        help="name of an avatar, or path of a folder or .zip; default: all packages, "
        "for preview the default avatar. For create: the photo, with one face seen "
        "from the front",
    )
    parser.add_argument(
        "--avatars",
        type=Path,
        default=shipped_avatars(),
        metavar="FOLDER",
        help="folder of avatar packages (default: the shipped packages)",
    )
    parser.add_argument(
        "--background",
        default="",
        metavar="WHAT",
        help="for preview: #rrggbb, transparent (a key colour that viewers remove), or "
        "the name of a picture in the package (default: the avatar's own background); "
        "for create: keep, blur, transparent, any, #rrggbb or a picture file (default: "
        "keep)",
    )
    _add_preview_options(parser.add_argument_group("options of preview"))
    _add_create_options(parser.add_argument_group("options of create"))
    parser.set_defaults(run=lambda args: _run(args, env))


def _add_preview_options(group: argparse._ArgumentGroup) -> None:
    content = group.add_mutually_exclusive_group()
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
    group.add_argument(
        "--quality",
        help="size of the image, or of each face of a sheet "
        f"(default: 512x512, {SHEET_CELL} for a sheet)",
    )
    group.add_argument(
        "-o",
        "--output",
        type=Path,
        help="PNG file to write (default: NAME.png); for create the folder to make, "
        "whose name is the avatar's; its preview is written beside it as .png",
    )


def _add_create_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--title", help="name for people (default: the photo's name)")
    group.add_argument(
        "--consent",
        metavar="NAME",
        help="confirm, as NAME, that this is you, or that you have this person's "
        "consent to make them speak. Without it the command asks on the terminal, and "
        "without a yes makes nothing. NAME and date are kept in the package",
    )
    group.add_argument(
        "--smile",
        type=float,
        metavar="N",
        help="how much of a smile in the photo stays at rest, 0 to 1 (default: 0.85)",
    )
    group.add_argument(
        "--jaw",
        type=float,
        metavar="N",
        help="size of the moves of jaw and mouth, 0.5 to 1.5 (default: 1)",
    )
    group.add_argument(
        "--donor",
        choices=("mira", "theo"),
        help="portrait that lends what no photo shows: the inside of the mouth, and "
        "how skin moves (default: the one whose face is more like the person's)",
    )
    group.add_argument(
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
