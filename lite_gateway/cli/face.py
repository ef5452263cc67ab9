"""Command ``face``: write the faces that a driver returns for a sound file."""

import argparse
import json
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lite_gateway.cli.output import check_ending, writing
from lite_gateway.drivers import load_driver
from lite_gateway.errors import RenderFailed
from lite_gateway.offline.audio_frames import split_audio
from lite_gateway.offline.phone_file import read_phone_file
from lite_gateway.offline.wav import read_wav
from protocol.lite.messages import SAMPLE_RATE
from renderer.engine import samples
from renderer.face import ARKIT, NAMES, SIZE
from renderer.frames import Phone
from renderer.life.life import Life
from renderer.speech.driver import AudioChunk, Driver, InvalidFaces, begin, drive
from renderer.speech.given_phones import make_built_in_driver

Faces = npt.NDArray[np.float32]

_TALKING = "talking"
_DECIMALS = 4


def write_faces(args: argparse.Namespace) -> int:
    """Write the faces of the file and return the exit status."""
    check_ending(args.output, ".json", "faces as JSON")
    speech = read_wav(args.file)
    phones = phones_of(args.phones, speech)
    driver = load_driver(args.driver, "--driver") or make_built_in_driver()
    try:
        faces = drive_speech(driver, speech, args.fps, args.lookahead_ms, phones)
    except InvalidFaces as error:
        raise RenderFailed(str(error)) from error
    if args.idle:
        faces = _with_idle_motion(faces, args.fps, args.seed)
    content = _content(faces, args.fps, args.lookahead_ms)
    with writing(args.output):
        args.output.write_text(json.dumps(content, separators=(",", ":")))
    seconds = len(speech) / 2 / SAMPLE_RATE
    print(f"{args.output}: {len(faces)} faces of {seconds:.2f} s")
    return 0


def drive_speech(
    driver: Driver,
    speech: bytes,
    fps: Fraction,
    lookahead_ms: int,
    phones: Sequence[Phone] = (),
) -> Faces:
    """
    Return the faces ``[n, 57]`` of s16le 24 kHz ``speech``, as a session gets them.

    Face ``i`` belongs to ``first_face_s(fps) + i / fps`` seconds. When the driver
    returns it, the driver has consumed ``lookahead_ms`` of audio past that time and no
    more. ``phones`` are given with the first audio. `InvalidFaces` if the driver
    returns another shape or type.
    """
    state, lookahead_samples = begin(driver), SAMPLE_RATE * lookahead_ms // 1000
    faces = []
    for audio in split_audio(speech, fps, lookahead_samples):
        chunk = AudioChunk(samples(audio.pcm), audio.lookahead_samples, phones)
        faces.append(drive(driver, [state], [chunk])[0])
        phones = ()
    return np.array(faces, np.float32).reshape(-1, SIZE)


def phones_of(path: Path | None, speech: bytes) -> tuple[Phone, ...]:
    """Return the phones of a file, none without one; raise `InvalidPhoneFile`."""
    if path is None:
        return ()
    sound_s = len(speech) / 2 / SAMPLE_RATE
    return tuple(Phone(*phone) for phone in read_phone_file(path, sound_s))


def first_face_s(fps: Fraction) -> float:
    """Return the middle of the first frame in seconds, in whole samples as playout."""
    return int(SAMPLE_RATE / fps) // 2 / SAMPLE_RATE


def _with_idle_motion(faces: Faces, fps: Fraction, seed: int) -> Faces:
    life = Life(seed)
    motion = [life.face(float(i / fps), _TALKING) for i in range(len(faces))]
    result = faces + np.array(motion, np.float32).reshape(faces.shape)
    weights = result[:, : len(ARKIT)]
    weights.clip(0, 1, out=weights)
    return result


def _content(faces: Faces, fps: Fraction, lookahead_ms: int) -> dict[str, Any]:
    frames = [[round(weight, _DECIMALS) for weight in face] for face in faces.tolist()]
    return {
        "fps": fps.numerator if fps.denominator == 1 else float(fps),
        "lookahead_ms": lookahead_ms,
        "t0": first_face_s(fps),
        "names": NAMES,
        "frames": frames,
    }
