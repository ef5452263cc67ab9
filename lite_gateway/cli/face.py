"""``face``: the face that a driver gives to a WAV file, as numbers."""

import argparse
import json
import sys
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lite_gateway.drivers import load_driver
from lite_gateway.errors import ConfigError
from lite_gateway.offline.audio_frames import hearings
from lite_gateway.offline.wav import InvalidWav, read_wav
from protocol.lite.messages import SAMPLE_RATE
from renderer.engine import samples
from renderer.face import ARKIT, NAMES, SIZE
from renderer.life.life import Life
from renderer.speech.driver import AudioChunk, Driver, InvalidFaces, drive
from renderer.speech.lip_driver import LipsDriver

if TYPE_CHECKING:
    from lite_gateway.cli import Commands

MOST_AHEAD_MS = 120  # the most future sound that a driver uses
_FEWEST_FPS, _MOST_FPS = 10, 60
_TALKING = "talking"
_DIGITS = 4


def add_to(commands: "Commands", env: dict[str, str]) -> None:
    parser = commands.add_parser(
        "face",
        help="write the face of a WAV file as ARKit weights, without pictures",
        description="The driver alone, fed frame by frame as in a room: JSON with "
        "fps, lookahead_ms, t0, names (52 of ARKit, then head and gaze) and frames. "
        "Frame i is the face at t0 + i / fps seconds, the middle of that frame.",
    )
    parser.add_argument("file", type=Path, help="a WAV file of any rate")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the JSON")
    parser.add_argument(
        "--lookahead-ms",
        type=lookahead,
        default=80,
        metavar="0..120",
        help="sound that the driver has heard past the moment a face is for, "
        "t0 + i / fps, by the time it must give that face; less only where the file "
        "ends (default 80)",
    )
    parser.add_argument(
        "--fps",
        type=_fps,
        default=Fraction(25),
        metavar="10..60",
        help="faces a second; also 29.97 or 30000/1001 (default 25)",
    )
    parser.add_argument("--driver", default="", help="module:factory of your own")
    parser.add_argument(
        "--idle",
        action="store_true",
        help="add blinks, glances, sway and a small smile",
    )
    parser.add_argument("--seed", type=int, default=1, help="of the idle motion")
    parser.set_defaults(run=_face)


def lookahead(text: str) -> int:
    """Milliseconds; `argparse.ArgumentTypeError` says what would be right."""
    try:
        milliseconds = int(text)
    except ValueError:
        milliseconds = -1
    if not 0 <= milliseconds <= MOST_AHEAD_MS:
        raise argparse.ArgumentTypeError(
            f"{text} is not a whole number in 0..{MOST_AHEAD_MS}"
        )
    return milliseconds


def _fps(text: str) -> Fraction:
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not _FEWEST_FPS <= rate <= _MOST_FPS:
        raise argparse.ArgumentTypeError(
            f"{text} is not a rate in {_FEWEST_FPS}..{_MOST_FPS}"
        )
    return rate


def _face(given: argparse.Namespace) -> int:
    try:
        speech = _speech(given.file)
        driver = load_driver(given.driver) or LipsDriver()
        faces = faces_of(driver, speech, given.fps, given.lookahead_ms)
        if given.idle:
            faces = _with_life(faces, given.fps, given.seed)
        told = _told(faces, given.fps, given.lookahead_ms)
        given.output.write_text(json.dumps(told, separators=(",", ":")))
    except (InvalidWav, ConfigError, OSError, InvalidFaces) as wrong:
        print(f"lite-gateway: {wrong}", file=sys.stderr)
        return 2
    seconds = len(speech) / 2 / SAMPLE_RATE
    print(f"{given.output}: {len(faces)} faces of {seconds:.2f} s")
    return 0


def _speech(path: Path) -> bytes:
    speech = read_wav(path)
    if not speech:
        raise InvalidWav(f"{path}: holds no sound")
    return speech


@torch.inference_mode()
def faces_of(driver: Driver, speech: bytes, fps: Fraction, lookahead_ms: int) -> Tensor:
    """
    The faces ``[n, 57]`` of s16le 24 kHz ``speech``, as a session would ask for them.

    Face ``i`` is that of ``first_moment_s(fps) + i / fps`` seconds.  The driver has
    then heard ``lookahead_ms`` past that moment, and never more.  `InvalidFaces` where
    it gives something else.
    """
    state, ahead = driver.begin(), SAMPLE_RATE * lookahead_ms // 1000
    faces = [
        drive(driver, [state], [AudioChunk(samples(new.pcm), new.lookahead_samples)])[0]
        for new in hearings(speech, fps, ahead)
    ]
    return torch.stack(faces) if faces else torch.zeros(0, SIZE)


def first_moment_s(fps: Fraction) -> float:
    """The middle of the first frame, counted in whole samples as playout does."""
    return int(SAMPLE_RATE / fps) // 2 / SAMPLE_RATE


def _with_life(faces: Tensor, fps: Fraction, seed: int) -> Tensor:
    life = Life(seed)
    alive = [life.face(float(i / fps), _TALKING) for i in range(len(faces))]
    both = faces + torch.stack(alive)
    both[:, : len(ARKIT)].clamp_(0, 1)
    return both


def _told(faces: Tensor, fps: Fraction, lookahead_ms: int) -> dict[str, Any]:
    rate = fps.numerator if fps.denominator == 1 else float(fps)
    frames = [[round(weight, _DIGITS) for weight in row] for row in faces.tolist()]
    return {
        "fps": rate,
        "lookahead_ms": lookahead_ms,
        "t0": first_moment_s(fps),
        "names": NAMES,
        "frames": frames,
    }
