"""``bench compare A.json B.json``: what got worse, as a ratio with its interval."""

import argparse
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.report.figures import read
from bench.report.ratios import interval

_WORSE = 1.05
_LESS_IS_BETTER = ("ms", "µs", "MB", "%", "cores")

Key = tuple[str, str, str]  # scenario, figure, whose
Saved = dict[str, Any]


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)


def run(given: argparse.Namespace, console: Console) -> int:
    """
    A table of the ratios of medians; 1 when a figure of ours is worse beyond doubt, or
    a budget that was met is missed.
    """
    before, after = (_figures(path) for path in (given.before, given.after))
    table = Table("scenario", "figure", "before", "after", "ratio", "95 %", "")
    worse = 0
    # In the order of the newer file; what only the older one has comes last.
    for key in (*after, *(key for key in before if key not in after)):
        scenario, name, peer = key
        old, new = before.get(key), after.get(key)
        cells, verdict = _judged(old, new, ours=not peer)
        worse += verdict in ("worse", "budget missed")
        table.add_row(scenario, f"{name}, {peer}" if peer else name, *cells, verdict)
    console.print(table)
    return int(worse > 0)


def _judged(
    old: Saved | None, new: Saved | None, *, ours: bool
) -> tuple[tuple[str, str, str, str], str]:
    """Before, after, ratio and interval, and what to think of it."""
    medians = [f"{side['p50']:.1f}" if side else "" for side in (old, new)]
    plain = (medians[0], medians[1], "", "")
    if old is None or new is None:
        return plain, "only after" if old is None else "only before"
    missed = ours and old.get("met") is True and new.get("met") is False
    if not _is_ratio(old, new):
        return plain, "budget missed" if missed else ""
    low, high = interval(old["samples"], new["samples"])
    cells = (*medians, f"{new['p50'] / old['p50']:.2f}", f"{low:.2f} … {high:.2f}")
    verdict = "worse" if low > _WORSE else "better" if high < 1 / _WORSE else ""
    if missed:
        verdict = "budget missed"
    return (cells[0], cells[1], cells[2], cells[3]), verdict if ours else ""


def _is_ratio(old: Saved, new: Saved) -> bool:
    """Times and sizes only, of those less is better; not what may be negative."""
    samples = [*old["samples"], *new["samples"]]
    sized = new["unit"] in _LESS_IS_BETTER and min(samples, default=-1.0) >= 0
    return bool(sized and old["p50"] > 0)


def _figures(path: Path) -> dict[Key, Saved]:
    return {
        (report["scenario"], figure["name"], figure.get("peer", "")): figure
        for report in read(path)
        for figure in report["figures"]
    }
