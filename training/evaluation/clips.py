"""Evaluation clips: recordings with the times of their phones.

A folder holds WAV files.  A ``.json`` beside a WAV gives the times of its phones, as
`training.speech` writes them; only recordings held out of training are used.  A
``.txt`` gives the transcript, which `training.evaluation.alignment` aligns.
"""

import json
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lite_gateway.offline.wav import InvalidWav, read_wav
from protocol.lite.messages import SAMPLE_RATE
from training.phones import Phone

_PAUSE_S = 0.150  # a shorter silence belongs to speech


@dataclass(frozen=True, slots=True)
class Clip:
    """Recording of speech with the times of its phones."""

    name: str
    speech: bytes  # s16le, 24 kHz
    phones: tuple[Phone, ...]  # without gaps from 0 to the end
    text: str = ""

    @property
    def seconds(self) -> float:
        return len(self.speech) / 2 / SAMPLE_RATE

    def pauses(self) -> tuple[bool, ...]:
        """Return for each phone whether it is a silence that lips may rest in.

        A silence at an edge of the clip may go on beyond it, so its length is unknown.
        """
        edges = (0, len(self.phones) - 1)
        return tuple(
            phoneme == "SIL" and (i in edges or end_s - start_s >= _PAUSE_S)
            for i, (phoneme, start_s, end_s, _) in enumerate(self.phones)
        )


@dataclass(frozen=True, slots=True)
class Unaligned:
    """Recording with a transcript, but without the times of its phones."""

    name: str
    speech: bytes  # s16le, 24 kHz
    text: str


@dataclass(slots=True)
class Folder:
    """Recordings of a folder, and the reason for each left out (name -> reason)."""

    clips: list[Clip]
    unaligned: list[Unaligned]
    left_out: dict[str, str]


def read_folder(folder: Path, max_s: float = float("inf")) -> Folder:
    """Return the recordings below ``folder``, about ``max_s`` of them at most.

    If there are more, every voice, which is a subfolder, gets equally many.
    """
    result = Folder([], [], {})
    wavs = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() == ".wav"]
    paths = [path for path in wavs if _is_usable(path)]
    chosen = _sample_voices(paths, max_s)
    if skipped := len(paths) - len(chosen):
        result.left_out[f"{skipped} more"] = f"the limit is {max_s:g} s (--most)"
    for path in chosen:
        name = str(path.relative_to(folder).with_suffix(""))
        times, transcript = path.with_suffix(".json"), path.with_suffix(".txt")
        try:
            speech = read_wav(path)
            if times.exists():
                labels = json.loads(times.read_text())
                phones = tuple(Phone(*phone) for phone in labels["phones"])
                result.clips.append(Clip(name, speech, phones, labels.get("text", "")))
            elif transcript.exists():
                text = " ".join(transcript.read_text().split())
                result.unaligned.append(Unaligned(name, speech, text))
            else:
                result.left_out[name] = "has neither .txt nor .json beside it"
        except (InvalidWav, KeyError, TypeError, ValueError) as error:
            result.left_out[name] = str(error)
    return result


def _is_usable(path: Path) -> bool:
    """Return False for training material.  An unreadable file is reported later."""
    try:
        labels = json.loads(path.with_suffix(".json").read_text())
        return bool(labels.get("held", True))
    except (OSError, ValueError, AttributeError):
        return True


def _seconds(path: Path) -> float:
    """Return the duration in the header, 0 if unreadable: that is reported later."""
    try:
        with wave.open(str(path)) as file:
            seconds: float = file.getnframes() / file.getframerate()
            return seconds
    except (OSError, EOFError, wave.Error, ZeroDivisionError):
        return 0.0


def _sample_voices(paths: Sequence[Path], max_s: float) -> list[Path]:
    """Take recordings of all voices in turn, in a fixed order, up to ``max_s``."""
    sizes = {path: _seconds(path) for path in paths}
    if sum(sizes.values()) <= max_s:
        return list(paths)
    by_voice: dict[Path, list[Path]] = {}
    for path in paths:
        by_voice.setdefault(path.parent, []).append(path)
    chosen: list[Path] = []
    while by_voice and sum(sizes[path] for path in chosen) < max_s:
        for voice in list(by_voice):
            chosen.append(by_voice[voice].pop(len(by_voice[voice]) // 2))
            if not by_voice[voice]:
                del by_voice[voice]
    return sorted(chosen)
