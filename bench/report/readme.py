"""Command ``bench readme``: print the tables of README.md from a saved run."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.report.figures import read
from bench.report.summary import (
    THIS_SERVER,
    VERDICTS,
    Summary,
    Verdict,
    short,
    summarize,
)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("saved", type=Path, metavar="OUT.json", help="from --json")


def run(args: argparse.Namespace) -> None:
    print(markdown(read(args.saved)))


def markdown(reports: list[dict[str, Any]]) -> str:
    """Return the conditions in one line, the budgets, and the ratios to peers."""
    summary = summarize(reports)
    by_name = {
        (report["scenario"], figure["name"]): figure
        for report in reports
        for figure in report["figures"]
    }
    lines = [_machine(reports[0]["machine"]), "", *_budgets(summary, by_name)]
    if summary.ratios:
        lines += ["", *_peers(summary)]
    return "\n".join(lines)


def _machine(machine: dict[str, Any]) -> str:
    gpu = machine["gpu"] or "no GPU"
    return (
        f"Measured {machine['at'][:10]} on {machine['cores']} cores of a "
        f"{machine['cpu']}, {gpu}, commit {machine['commit']}."
    )


def _budgets(
    summary: Summary, by_name: dict[tuple[str, str], dict[str, Any]]
) -> Iterator[str]:
    """Yield the table of budgets; of several conditions only the first is listed."""
    yield "| | figure | scenario | N | p50 | p95 | budget | |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    seen: set[tuple[str, str]] = set()
    for verdict in summary.verdicts:
        if not verdict.n or (verdict.label, verdict.figure) in seen:
            continue
        seen.add((verdict.label, verdict.figure))
        yield _budget(verdict, by_name[verdict.scenario, verdict.figure])


def _budget(verdict: Verdict, figure: dict[str, Any]) -> str:
    unit = f" {verdict.unit}" if verdict.unit else ""
    numbers = [f"{short(figure[p])}{unit}" for p in ("p50", "p95")]
    if "p5 " in verdict.measured and "p5" in figure:  # a range is judged at both ends
        numbers[1] += f" (p5 {short(figure['p5'])})"
    cells = (
        *(verdict.label, verdict.figure, verdict.scenario, str(verdict.n)),
        *numbers,
        f"{verdict.terms}{unit}",
    )
    return f"| {' | '.join(cells)} | {VERDICTS[verdict.met]} |"


def _peers(summary: Summary) -> Iterator[str]:
    yield "| figure, same run | system | N | p50 | p95 | peer / ours (95 %) |"
    yield "| --- | --- | --- | --- | --- | --- |"
    unit = summary.ratios[0].unit
    for figure, system, numbers, ratio in summary.sides():
        name = f"**{system}**" if system == THIS_SERVER else system
        values = " | ".join(f"{short(numbers[p])} {unit}" for p in ("p50", "p95"))
        yield f"| {figure} | {name} | {numbers['n']:.0f} | {values} | {ratio} |"
