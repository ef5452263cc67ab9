"""Options of ``face``."""

import argparse
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lite_gateway.cli.parsers import Commands

MAX_LOOKAHEAD_MS = 120  # of future audio that a driver can use
_MIN_FPS, _MAX_FPS = 10, 60


def add_to(commands: "Commands", env: dict[str, str]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "face",
        help="write the faces of a sound file as ARKit weights, without images",
        description="Run only the speech-to-face driver, frame by frame as in a room. "
        "The output is JSON with fps, lookahead_ms, t0, names (52 of ARKit, then head "
        "and gaze) and frames. Frame i is the face at t0 + i / fps seconds, the middle "
        "of that frame.",
    )
    parser.add_argument("file", type=Path, help="WAV or other sound file")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, help="JSON file to write"
    )
    parser.add_argument(
        "--lookahead-ms",
        type=parse_lookahead,
        default=80,
        metavar="0..120",
        help="audio after each frame's time that the driver may use, in ms (default: "
        "80); less at the end of the file",
    )
    parser.add_argument(
        "--fps",
        type=_parse_fps,
        default=Fraction(25),
        metavar="10..60",
        help="frames per second, such as 25, 29.97 or 30000/1001 (default: 25)",
    )
    parser.add_argument(
        "--driver",
        default="",
        help="speech-to-face driver of your own, as module:factory",
    )
    add_phones_to(parser)
    parser.add_argument(
        "--idle",
        action="store_true",
        help="add idle motion: blinks, gaze, head sway and a small smile",
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="seed of the idle motion (default: 1)"
    )
    parser.set_defaults(run=_run)


def add_phones_to(parser: argparse.ArgumentParser) -> None:
    """Add the option that gives the phones of the sound file."""
    parser.add_argument(
        "--phones",
        type=Path,
        metavar="FILE",
        help="phones of the sound file with their times, which the mouth follows in "
        'place of the sound: JSON such as {"alphabet": "ipa", "phones": [["p", 0.12, '
        "0.2]]} with times in seconds, or a TextGrid (docs/driver.md)",
    )


def parse_lookahead(text: str) -> int:
    """Parse milliseconds; `argparse.ArgumentTypeError` names the allowed range."""
    try:
        milliseconds = int(text)
    except ValueError:
        milliseconds = -1
    if not 0 <= milliseconds <= MAX_LOOKAHEAD_MS:
        raise argparse.ArgumentTypeError(
            f"{text} is not a whole number in 0..{MAX_LOOKAHEAD_MS}"
        )
    return milliseconds


def _parse_fps(text: str) -> Fraction:
    try:
        fps = Fraction(text)
    except (ValueError, ZeroDivisionError):
        fps = Fraction(0)
    if not _MIN_FPS <= fps <= _MAX_FPS:
        raise argparse.ArgumentTypeError(
            f"{text} is not a rate in {_MIN_FPS}..{_MAX_FPS}"
        )
    return fps


def _run(args: argparse.Namespace) -> int:
    from lite_gateway.cli.face import write_faces

    return write_faces(args)
