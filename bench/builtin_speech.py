"""
Scenario ``builtin-speech``: words wrong and processor time of the built-in speech.

The recognizer hears the recordings of people that ``lipsync`` uses, with all their
transcripts. Then each built-in voice says the same transcripts to the recognizer: that
shows that the voices can be understood, and no more.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.probe.stack import Stack
from bench.report.figures import Report
from bench.word_errors import WordErrors, words_of, wrong_words
from conversation.speech.recognizer import MODEL_NAME, Recognizer
from conversation.speech.sound import VOICE_RATE
from conversation.speech.voices import Voice, load_voices
from training.evaluation.lipsync import MAX_S, recordings_of

_SHARE = "of 100 words"
_TIME = "ms of processor per s"


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--folder", type=Path, help="WAV files, each with a .txt (its transcript)"
    )
    parser.add_argument(
        "--most",
        type=float,
        default=MAX_S,
        metavar="S",
        help="maximum duration of all recordings in seconds",
    )
    parser.add_argument(
        "--texts", action="store_true", help="print each text with a wrong word"
    )


@dataclass(slots=True)
class SpeechReport(Report):
    """Report with the pooled figures of each speaker."""

    pooled: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {**Report.as_json(self), "pooled": self.pooled}


@dataclass(frozen=True, slots=True)
class Said:
    """Speech with its words: s16le, mono, 24 kHz."""

    text: str
    pcm: bytes
    processor_s: float = 0.0  # to make it

    @property
    def seconds(self) -> float:
        return len(self.pcm) / 2 / VOICE_RATE


def run(
    args: argparse.Namespace, stack: Stack | None, console: Console
) -> list[Report]:
    folder = recordings_of(args, console)
    people = [Said(clip.text, clip.speech) for clip in folder.clips]
    people += [Said(recording.text, recording.speech) for recording in folder.unaligned]
    people = [said for said in people if words_of(said.text)]
    if not people:
        raise SystemExit(
            "builtin-speech: no recordings with transcripts. Give --folder a folder of"
            " WAV files, each with a .txt beside it."
        )
    if (recognizer := Recognizer.load()) is None:
        raise SystemExit("builtin-speech: pip install 'lite-gateway[speech]' first")
    report = SpeechReport("builtin-speech", _conditions(people))
    table = _table()
    speakers: dict[str, Callable[[], list[Said]]] = {"people": lambda: people}
    for name, voice in load_voices().items():
        speakers[f"voice {name}"] = lambda voice=voice: [  # type: ignore[misc]
            _spoken(voice, said.text) for said in people
        ]
    for name, speak in speakers.items():
        console.print(f"builtin-speech: {name}")
        _measure(
            name, speak(), recognizer, report, table, console if args.texts else None
        )
    report.tables = [table]
    return [report]


def _conditions(people: list[Said]) -> dict[str, Any]:
    return {
        "recognizer": MODEL_NAME,
        "recordings": len(people),
        "seconds": round(sum(said.seconds for said in people), 1),
        "words": sum(len(words_of(said.text)) for said in people),
    }


def _spoken(voice: Voice, text: str) -> Said:
    started_s = time.process_time()
    pcm = b"".join(voice.say(sentence, 1.0).pcm for sentence in voice.sentences(text))
    return Said(text, pcm, time.process_time() - started_s)


def _measure(
    name: str,
    spoken: list[Said],
    recognizer: Recognizer,
    report: SpeechReport,
    table: Table,
    console: Console | None,
) -> None:
    wrong, hearing_ms = [], []
    for said in spoken:
        sound = np.frombuffer(said.pcm, "<i2").astype(np.float32) / np.float32(32768)
        started_s = time.process_time()
        text = recognizer.transcribe(sound, VOICE_RATE)
        hearing_ms.append(1000 * (time.process_time() - started_s) / said.seconds)
        wrong.append(wrong_words(words_of(said.text), words_of(text)))
        if wrong[-1] and console:
            lines = f"{wrong[-1]} wrong\n  said:  {said.text}\n  heard: {text}"
            console.print(lines, markup=False, highlight=False)
    errors = WordErrors(
        tuple(wrong), tuple(len(words_of(said.text)) for said in spoken)
    )
    speaking_ms = [1000 * said.processor_s / said.seconds for said in spoken]
    low, high = errors.interval()
    report.add(f"{name}: words wrong", _SHARE, [errors.percent])
    report.add(f"{name}: recognition", _TIME, hearing_ms)
    if any(speaking_ms):
        report.add(f"{name}: synthesis", _TIME, speaking_ms)
    report.pooled[name] = {
        "wrong": sum(errors.wrong),
        "words": sum(errors.words),
        "percent": [errors.percent, low, high],
    }
    table.add_row(
        name,
        str(len(spoken)),
        f"{sum(errors.wrong)} of {sum(errors.words)}",
        f"{errors.percent:.1f} % [{low:.1f}, {high:.1f}]",
        f"{np.median(hearing_ms):.0f}",
        f"{np.median(speaking_ms):.0f}" if any(speaking_ms) else "",
    )


def _table() -> Table:
    table = Table(title="bench builtin-speech", title_justify="left")
    table.add_column("speaker", no_wrap=True)
    for column in (
        "N",
        "words wrong",
        "[95 %]",
        "recognition, ms/s",
        "synthesis, ms/s",
    ):
        table.add_column(column, justify="right")
    return table
