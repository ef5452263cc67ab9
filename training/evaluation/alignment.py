"""
When each phone of a recording is spoken: pocketsphinx, forced to its transcript.

It is used to measure only, from a folder of its own in the user's cache.  Its frames
are 10 ms; a stop is its closure and its burst in one, the closure first.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soxr
from rich.console import Console

from protocol.lite.messages import SAMPLE_RATE
from training.evaluation.clips import Clip, Unaligned
from training.sounds import LIP_STOPS, Phone, phones_from_symbols

PEERS = Path(__file__).parent / "peers"
PEER_RATE = 16_000
_FRAME_S = 0.010
# A frame is named by where its window of 26 ms begins.  Against flite's own times
# (62 sentences of slt, rms, awb and kal16, 2720 boundaries) its boundaries are early by
# a median of 6, 7, 7 and 4 ms, mean distance 12 ms.
_EARLY_S = 0.006
_CLOSURE = {"P": 0.70, "B": 0.85}  # of a stop's time; the rest is its burst
_SHORTEST = 3  # frames: what the model gives a phone that it did not find
_MOST_SHORT = 0.45  # of all phones
_LONGEST_S = 0.60  # of a phone that is not silence


class NoAligner(Exception):
    """Pocketsphinx could not be installed or did not run; says which."""


def aligned(
    recordings: Sequence[Unaligned], cache: Path, console: Console
) -> tuple[list[Clip], dict[str, str]]:
    """
    Those whose alignment can be believed, and why the others cannot be.

    `NoAligner` where there are new ones and pocketsphinx is missing.
    """
    if not recordings:
        return [], {}
    places = [place_of(recording, cache) for recording in recordings]
    places[0].parent.mkdir(parents=True, exist_ok=True)
    new = [i for i, place in enumerate(places) if not place.exists()]
    if new:
        libraries = _pocketsphinx(cache, console)
        console.print(f"aligning {len(new)} recordings")
        answers = _aligned_by_peer([recordings[i] for i in new], libraries)
        for i, answer in zip(new, answers, strict=True):
            places[i].write_text(json.dumps(answer))
    clips, left_out = [], {}
    for recording, place in zip(recordings, places, strict=True):
        answer = json.loads(place.read_text())
        why = answer.get("error") or _implausible(answer["phones"])
        if why:
            left_out[recording.name] = why
        else:
            clips.append(_clip(recording, answer["phones"]))
    return clips, left_out


def at_16_khz(speech: bytes) -> bytes:
    """s16le at 24 kHz -> s16le at 16 kHz."""
    floats = np.frombuffer(speech, "<i2").astype(np.float64)
    halved = soxr.resample(floats, SAMPLE_RATE, PEER_RATE)
    return bytes(np.clip(halved, -32768, 32767).round().astype("<i2").tobytes())


def place_of(recording: Unaligned, cache: Path) -> Path:
    """Where what the aligner said is kept: the same sound and text need it once."""
    program = (PEERS / "align.py").read_bytes()
    asked = recording.speech + recording.text.encode() + program
    return cache / "alignments" / f"{hashlib.sha256(asked).hexdigest()[:24]}.json"


def _pocketsphinx(cache: Path, console: Console) -> Path:
    """The folder with it, made if need be."""
    requirements = PEERS / "requirements.txt"
    folder, wanted = cache / "pocketsphinx", requirements.read_text()
    made = folder / requirements.name
    if made.exists() and made.read_text() == wanted:
        return folder
    console.print(f"installing pocketsphinx into {folder}, once: 50 MB")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--upgrade"]
    command += ["--disable-pip-version-check", "--target", str(folder)]
    pip = subprocess.run([*command, "--requirement", str(requirements)], check=False)
    if pip.returncode:
        raise NoAligner(
            f"pip could not install {' '.join(wanted.split())} into {folder}, which "
            "times the phones of a transcript; a WAV with a .json does not need it"
        )
    made.write_text(wanted)
    return folder


def _aligned_by_peer(
    recordings: Sequence[Unaligned], libraries: Path
) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        asked = []
        for i, recording in enumerate(recordings):
            pcm = Path(folder) / f"{i}.pcm"
            pcm.write_bytes(at_16_khz(recording.speech))
            asked.append({"pcm": str(pcm), "text": recording.text})
        done = subprocess.run(
            [sys.executable, PEERS / "align.py"],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(libraries)},
            check=False,
        )
    if done.returncode:
        raise NoAligner(f"the aligner failed:\n{done.stderr[-2000:]}")
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    return answers


def _implausible(phones: Sequence[tuple[str, int, int]]) -> str:
    spoken = [(name, frames) for name, _, frames in phones if not _is_pause(name)]
    if not spoken:
        return "nothing was aligned"
    short = sum(frames <= _SHORTEST for _, frames in spoken) / len(spoken)
    if short > _MOST_SHORT:
        return f"implausible: {short:.0%} of its phones as short as can be"
    name, longest = max(spoken, key=lambda phone: phone[1])
    if longest * _FRAME_S > _LONGEST_S:
        return f"implausible: {name} of {longest * _FRAME_S:.2f} s"
    return ""


def _is_pause(name: str) -> bool:
    return name == "SIL" or name.startswith("+")


def _clip(recording: Unaligned, found: Sequence[tuple[str, int, int]]) -> Clip:
    seconds = len(recording.speech) / 2 / SAMPLE_RATE
    names = ["pau" if _is_pause(name) else name.lower() for name, *_ in found]
    starts_s = [start * _FRAME_S + _EARLY_S for _, start, _ in found]
    end_s = min(seconds, sum(found[-1][1:]) * _FRAME_S + _EARLY_S)
    phones = phones_from_symbols("radio", names, starts_s, end_s)
    if end_s < seconds:
        phones.append(Phone("SIL", end_s, seconds, None))
    return Clip(recording.name, recording.speech, _released(phones), recording.text)


def _released(phones: Sequence[Phone]) -> tuple[Phone, ...]:
    """P and B as their closures; the burst belongs to what follows."""
    out = list(phones)
    for i, phone in enumerate(out[:-1]):
        if phone.sound in LIP_STOPS:
            closure_s = _CLOSURE[phone.sound] * (phone.end_s - phone.start_s)
            release_s = phone.start_s + closure_s
            out[i] = phone._replace(end_s=release_s)
            out[i + 1] = out[i + 1]._replace(start_s=release_s)
    return tuple(out)
