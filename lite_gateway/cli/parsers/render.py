"""Options of ``render``."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from lite_gateway.cli.parsers.face import add_phones_to
from lite_gateway.config import DEVICES, Config, shipped_avatars
from protocol.lite.messages import EMOTIONS

if TYPE_CHECKING:
    from lite_gateway.cli.parsers import Commands


def add_to(commands: "Commands", env: dict[str, str]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "render",
        help="render a sound file to an mp4, without a room",
        description="Render a file with the renderer of live sessions: H.264 video and "
        "AAC audio, with 0.6 s of idle motion before and after the speech.",
    )
    parser.add_argument("file", type=Path, help="WAV or other sound file")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, help="mp4 file to write"
    )
    default = Config().default_avatar
    parser.add_argument(
        "--avatar", default=default, help=f"name of the avatar (default: {default})"
    )
    parser.add_argument(
        "--quality",
        default="512x512",
        help="very_high, high, medium, low or WIDTHxHEIGHT (default: 512x512)",
    )
    parser.add_argument(
        "--device",
        choices=DEVICES,
        default="auto",
        help="device to render on: auto, cpu or cuda (default: auto)",
    )
    parser.add_argument(
        "--driver",
        default="",
        help="speech-to-face driver of your own, as module:factory",
    )
    parser.add_argument(
        "--avatars",
        type=Path,
        default=shipped_avatars(),
        metavar="FOLDER",
        help="folder of avatar packages (default: the shipped packages)",
    )
    parser.add_argument(
        "--emotion",
        choices=EMOTIONS,
        default=EMOTIONS[0],
        help=f"expression of the face during the speech (default: {EMOTIONS[0]})",
    )
    add_background_to(parser)
    add_phones_to(parser)
    parser.add_argument(
        "--seed", type=int, default=1, help="seed of the idle motion (default: 1)"
    )
    parser.set_defaults(run=_run)


def add_background_to(parser: "argparse._ActionsContainer") -> None:
    """Add the option that chooses what is behind the avatar."""
    parser.add_argument(
        "--background",
        default="",
        metavar="COLOUR|NAME",
        help="#rrggbb, transparent (a key colour that viewers remove), or the name of "
        "a picture in the package (default: the avatar's own background)",
    )


def _run(args: argparse.Namespace) -> int:
    from lite_gateway.cli.render import render

    return render(args)
