"""``bench compare A.json B.json``: what got worse, as a ratio with its interval."""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

_RESAMPLED = 2000
_FEWEST = 5  # samples, below which an interval means nothing
_WORSE = 1.05


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)


def run(given: argparse.Namespace, console: Console) -> int:
    """A table of the ratios of medians; 1 when one is worse beyond doubt."""
    before, after = (_figures(path) for path in (given.before, given.after))
    table = Table("scenario", "figure", "before", "after", "ratio", "95 %", "")
    worse = 0
    for key in before.keys() & after.keys():
        old, new = before[key], after[key]
        low, high = interval(old["samples"], new["samples"])
        ratio = new["p50"] / old["p50"] if old["p50"] else float("nan")
        verdict = "worse" if low > _WORSE else "better" if high < 1 / _WORSE else ""
        worse += verdict == "worse"
        numbers = (f"{old['p50']:.1f}", f"{new['p50']:.1f}", f"{ratio:.2f}")
        table.add_row(*key, *numbers, f"{low:.2f} … {high:.2f}", verdict)
    console.print(table)
    return int(worse > 0)


def interval(old: list[float], new: list[float]) -> tuple[float, float]:
    """95 % bootstrap interval of the ratio of medians, new over old."""
    if min(len(old), len(new)) < _FEWEST:
        return 0.0, float("inf")
    chance = np.random.default_rng(1)
    medians = [
        np.median(chance.choice(samples, (_RESAMPLED, len(samples))), axis=1)
        for samples in (np.array(old), np.array(new))
    ]
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = np.nanpercentile(medians[1] / medians[0], [2.5, 97.5])
    return float(low), float(high)


def _figures(path: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """Times and sizes only: of those, less is better."""
    return {
        (report["scenario"], figure["name"]): figure
        for report in json.loads(path.read_text())
        for figure in report["figures"]
        if figure["unit"] in ("ms", "µs", "MB", "%", "cores")
    }
