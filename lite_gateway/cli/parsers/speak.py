"""Options of ``speak``."""

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

from protocol.lite.messages import EMOTIONS

if TYPE_CHECKING:
    from lite_gateway.cli.parsers import Commands


def add_to(commands: "Commands", env: dict[str, str]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "speak",
        help="play a sound file through a gateway and print the events",
        description="Open one session and send one turn. Each event is printed with "
        "its time since the first audio was sent. The exit status is 1 if the gateway "
        "does not play the turn to its end or to an interrupt.",
    )
    parser.add_argument("file", type=Path, help="WAV or other sound file")
    parser.add_argument(
        "--pace",
        choices=("burst", "plugin", "1x"),
        default="burst",
        help="burst: messages of one second without delay; plugin: the same after a "
        "first message of 600 ms, as LiveKit's plugin sends them; 1x: messages of "
        "20 ms in real time (default: burst)",
    )
    parser.add_argument(
        "--url",
        default="http://127.0.0.1:8080",
        help="URL of the gateway (default: http://127.0.0.1:8080)",
    )
    parser.add_argument(
        "--key",
        default=env.get("LITE_API_KEY", "dev"),
        help="API key (default: dev) [LITE_API_KEY]",
    )
    parser.add_argument(
        "--avatar", default="mira", help="avatar that speaks (default: mira)"
    )
    parser.add_argument(
        "--emotion", choices=EMOTIONS, help="expression of the face during the turn"
    )
    parser.add_argument(
        "--interrupt-after",
        type=_seconds,
        metavar="S",
        help="interrupt the turn after this many seconds",
    )
    parser.add_argument(
        "--timeout",
        type=_seconds,
        default=30.0,
        metavar="S",
        help="seconds after the length of the audio by which the turn must have ended "
        "(default: 30)",
    )
    parser.set_defaults(run=_run)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds")
    return seconds


def _run(args: argparse.Namespace) -> int:
    from lite_gateway.cli.speak import speak

    return speak(args)
