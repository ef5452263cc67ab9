"""
``python -m bench lipsync``: score lip sync against recorded speech, beside peers.

Input is recordings of people with transcripts, or synthesised speech held back from
training (`training.evaluation.clips`). Without ``--folder``: a small set of recordings
from Debian and PyPI packages (`training.evaluation.devset`).
`training.evaluation.measures` defines each figure.
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
from lite_gateway.cli.face import parse_lookahead
from lite_gateway.cli.render import find_avatar
from lite_gateway.cli.state import cache_dir
from lite_gateway.config import shipped_avatars
from lite_gateway.drivers import load_driver
from lite_gateway.errors import ConfigError
from renderer.speech.driver import Driver, InvalidFaces
from renderer.speech.lip_driver import LipsDriver
from training.evaluation.alignment import NoAligner, aligned
from training.evaluation.classes import CLASSES, Agreement
from training.evaluation.clips import Clip, read_folder
from training.evaluation.conditions import AS_RECORDED, CONDITIONS, under
from training.evaluation.devset import CannotAssemble, assemble
from training.evaluation.drawing import draw_sheet
from training.evaluation.measures import Verdict, judge
from training.evaluation.npm import HeadAudio, NoPeers, Rhubarb, install
from training.evaluation.systems import Loudness, Oracle, Streamed, System

_LOUDNESS_AHEAD_MS = 40
_HEADAUDIO_AHEAD_MS = (0, 80)
_MOST_S = 600.0
_SHARE = "of 100"  # `bench compare` takes no side on this unit: more is better


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
        help="a driver of your own, besides the one built in; may be given again",
    )
    parser.add_argument("--lookahead", default="0,40,80,120", metavar="MS,MS")
    parser.add_argument(
        "--most", type=float, default=_MOST_S, metavar="S", help="of sound, at most"
    )
    parser.add_argument(
        "--under",
        default=AS_RECORDED,
        metavar="CONDITION,CONDITION",
        help=f"what befalls the voices first; all, or some of {', '.join(CONDITIONS)}",
    )
    parser.add_argument("--no-peers", action="store_true", help="drivers only")
    parser.add_argument(
        "--sheet",
        type=Path,
        metavar="PNG",
        help="draw one clip on a time line instead: the last driver, at the last "
        "look-ahead",
    )
    parser.add_argument("--clip", help="for --sheet: which; the first one otherwise")
    parser.add_argument("--avatar", default="leo", help="for --sheet: whose face")


@dataclass(slots=True)
class LipsReport(Report):
    """Shown as a row a driver, as nobody reads a hundred figures one under another."""

    tables: list[Table] = field(default_factory=list)
    pooled: dict[str, Any] = field(default_factory=dict)  # by driver, over all clips

    def as_json(self) -> dict[str, Any]:
        return {**Report.as_json(self), "pooled": self.pooled}

    def show(self, console: Console) -> None:
        for table in self.tables:
            console.print(table)


def run(
    given: argparse.Namespace, stack: Stack | None, console: Console
) -> list[Report]:
    conditions = _conditions_of(given)
    clips, left_out = clips_of(given, console)
    for name, why in sorted(left_out.items()):
        console.print(f"left out {name}: {why}", markup=False, highlight=False)
    if not clips:
        raise SystemExit(
            "lipsync: no clips; --folder names one with WAV files, each with a .txt "
            "(its transcript) or a .json (its phones) beside it"
        )
    if given.sheet:
        _draw(given, clips, console)
        return []
    report = LipsReport("lipsync", _conditions(clips, left_out, given))
    verdicts: dict[str, Verdict] = {}
    performers = _performers(given, console)
    for condition in conditions:
        heard = [under(clip, condition) for clip in clips]
        for performer in performers:
            if isinstance(performer, Oracle) and condition != AS_RECORDED:
                continue  # it hears nothing
            name = _named(performer, condition)
            console.print(f"lipsync: {name}")
            try:
                tracks = [performer.perform(clip) for clip in heard]
            except (NoPeers, InvalidFaces) as failed:
                console.print(f"left out {name}: {failed}", markup=False)
                continue
            verdicts[name] = judge(heard, tracks)
            _add(report, name, verdicts[name])
    report.pooled = {name: _pooled(each) for name, each in verdicts.items()}
    report.tables = _tables(verdicts)
    return [report]


def _conditions_of(given: argparse.Namespace) -> list[str]:
    wanted = list(CONDITIONS) if given.under == "all" else given.under.split(",")
    if unknown := [each for each in wanted if each not in CONDITIONS]:
        known = ", ".join(CONDITIONS)
        raise SystemExit(f"--under {unknown[0]}: is not one of all, {known}")
    return wanted


def _named(performer: System, condition: str) -> str:
    if condition == AS_RECORDED:
        return performer.name
    return f"{performer.name}, {condition}"


def clips_of(
    given: argparse.Namespace, console: Console
) -> tuple[list[Clip], dict[str, str]]:
    """
    Clips with the times of their phones, and what was left out and why.

    Without the aligner there is no measuring: `SystemExit`.
    """
    cache = cache_dir(dict(os.environ)) / "lips"
    folder = given.folder or cache / "people"
    if not given.folder and not any(folder.glob("*.wav")):
        console.print(f"fetching recordings of people into {folder}, once: 60 MB")
        try:
            assemble(folder)
        except CannotAssemble as failed:
            return [], {"recordings of people": str(failed)}
    found = read_folder(folder, given.most)
    try:
        heard, unheard = aligned(found.unaligned, cache, console)
    except NoAligner as missing:
        raise SystemExit(f"lipsync: {missing}") from None
    clips = sorted([*found.clips, *heard], key=lambda clip: clip.name)
    return clips, found.left_out | unheard


def _draw(given: argparse.Namespace, clips: list[Clip], console: Console) -> None:
    named = {clip.name: clip for clip in clips}
    if (name := given.clip or clips[0].name) not in named:
        raise SystemExit(f"--clip is one of {', '.join(named)}")
    performer = _drivers(given)[-1]
    try:
        track = performer.perform(named[name])
    except InvalidFaces as wrong:
        raise SystemExit(f"lipsync: {wrong}") from None
    avatar = find_avatar(shipped_avatars(), given.avatar)
    draw_sheet(given.sheet, named[name], track, avatar, performer.name)
    console.print(f"{given.sheet}: {name}, {performer.name}", markup=False)


def _performers(given: argparse.Namespace, console: Console) -> list[System]:
    loudness = Streamed("loudness", Loudness(), _LOUDNESS_AHEAD_MS)
    return [*_drivers(given), loudness, *_peers(given, console), Oracle()]


def _drivers(given: argparse.Namespace) -> list[System]:
    """Each driver at each look-ahead."""
    try:
        ahead = [parse_lookahead(each) for each in given.lookahead.split(",")]
    except argparse.ArgumentTypeError as wrong:
        raise SystemExit(f"--lookahead: {wrong}") from None
    drivers: list[tuple[str, Driver]] = [("built in", LipsDriver())]
    for name in given.driver:
        try:
            driver = load_driver(name)
        except ConfigError as wrong:
            raise SystemExit(f"--driver {name}: {wrong}") from None
        assert driver is not None
        drivers.append((name, driver))
    return [
        Streamed(f"{name}, {each} ms", driver, each)
        for name, driver in drivers
        for each in ahead
    ]


def _peers(given: argparse.Namespace, console: Console) -> list[System]:
    if given.no_peers:
        return []
    try:
        folder = install(cache_dir(dict(os.environ)) / "lips", console)
    except NoPeers as missing:
        console.print(f"left out Rhubarb and HeadAudio: {missing}", markup=False)
        return []
    heard = [HeadAudio(folder, each) for each in _HEADAUDIO_AHEAD_MS]
    return [*heard, Rhubarb(folder, told=False), Rhubarb(folder, told=True)]


def _conditions(
    clips: list[Clip], left_out: dict[str, str], given: argparse.Namespace
) -> dict[str, Any]:
    return {
        "folder": given.folder.name if given.folder else "people",
        "clips": len(clips),
        "seconds": round(sum(clip.seconds for clip in clips), 1),
        "left_out": left_out,
    }


def _add(report: Report, name: str, verdict: Verdict) -> None:
    """Every sample: one a clip, or the pooled figure where a clip has too little."""

    def share(figure: str, samples: list[float]) -> None:
        report.add(f"{name}: {figure}", _SHARE, [100 * sample for sample in samples])

    share("closures seen", verdict.recalls)
    share("false closures on open vowels", [verdict.false])
    share("closure by chance", [verdict.chance])
    share("opening, correlation in speech", verdict.correlations)
    share("rounding, area under the curve", [verdict.rounding])
    share("six mouths, F1, fixed", [verdict.fixed.macro()])
    share("six mouths, F1, fitted", [verdict.fitted.macro()])
    share("six mouths, F1 by phone, fitted", [verdict.phones.macro()])
    share("motion in silence", [verdict.motion])
    share("opening in silence", [verdict.opening])
    share("jerk against the reference", [verdict.jerk])
    report.add(f"{name}: lips after sound", "ms after", verdict.offsets_ms)


def _pooled(verdict: Verdict) -> dict[str, Any]:
    return {
        "recall": verdict.recall,
        "false": verdict.false,
        "chance": verdict.chance,
        "skill": verdict.skill,
        "correlation": verdict.correlation,
        "correlation_speech": verdict.correlation_speech,
        "correlation_aligned": verdict.correlation_aligned,
        "rounding": verdict.rounding,
        "motion": verdict.motion,
        "opening": verdict.opening,
        "jerk": verdict.jerk,
        "f1_fixed": [verdict.fixed.macro(), *verdict.fixed.interval()],
        "f1_fitted": [verdict.fitted.macro(), *verdict.fitted.interval()],
        "f1_phones": [verdict.phones.macro(), *verdict.phones.interval()],
        "f1_by_class": dict(zip(CLASSES, verdict.fitted.by_class(), strict=True)),
    }


def _tables(verdicts: dict[str, Verdict]) -> list[Table]:
    """Closures and opening; the six mouths; time and stillness."""
    lips = _headed(
        "P, B, M and the opening",
        *("seen", "false", "by chance", "skill", "P", "B", "M"),
        *("opening r", "in speech", "without lag"),
    )
    mouths = _headed(
        "rounding and the six mouths, F1 [95 %]",
        *("rounding AUC", "fixed", "fitted", "by phone"),
    )
    each = _headed("F1 of each mouth, fixed / fitted", *CLASSES)
    times = _headed(
        "time and stillness",
        *("lips after sound, ms (IQR)", "motion in silence", "opening", "jerk"),
    )
    for name, v in verdicts.items():
        shares = (v.recall, v.false, v.chance, v.skill, *map(v.recall_of, "PBM"))
        fits = (v.correlation, v.correlation_speech, v.correlation_aligned)
        lips.add_row(name, *map(_two_digits, (*shares, *fits)))
        agreements = map(_with_interval, (v.fixed, v.fitted, v.phones))
        mouths.add_row(name, _two_digits(v.rounding), *agreements)
        pairs = zip(v.fixed.by_class(), v.fitted.by_class(), strict=True)
        each.add_row(name, *(f"{fixed:.2f} / {fitted:.2f}" for fixed, fitted in pairs))
        low, middle, high = _quartiles(v.offsets_ms)
        still = map(_two_digits, (v.motion, v.opening, v.jerk))
        times.add_row(name, f"{middle:+.0f} ({low:+.0f}..{high:+.0f})", *still)
    return [lips, mouths, each, times]


def _headed(title: str, *columns: str) -> Table:
    table = Table(title=f"bench lipsync: {title}", title_justify="left")
    table.add_column("driver", no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _two_digits(value: float) -> str:
    return f"{value:.2f}"


def _with_interval(agreement: Agreement) -> str:
    low, high = agreement.interval()
    return f"{agreement.macro():.2f} [{low:.2f}, {high:.2f}]"


def _quartiles(samples: list[float]) -> tuple[float, float, float]:
    if not samples:
        return (float("nan"),) * 3
    low, middle, high = np.percentile(samples, [25, 50, 75])
    return float(low), float(middle), float(high)
