"""Forced alignment: the times of a recording's phones, by pocketsphinx.

Pocketsphinx serves evaluation only and is installed into a folder of its own in the
user's cache.  Its frames last 10 ms.  In its output a stop is one phone: the closure,
then the burst.
"""

import hashlib
import json
import os
import re
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
from training.phones import LIP_STOPS, Phone, phones_from_symbols

PEERS = Path(__file__).parent / "peers"
ALIGNER_RATE = 16_000
_FRAME_S = 0.010
# The time of a frame is the start of its window of 26 ms.  Compared with Flite's own
# times (62 sentences of slt, rms, awb and kal16, 2720 boundaries), its boundaries are
# early by a median of 6, 7, 7 and 4 ms, with a mean distance of 12 ms.
_EARLY_S = 0.006
_CLOSURE_SHARE = {"P": 0.70, "B": 0.85}  # of a stop's time; the rest is its burst
_MIN_PHONE_FRAMES = 3  # the aligner's minimum, which a phone gets that it did not find
_MAX_SHORT_SHARE = 0.45  # of all phones
_MAX_PHONE_S = 0.60  # of a phone that is not silence
# The aligner omits signs that it cannot read, and takes what was spoken for silence.
# Dashes, quotation marks and an ellipsis are not spoken.
_NO_WORD = r"""[^a-zA-Z\s.,:;?!'"()\u2013\u2014\u201c-\u201e\u2026-]"""
_APOSTROPHES = str.maketrans("\u2018\u2019", "''")


class NoAligner(Exception):
    """Pocketsphinx could not be installed or failed; the text says which."""


def align(
    recordings: Sequence[Unaligned], cache: Path, console: Console
) -> tuple[list[Clip], dict[str, str]]:
    """Return aligned clips, and for each rejected recording the reason (name -> text).

    Results are cached.  Raises `NoAligner` if a recording is new and pocketsphinx
    cannot be installed or fails.
    """
    if not recordings:
        return [], {}
    paths = [alignment_path(recording, cache) for recording in recordings]
    paths[0].parent.mkdir(parents=True, exist_ok=True)
    new = [i for i, path in enumerate(paths) if not path.exists()]
    if new:
        libraries = _pocketsphinx(cache, console)
        console.print(f"aligning {len(new)} recordings")
        results = _run_aligner([recordings[i] for i in new], libraries)
        for i, result in zip(new, results, strict=True):
            paths[i].write_text(json.dumps(result))
    clips, left_out = [], {}
    for recording, path in zip(recordings, paths, strict=True):
        result = json.loads(path.read_text())
        reason = (
            _unreadable(recording.text)
            or result.get("error")
            or _implausible(result["phones"])
        )
        if reason:
            left_out[recording.name] = reason
        else:
            clips.append(_clip(recording, result["phones"]))
    return clips, left_out


def at_16_khz(speech: bytes) -> bytes:
    """Return s16le at 24 kHz as s16le at 16 kHz."""
    floats = np.frombuffer(speech, "<i2").astype(np.float64)
    resampled = soxr.resample(floats, SAMPLE_RATE, ALIGNER_RATE)
    return bytes(np.clip(resampled, -32768, 32767).round().astype("<i2").tobytes())


def alignment_path(recording: Unaligned, cache: Path) -> Path:
    """Return the cache file of a recording's alignment.

    Its name is a hash of audio, transcript and aligner program.
    """
    program = b"".join(path.read_bytes() for path in sorted(PEERS.glob("*.py")))
    key = recording.speech + recording.text.encode() + program
    return cache / "alignments" / f"{hashlib.sha256(key).hexdigest()[:24]}.json"


