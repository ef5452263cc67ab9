"""Options of ``avatars``."""

import argparse
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
        help="list, check and preview avatar packages",
        description="An avatar package is a folder, or a .zip of one, that contains "
        "avatar.json. docs/avatars.md describes the format.",
    )
    parser.add_argument(
        "action",
        nargs="?",
        choices=("list", "check", "preview"),
        default="list",
        help="list: print the packages; check: exit with status 1 if a package is "
        "broken; preview: write a PNG (default: list)",
    )
    parser.add_argument(
        "name",
        nargs="?",
        help="name of an avatar, or path of a folder or .zip; default: all packages, "
        "for preview the default avatar",
    )
    parser.add_argument(
        "--avatars",
        type=Path,
        default=shipped_avatars(),
        metavar="FOLDER",
        help="folder of avatar packages (default: the shipped packages)",
    )
    _add_preview_options(parser.add_argument_group("options of preview"))
    parser.set_defaults(run=_run)


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
        "-o", "--output", type=Path, help="PNG file to write (default: NAME.png)"
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
            weights |= both_sides(**{name: float(number)})
        except ValueError:
            raise argparse.ArgumentTypeError(
                f"{part.strip()!r} has no number. Write it like jawOpen=0.6"
            ) from None
    return weights


def _run(args: argparse.Namespace) -> int:
    from lite_gateway.cli.avatars import run_action

    return run_action(args)
