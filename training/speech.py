"""
The speech that the driver learns from: hours of it, made here, with the time of every phone.

    python -m training.speech --hours 12 --folder DIR [--seed 1] [--only espeak]

The same seed gives the same files, in any order and however often it is stopped: what is on
disk is kept. On Debian bookworm it needs

    apt-get install -y --no-install-recommends espeak-ng libespeak-ng1 espeak-ng-data flite
        festival festvox-kallpc16k festvox-kdlpc16k festvox-us-slt-hts festvox-italp16k
        festvox-itapc16k festvox-czech-dita festvox-czech-machac festvox-czech-ph
        festvox-czech-krb festvox-suopuhe-lj festvox-suopuhe-mv festvox-ca-ona-hts wamerican

A voice that is missing is named, with its package, and the others go on.
"""

import argparse
import json
import wave
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
import soxr
from numpy.typing import NDArray

from training import espeak, festival, flite
from training.sounds import MissingVoice, Phone, Spoken, UnknownSymbol
from training.text import sentence

SAMPLE_RATE = 24_000
PEAK = 0.6
SHORTEST_S = 0.5
BATCH = 24  # sentences to one process of festival
PLANNED_HOURS = 12.0  # what the minutes below are for; other totals scale them


@dataclass(frozen=True, slots=True)
class Utterance:
    """One file on disk: 24 kHz PCM16 mono, phones without gaps from its start to its end."""

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
        return np.frombuffer(raw, "<i2").astype(np.float32) / 32768


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


@dataclass(frozen=True, slots=True)
class Part:
    """How much one voice speaks. ``name`` is what its synthesiser calls it."""

    source: str
    name: str
    language: str
    minutes: float
    held: bool = False

    @property
    def voice(self) -> str:
        return f"{self.source}_{self.name}".replace("+", "_")


HELD_VARIANTS = frozenset({"m7", "f5", "klatt4", "linda", "Mike", "Alicia"})
HELD_LANGUAGES = ("sv", "tr", "ja")
_VARIANTS = """f1 m1 f2 m2 f3 m3 f4 m4 m5 m6 m8 klatt klatt2 klatt3 klatt5 klatt6 adam Alex Andrea
Andy Annie antonio aunty belinda benjamin boris caleb david Denis Diogo ed edward Gene gustave Henrique
Hugo iven iven2 Jacky john kaukovalta Lee marcelo Marco Mario max Michael michel miguel Mr
Nguyen pablo paul pedro quincy rob robert sandro shelby steph steph2 steph3 travis victor zac
anika grandpa grandma norbert croak whisperf""".replace("Mr\n", "").split()
_ACCENTS = """en-us en en-us en-gb-scotland en-us en-gb-x-rp en-029 en-us-nyc en-gb-x-gbclan
en-gb-x-gbcwmd""".split()
_LANGUAGES = (
    """de fr es es-419 it pt pt-br pl cs nl hu ru el hi fi da ro ca uk id""".split()
)


def _espeak_parts() -> Iterator[Part]:
    """Every variant in some English accent, every language in five variants: 330 minutes."""
    for k, variant in enumerate(_VARIANTS):
        yield Part("espeak", f"{_ACCENTS[k % len(_ACCENTS)]}+{variant}", "en", 2.4)
    for k, language in enumerate(_LANGUAGES):
        for step in range(5):
            variant = _VARIANTS[(k * 5 + step * 13) % len(_VARIANTS)]
            yield Part("espeak", f"{language}+{variant}", language, 1.6)
    for variant in sorted(HELD_VARIANTS):
        yield Part("espeak", f"en-us+{variant}", "en", 1.5, held=True)
    for language in HELD_LANGUAGES:
        for variant in ("m3", "f2"):
            yield Part("espeak", f"{language}+{variant}", language, 1.0, held=True)


