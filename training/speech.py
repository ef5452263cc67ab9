"""
The speech that the driver learns from: hours of it, made here, each phone timed.

    python -m training.speech --hours 28 --folder DIR [--seed 1] [--only espeak]

The same seed gives the same files, in any order and however often it is stopped: what
is on disk is kept. On Debian bookworm it needs

    apt-get install -y --no-install-recommends espeak-ng libespeak-ng1 espeak-ng-data
        libflite1 festival festvox-kallpc16k festvox-kdlpc16k festvox-us-slt-hts
        festvox-italp16k festvox-itapc16k festvox-czech-dita festvox-czech-machac
        festvox-czech-ph festvox-czech-krb festvox-suopuhe-lj festvox-suopuhe-mv
        festvox-ca-ona-hts festvox-ru festvox-hi-nsk wamerican wordnet-base

A voice that is missing is named, with its package, and the others go on.
"""

import argparse
import json
import wave
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
import soxr
from numpy.typing import NDArray

from renderer.frames import SAMPLE_RATE
from training import espeak, festival, flite
from training.sounds import MissingVoice, Phone, Spoken, Unspoken
from training.text import sentence
from training.voices import PLANNED_HOURS, Part, plan

PEAK = 0.6
SHORTEST_S = 0.5
BATCH = 24  # sentences to one process of festival


@dataclass(frozen=True, slots=True)
class Utterance:
    """One file on disk: 24 kHz PCM16 mono, and phones that cover it without gaps."""

    path: Path
    voice: str
    source: str
    language: str
    held: bool
    text: str
    phones: tuple[Phone, ...]

    @property
    def duration_s(self) -> float:
        return self.phones[-1].end_s

    def sound(self) -> NDArray[np.float32]:
        """Samples [n] float32 within -1 to 1 at ``SAMPLE_RATE``."""
        with wave.open(str(self.path), "rb") as file:
            raw = file.readframes(file.getnframes())
        return np.frombuffer(raw, "<i2").astype(np.float32) / np.float32(32768)


def load(folder: Path) -> list[Utterance]:
    """Every utterance below ``folder``, in the order of its path."""
    return [_read(path) for path in sorted(Path(folder).glob("*/*.json"))]


def _read(path: Path) -> Utterance:
    known = json.loads(path.read_text("utf-8"))
    phones = tuple(Phone(*phone) for phone in known["phones"])
    return Utterance(
        path=path.with_suffix(".wav"),
        voice=known["voice"],
        source=known["source"],
        language=known["language"],
        held=known["held"],
        text=known["text"],
        phones=phones,
    )


def _wish(part: Part, seed: int, number: int) -> tuple[str, float, float, float]:
    """Text of one utterance, and three numbers in 0 .. 1 for rate, pitch and range."""
    random = Random(f"{seed}/{part.voice}/{number}")
    return (
        sentence(random, part.language),
        random.random(),
        random.random(),
        random.random(),
    )


def _speak(
    part: Part, seed: int, first: int, count: int
) -> Iterator[Spoken | Unspoken]:
    """Numbers ``first`` to ``first + count`` of a voice, varied in rate and pitch."""
    wishes = [_wish(part, seed, number) for number in range(first, first + count)]
    if part.source == "festival":
        yield from festival.speak(
            part.name,
            [
                festival.Sentence(t, 0.8 + 0.5 * r, 0.8 + 0.45 * p)
                for t, r, p, _ in wishes
            ],
        )
        return
    for text, rate, pitch, spread in wishes:
        if part.source == "flite":
            own = flite.PITCH_HZ[part.name]
            yield flite.speak(
                part.name,
                text,
                stretch=0.75 + 0.6 * rate,
                pitch_hz=own * (0.8 + 0.45 * pitch),
            )
        else:
            yield espeak.speak(
                part.name,
                text,
                rate=round(115 + 125 * rate),
                pitch=round(25 + 50 * pitch),
                spread=round(20 + 60 * spread),
            )