def _pocketsphinx(cache: Path, console: Console) -> Path:
    """Return the folder of the pocketsphinx package; install it if necessary."""
    requirements = PEERS / "requirements.txt"
    folder, requirements_text = cache / "pocketsphinx", requirements.read_text()
    installed = folder / requirements.name
    if installed.exists() and installed.read_text() == requirements_text:
        return folder
    console.print(f"installing pocketsphinx into {folder}, once: 50 MB")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--upgrade"]
    command += ["--disable-pip-version-check", "--target", str(folder)]
    pip = subprocess.run([*command, "--requirement", str(requirements)], check=False)
    if pip.returncode:
        packages = " ".join(requirements_text.split())
        raise NoAligner(
            f"pip could not install {packages} into {folder}. They align recordings "
            "with their transcripts; a WAV with a .json beside it does not need them."
        )
    installed.write_text(requirements_text)
    return folder


def _run_aligner(
    recordings: Sequence[Unaligned], libraries: Path
) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        requests = []
        for i, recording in enumerate(recordings):
            pcm = Path(folder) / f"{i}.pcm"
            pcm.write_bytes(at_16_khz(recording.speech))
            text = recording.text.translate(_APOSTROPHES)
            requests.append({"pcm": str(pcm), "text": text})
        process = subprocess.run(
            [sys.executable, PEERS / "align.py"],
            input=json.dumps(requests),
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(libraries)},
            check=False,
        )
    if process.returncode:
        raise NoAligner(f"the aligner failed:\n{process.stderr[-2000:]}")
    results: list[dict[str, Any]] = json.loads(process.stdout)
    return results


def _unreadable(text: str) -> str:
    """Return which signs of a transcript may be spoken but are no words, or no text."""
    signs = sorted(set(re.findall(_NO_WORD, text.translate(_APOSTROPHES))))
    return f"not spelled as words: {' '.join(signs)}" if signs else ""


def _implausible(phones: Sequence[tuple[str, int, int]]) -> str:
    """Return why an alignment cannot be right, an empty text if it may be."""
    spoken = [(name, frames) for name, _, frames in phones if not _is_pause(name)]
    if not spoken:
        return "nothing was aligned"
    short = sum(frames <= _MIN_PHONE_FRAMES for _, frames in spoken) / len(spoken)
    if short > _MAX_SHORT_SHARE:
        return f"implausible: {short:.0%} of its phones are as short as possible"
    name, longest = max(spoken, key=lambda phone: phone[1])
    if longest * _FRAME_S > _MAX_PHONE_S:
        return f"implausible: {name} lasts {longest * _FRAME_S:.2f} s"
    return ""


def _is_pause(name: str) -> bool:
    return name == "SIL" or name.startswith("+")


def _clip(recording: Unaligned, segments: Sequence[tuple[str, int, int]]) -> Clip:
    """Return the clip of aligned ``segments``: name, first frame, number of frames."""
    seconds = len(recording.speech) / 2 / SAMPLE_RATE
    names = ["pau" if _is_pause(name) else name.lower() for name, *_ in segments]
    starts_s = [start * _FRAME_S + _EARLY_S for _, start, _ in segments]
    end_s = min(seconds, sum(segments[-1][1:]) * _FRAME_S + _EARLY_S)
    phones = phones_from_symbols("radio", names, starts_s, end_s)
    if end_s < seconds:
        phones.append(Phone("SIL", end_s, seconds, None))
    timed = _with_closures(phones)
    return Clip(recording.name, recording.speech, timed, recording.text)


def _with_closures(phones: Sequence[Phone]) -> tuple[Phone, ...]:
    """Shorten P and B to their closures; the burst becomes part of the next phone."""
    result = list(phones)
    for i, phone in enumerate(result[:-1]):
        if phone.phoneme in LIP_STOPS:
            closure_s = _CLOSURE_SHARE[phone.phoneme] * (phone.end_s - phone.start_s)
            release_s = phone.start_s + closure_s
            result[i] = phone._replace(end_s=release_s)
            result[i + 1] = result[i + 1]._replace(start_s=release_s)
    return tuple(result)