def plan() -> list[Part]:
    """Who speaks for how many minutes, of ``PLANNED_HOURS`` in all."""
    parts = [Part("flite", "slt", "en", 50), Part("flite", "rms", "en", 50)]
    parts += [Part("flite", "awb", "en", 45), Part("flite", "kal16", "en", 20)]
    minutes = {
        "kal_diphone": 25.0,
        "cmu_us_slt_arctic_hts": 30,
        "ked_diphone": 5,
        "czech_machac": 4,
    }
    for voice in festival.VOICES.values():
        held = voice.name in ("ked_diphone", "czech_machac")
        parts.append(
            Part(
                "festival",
                voice.name,
                voice.language,
                minutes.get(voice.name, 20),
                held,
            )
        )
    return [*parts, *_espeak_parts()]


def _wish(part: Part, seed: int, number: int) -> tuple[str, float, float, float]:
    """Text, and three numbers in 0 .. 1 for rate, pitch and range, of one utterance."""
    random = Random(f"{seed}/{part.voice}/{number}")
    return (
        sentence(random, part.language),
        random.random(),
        random.random(),
        random.random(),
    )


def _speak(part: Part, seed: int, first: int, count: int) -> Iterator[Spoken | None]:
    """Utterances ``first`` to ``first + count`` of a voice, varied in rate and pitch."""
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
    phones = [
        [p.sound, round(p.start_s, 4), round(p.end_s, 4), p.stress]
        for p in spoken.phones
    ]
    phones[-1][2] = round(duration_s, 6)
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


def _fill(
    part: Part, folder: Path, seconds: float, seed: int, trouble: Counter[str]
) -> float:
    """Let one voice speak until it has its share; seconds on disk."""
    home = folder / part.voice
    home.mkdir(parents=True, exist_ok=True)
    done_s, number = 0.0, 0
    while done_s < seconds and number < 20 * seconds:
        path = home / f"{number:05d}.json"
        if path.exists():
            done_s += _read(path).duration_s
            number += 1
            continue
        count = BATCH if part.source == "festival" else 1
        for offset, spoken in enumerate(_tried(part, seed, number, count, trouble)):
            path = home / f"{number + offset:05d}.json"
            if spoken is None or len(spoken.sound) < SHORTEST_S * spoken.sample_rate:
                continue
            if done_s < seconds and not path.exists():
                text = _wish(part, seed, number + offset)[0]
                done_s += _write(part, text, spoken, path)
        number += count
    return done_s


def _tried(
    part: Part, seed: int, first: int, count: int, trouble: Counter[str]
) -> Iterator[Spoken | None]:
    """Utterances, with None for those that hold a symbol nobody knows."""
    try:
        yield from _speak(part, seed, first, count)
    except UnknownSymbol as unknown:
        trouble[f"unknown symbol {unknown}"] += 1


def generate(folder: Path, hours: float, seed: int, only: str | None) -> None:
    """Make what is missing of the plan; prints as it goes, and a table at the end."""
    trouble: Counter[str] = Counter()
    parts = [part for part in plan() if only in (None, part.source)]
    share = hours / PLANNED_HOURS
    for number, part in enumerate(parts, 1):
        try:
            done_s = _fill(part, folder, 60 * part.minutes * share, seed, trouble)
        except MissingVoice as missing:
            trouble[str(missing)] += 1
            continue
        print(f"{number}/{len(parts)} {part.voice}: {done_s / 60:.1f} min", flush=True)
    _report(load(folder), trouble)


def _report(utterances: list[Utterance], trouble: Counter[str]) -> None:
    minutes: Counter[str] = Counter()
    for one in utterances:
        size = one.duration_s / 60
        speaker = "variants" if one.source == "espeak" else one.voice.partition("_")[2]
        minutes[
            f"{one.source:9s} {one.language:6s} {speaker}{' (held)' if one.held else ''}"
        ] += size
    for name, size in sorted(minutes.items()):
        print(f"{size:7.1f} min  {name}")
    held = sum(u.duration_s for u in utterances if u.held) / 60
    print(f"{sum(minutes.values()):7.1f} min in all, {held:.1f} of them held back")
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
