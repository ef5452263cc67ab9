"""
Clips to judge lips on: sound, and when each of its phones is spoken.

A folder holds WAV files.  One with a ``.json`` beside it brings the times of its phones
(synthesised speech; only what is ``held`` back from training counts), one with a
``.txt`` is aligned with its transcript.
"""

import json
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lite_gateway.offline.wav import InvalidWav, read_wav
from protocol.lite.messages import SAMPLE_RATE
from training.sounds import Phone

_PAUSE_S = 0.150  # a shorter silence is part of speech


@dataclass(frozen=True, slots=True)
class Clip:
    name: str
    speech: bytes  # s16le, 24 kHz
    phones: tuple[Phone, ...]  # without gaps from 0 to the end
    text: str = ""

    @property
    def seconds(self) -> float:
        return len(self.speech) / 2 / SAMPLE_RATE

    def pauses(self) -> tuple[bool, ...]:
        """Of each phone, whether it is a silence in which lips may come to rest."""
        edges = (0, len(self.phones) - 1)  # beyond them it goes on
        return tuple(
            sound == "SIL" and (i in edges or end_s - start_s >= _PAUSE_S)
            for i, (sound, start_s, end_s, _) in enumerate(self.phones)
        )


@dataclass(frozen=True, slots=True)
class Unaligned:
    """A recording whose phones have no times yet."""

    name: str
    speech: bytes  # s16le, 24 kHz
    text: str


@dataclass(slots=True)
class Folder:
    """What was found, and why the rest was left out (name -> reason)."""

    clips: list[Clip]
    unaligned: list[Unaligned]
    left_out: dict[str, str]


def read_folder(folder: Path, most_s: float = float("inf")) -> Folder:
    """Every WAV below ``folder``; at most about ``most_s``, of each voice alike."""
    found = Folder([], [], {})
    every = [
        path for path in sorted(folder.rglob("*")) if path.suffix.lower() == ".wav"
    ]
    paths = [path for path in every if _counts(path)]
    chosen = _spread(paths, most_s)
    if spared := len(paths) - len(chosen):
        found.left_out[f"{spared} more"] = f"{most_s:g} s are enough (--most)"
    for path in chosen:
        name = str(path.relative_to(folder).with_suffix(""))
        times, transcript = path.with_suffix(".json"), path.with_suffix(".txt")
        try:
            speech = read_wav(path)
            if times.exists():
                told = json.loads(times.read_text())
                phones = tuple(Phone(*phone) for phone in told["phones"])
                found.clips.append(Clip(name, speech, phones, told.get("text", "")))
            elif transcript.exists():
                text = " ".join(transcript.read_text().split())
                found.unaligned.append(Unaligned(name, speech, text))
            else:
                found.left_out[name] = "has neither .txt nor .json beside it"
        except (InvalidWav, KeyError, TypeError, ValueError) as wrong:
            found.left_out[name] = str(wrong)
    return found


def _counts(path: Path) -> bool:
    """Not what a driver may have learnt from; what cannot be read is named later."""
    try:
        told = json.loads(path.with_suffix(".json").read_text())
        return bool(told.get("held", True))
    except (OSError, ValueError, AttributeError):
        return True


def _seconds(path: Path) -> float:
    """By its header; what has none is small, and named when it is read."""
    try:
        with wave.open(str(path)) as sound:
            seconds: float = sound.getnframes() / sound.getframerate()
            return seconds
    except (OSError, EOFError, wave.Error, ZeroDivisionError):
        return 0.0


def _spread(paths: Sequence[Path], most_s: float) -> list[Path]:
    """Of each voice as much, in a fixed order, until there is enough."""
    sizes = {path: _seconds(path) for path in paths}
    if sum(sizes.values()) <= most_s:
        return list(paths)
    by_voice: dict[Path, list[Path]] = {}
    for path in paths:
        by_voice.setdefault(path.parent, []).append(path)
    chosen: list[Path] = []
    while by_voice and sum(sizes[path] for path in chosen) < most_s:
        for voice in list(by_voice):
            chosen.append(by_voice[voice].pop(len(by_voice[voice]) // 2))
            if not by_voice[voice]:
                del by_voice[voice]
    return sorted(chosen)