def _write(part: Part, text: str, spoken: Spoken, path: Path) -> float:
    """Put sound and phones on disk, the phones last; seconds written."""
    sound = soxr.resample(spoken.sound, spoken.sample_rate, SAMPLE_RATE, quality="HQ")
    sound = sound * (PEAK / max(1e-4, float(np.abs(sound).max())))
    pcm = np.round(np.clip(sound, -1, 1) * 32767).astype("<i2")
    with wave.open(str(path.with_suffix(".wav")), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(pcm.tobytes())
    duration_s = len(pcm) / SAMPLE_RATE
    ends_s = [round(phone.end_s, 4) for phone in spoken.phones[:-1]] + [duration_s]
    phones = [
        (phone.sound, round(phone.start_s, 4), end_s, phone.stress)
        for phone, end_s in zip(spoken.phones, ends_s, strict=True)
    ]
    known = {
        "voice": part.voice,
        "source": part.source,
        "language": part.language,
        "held": part.held,
        "text": text,
        "phones": phones,
    }
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(known, ensure_ascii=False), "utf-8")
    fresh.replace(path)
    return duration_s


def fill(
    part: Part, folder: Path, seconds: float, seed: int, trouble: Counter[str]
) -> float:
    """Let one voice speak until it has ``seconds``; how many are on disk after.

    What went wrong is counted in ``trouble``. Raises ``MissingVoice``.
    """
    home = folder / part.voice
    home.mkdir(parents=True, exist_ok=True)
    done_s, number = 0.0, 0
    while done_s < seconds and number < 20 * seconds:
        count = BATCH if part.source == "festival" else 1
        if (home / f"{number:05d}.json").exists():
            batch: Iterator[Spoken | None] = iter([None])
        else:
            batch = _tried(part, seed, number, count, trouble)
        for spoken in batch:
            path = home / f"{number:05d}.json"
            if path.exists():
                done_s += _read(path).duration_s
            elif spoken is not None and done_s < seconds:
                done_s += _write(part, _wish(part, seed, number)[0], spoken, path)
            number += 1
    return done_s


def _tried(
    part: Part, seed: int, first: int, count: int, trouble: Counter[str]
) -> Iterator[Spoken | None]:
    """``count`` utterances, with None for what failed or is too short to be of use."""
    spoken = _speak(part, seed, first, count)
    for _ in range(count):
        try:
            one = next(spoken, None)
        except Unspoken as unspoken:
            one = unspoken
        if isinstance(one, Unspoken):
            trouble[str(one)] += 1
            one = None
        usable = one is not None and len(one.sound) >= SHORTEST_S * one.sample_rate
        yield one if usable else None


def generate(folder: Path, hours: float, seed: int, only: str | None) -> None:
    """Make what is missing of the plan; prints as it goes, and a table at the end."""
    trouble: Counter[str] = Counter()
    parts = [part for part in plan() if only in (None, part.source)]
    share = hours / PLANNED_HOURS
    for number, part in enumerate(parts, 1):
        try:
            done_s = fill(part, folder, 60 * part.minutes * share, seed, trouble)
        except MissingVoice as missing:
            trouble[str(missing)] += 1
            continue
        print(f"{number}/{len(parts)} {part.voice}: {done_s / 60:.1f} min", flush=True)
    _report(load(folder), trouble)


def _report(utterances: list[Utterance], trouble: Counter[str]) -> None:
    minutes: dict[str, float] = defaultdict(float)
    for one in utterances:
        speaker = "variants" if one.source == "espeak" else one.voice
        held = " (held)" if one.held else ""
        minutes[f"{one.source:9s} {one.language:7s} {speaker}{held}"] += (
            one.duration_s / 60
        )
    for name, size in sorted(minutes.items()):
        print(f"{size:7.1f} min  {name}")
    held_minutes = sum(one.duration_s for one in utterances if one.held) / 60
    print(
        f"{sum(minutes.values()):7.1f} min in all, {held_minutes:.1f} of them held back"
    )
    for text, count in trouble.most_common():
        print(f"{count:5d} x {text}")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="training.speech", description="Make the speech corpus."
    )
    parser.add_argument("--hours", type=float, default=PLANNED_HOURS)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=("espeak", "flite", "festival"))
    chosen = parser.parse_args()
    generate(chosen.folder, chosen.hours, chosen.seed, chosen.only)


if __name__ == "__main__":
    main()
