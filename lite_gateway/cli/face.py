"""Command ``face``: write the faces that a driver returns for a sound file."""

import argparse
import json
import sys
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor

from lite_gateway.cli.output import writing
from lite_gateway.drivers import load_driver
from lite_gateway.errors import ConfigError
from lite_gateway.offline.audio_frames import split_audio
from lite_gateway.offline.wav import InvalidWav, read_wav
from protocol.lite.messages import SAMPLE_RATE
from renderer.engine import samples
from renderer.face import ARKIT, NAMES, SIZE
from renderer.life.life import Life
from renderer.speech.driver import AudioChunk, Driver, InvalidFaces, drive
from renderer.speech.native_driver import make_lip_driver

_TALKING = "talking"
_DECIMALS = 4


def write_faces(args: argparse.Namespace) -> int:
    """Write the faces of the file and return the exit status."""
    try:
        speech = read_wav(args.file)
        driver = load_driver(args.driver) or make_lip_driver()
        faces = drive_speech(driver, speech, args.fps, args.lookahead_ms)
        if args.idle:
            faces = _with_idle_motion(faces, args.fps, args.seed)
        content = _content(faces, args.fps, args.lookahead_ms)
        with writing(args.output):
            args.output.write_text(json.dumps(content, separators=(",", ":")))
    except (InvalidWav, ConfigError, InvalidFaces) as error:
        print(f"lite-gateway: {error}", file=sys.stderr)
        return 2
    seconds = len(speech) / 2 / SAMPLE_RATE
    print(f"{args.output}: {len(faces)} faces of {seconds:.2f} s")
    return 0


@torch.inference_mode()
def drive_speech(
    driver: Driver, speech: bytes, fps: Fraction, lookahead_ms: int
) -> Tensor:
    """
    Return the faces ``[n, 57]`` of s16le 24 kHz ``speech``, as a session gets them.

    Face ``i`` belongs to ``first_face_s(fps) + i / fps`` seconds. When the driver
    returns it, the driver has consumed ``lookahead_ms`` of audio past that time and no
    more. `InvalidFaces` if the driver returns a tensor of another shape or type.
    """
    state, lookahead_samples = driver.begin(), SAMPLE_RATE * lookahead_ms // 1000
    faces = [
        drive(
            driver, [state], [AudioChunk(samples(audio.pcm), audio.lookahead_samples)]
        )[0]
        for audio in split_audio(speech, fps, lookahead_samples)
    ]
    return torch.stack(faces) if faces else torch.zeros(0, SIZE)


def first_face_s(fps: Fraction) -> float:
    """Return the middle of the first frame in seconds, in whole samples as playout."""
    return int(SAMPLE_RATE / fps) // 2 / SAMPLE_RATE


def _with_idle_motion(faces: Tensor, fps: Fraction, seed: int) -> Tensor:
    life = Life(seed)
    motion = [life.face(float(i / fps), _TALKING) for i in range(len(faces))]
    result = faces + torch.stack(motion)
    result[:, : len(ARKIT)].clamp_(0, 1)
    return result


def _content(faces: Tensor, fps: Fraction, lookahead_ms: int) -> dict[str, Any]:
    frames = [[round(weight, _DECIMALS) for weight in face] for face in faces.tolist()]
    return {
        "fps": fps.numerator if fps.denominator == 1 else float(fps),
        "lookahead_ms": lookahead_ms,
        "t0": first_face_s(fps),
        "names": NAMES,
        "frames": frames,
    }
