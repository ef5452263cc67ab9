"""
Command ``bench compare``: compare two runs, and fail if one got worse.

Each figure gets the ratio of its medians with the 95 % interval of that ratio.
"""

import argparse
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.report.figures import read
from bench.report.ratios import interval

_TOLERANCE = 1.05  # a ratio beyond it, with its whole interval, is better or worse
_LESS_IS_BETTER = ("ms", "µs", "MB", "%", "cores")

Key = tuple[str, str, str]  # scenario, figure, peer
Saved = dict[str, Any]


def add_options(parser: argparse.ArgumentParser) -> None:
    for name in ("before", "after"):
        parser.add_argument(
            name,
            type=Path,
            metavar=f"{name.upper()}.json",
            help="from --json",
        )


def run(args: argparse.Namespace, console: Console) -> int:
    """
    Print a table of the ratios of medians and return the exit status.

    The status is 1 if the whole interval of one of our figures lies beyond 1.05, or if
    a budget that was met before is missed now.
    """
    before, after = _figures(args.before), _figures(args.after)
    table = Table("scenario", "figure", "before", "after", "ratio", "95 %", "")
    worse = 0
    # In the order of the newer file; figures that only the older one has come last.
    for key in (*after, *(key for key in before if key not in after)):
        scenario, name, peer = key
        cells, verdict = _judge(before.get(key), after.get(key), ours=not peer)
        worse += verdict in ("worse", "budget missed")
        table.add_row(scenario, f"{name}, {peer}" if peer else name, *cells, verdict)
    console.print(table)
    return int(worse > 0)


def _judge(
    old: Saved | None, new: Saved | None, *, ours: bool
) -> tuple[tuple[str, str, str, str], str]:
    """Return the cells before, after, ratio and interval, and the verdict."""
    medians = [f"{side['p50']:.1f}" if side else "" for side in (old, new)]
    without_ratio = (medians[0], medians[1], "", "")
    if old is None or new is None:
        return without_ratio, "only after" if old is None else "only before"
    missed = ours and old.get("met") is True and new.get("met") is False
    if not _has_ratio(old, new):
        return without_ratio, "budget missed" if missed else ""
    low, high = interval(old["samples"], new["samples"])
    ratio = f"{new['p50'] / old['p50']:.2f}"
    cells = (medians[0], medians[1], ratio, f"{low:.2f} … {high:.2f}")
    verdict = "worse" if low > _TOLERANCE else "better" if high < 1 / _TOLERANCE else ""
    if missed:
        verdict = "budget missed"
    return cells, verdict if ours else ""


def _has_ratio(old: Saved, new: Saved) -> bool:
    """Return whether a ratio means something: units where less is better, and > 0."""
    samples = [*old["samples"], *new["samples"]]
    sized = new["unit"] in _LESS_IS_BETTER and min(samples, default=-1.0) >= 0
    return bool(sized and old["p50"] > 0)


def _figures(path: Path) -> dict[Key, Saved]:
    return {
        (report["scenario"], figure["name"], figure.get("peer", "")): figure
        for report in read(path)
        for figure in report["figures"]
    }
