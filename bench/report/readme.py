"""``bench readme OUT.json``: the tables of README, in Markdown, of a run's figures."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.report.figures import read
from bench.report.headline import OURS, WORDS, Summary, Verdict, headline, short


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("saved", type=Path, help="what --json wrote")


def run(given: argparse.Namespace) -> None:
    print(markdown(read(given.saved)))


def markdown(reports: list[dict[str, Any]]) -> str:
    """One line of conditions, the budgets, and the ratios to peers."""
    whole = headline(reports)
    by_name = {
        (report["scenario"], figure["name"]): figure
        for report in reports
        for figure in report["figures"]
    }
    lines = [_about(reports[0]["machine"]), "", *_budgets(whole, by_name)]
    if whole.ratios:
        lines += ["", *_beside(whole)]
    return "\n".join(lines)


def _about(machine: dict[str, Any]) -> str:
    gpu = machine["gpu"] or "no GPU"
    return (
        f"Measured {machine['at'][:10]} on {machine['cores']} cores of a "
        f"{machine['cpu']}, {gpu}, commit {machine['commit']}."
    )


def _budgets(
    whole: Summary, by_name: dict[tuple[str, str], dict[str, Any]]
) -> Iterator[str]:
    """Each figure under the first of the conditions that it was taken in."""
    yield "| | figure | taken in | N | p50 | p95 | budget | |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    seen: set[tuple[str, str]] = set()
    for each in whole.verdicts:
        if not each.n or (each.label, each.figure) in seen:
            continue
        seen.add((each.label, each.figure))
        yield _budget(each, by_name[each.scenario, each.figure])


def _budget(each: Verdict, figure: dict[str, Any]) -> str:
    unit = f" {each.unit}" if each.unit else ""
    numbers = [f"{short(figure[p])}{unit}" for p in ("p50", "p95")]
    if "p5 " in each.measured and "p5" in figure:  # a range is judged at both ends
        numbers[1] += f" (p5 {short(figure['p5'])})"
    terms = f"{each.terms}{unit}"
    cells = (each.label, each.figure, each.scenario, str(each.n), *numbers, terms)
    return f"| {' | '.join(cells)} | {WORDS[each.met]} |"


def _beside(whole: Summary) -> Iterator[str]:
    yield "| in the same run | whose | N | p50 | p95 | peer / ours (95 %) |"
    yield "| --- | --- | --- | --- | --- | --- |"
    unit = whole.ratios[0].unit
    for figure, whose, side, ratio in whole.sides():
        name = f"**{whose}**" if whose == OURS else whose
        numbers = " | ".join(f"{short(side[p])} {unit}" for p in ("p50", "p95"))
        yield f"| {figure} | {name} | {side['n']:.0f} | {numbers} | {ratio} |"
