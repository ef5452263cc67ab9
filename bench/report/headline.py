"""What a run comes to: each budget with what was measured, and the ratios to peers."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.report.budgets import LABELS, Budget
from bench.report.ratios import Ratio, ratios

WORDS = {True: "met", False: "missed", None: "not measured"}
_COLOURS = {True: "green", False: "red", None: "dim"}
OURS = "this server"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A figure with a budget; ``met`` is None for a label that nothing measured."""

    label: str
    scenario: str
    figure: str
    unit: str
    n: int
    measured: str
    terms: str
    met: bool | None


@dataclass(frozen=True, slots=True)
class Summary:
    verdicts: list[Verdict]  # by label
    ratios: list[Ratio]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def show(self, console: Console) -> None:
        missed = sum(verdict.met is False for verdict in self.verdicts)
        table = Table(title=f"budgets: {missed} missed", title_justify="left")
        for name in ("", "figure", "scenario"):
            table.add_column(name)
        table.add_column("N", justify="right")
        for name in ("measured", "unit", "budget", ""):
            table.add_column(name)
        for each in self.verdicts:
            word = f"[{_COLOURS[each.met]}]{WORDS[each.met]}[/]"
            count = str(each.n) if each.n else ""
            cells = (count, each.measured, each.unit, each.terms, word)
            table.add_row(each.label, each.figure, each.scenario, *cells)
        console.print(table)
        if self.ratios:
            self._show_ratios(console)

    def _show_ratios(self, console: Console) -> None:
        table = Table(title="beside its peers, same run", title_justify="left")
        for name in ("figure", "whose"):
            table.add_column(name)
        for name in ("N", "p50", "p95", "unit", "peer / ours (95 %)"):
            table.add_column(name, justify="right", no_wrap=True)
        for figure, whose, side, ratio in self.sides():
            numbers = (f"{side['p50']:.1f}", f"{side['p95']:.1f}")
            unit = next(each.unit for each in self.ratios if each.figure == figure)
            table.add_row(figure, whose, f"{side['n']:.0f}", *numbers, unit, ratio)
        console.print(table)

    def sides(self) -> list[tuple[str, str, dict[str, float], str]]:
        """Figure, whose it is, its numbers and the ratio in words; ours come first."""
        rows: list[tuple[str, str, dict[str, float], str]] = []
        for each in self.ratios:
            if not rows or rows[-1][0] != each.figure:
                rows.append((each.figure, OURS, each.ours, ""))
            rows.append((each.figure, each.peer, each.theirs, str(each)))
        return rows


def headline(reports: Sequence[dict[str, Any]]) -> Summary:
    """Of what `bench.report.figures.Report.as_json` gives."""
    verdicts = [
        _verdict(report["scenario"], figure, Budget.parse(figure["budget"]))
        for report in reports
        for figure in report["figures"]
        if figure["budget"]
    ]
    measured = {verdict.label for verdict in verdicts}
    for label in LABELS.keys() - measured:
        verdicts.append(Verdict(label, "", LABELS[label], "", 0, "", "", None))
    # What is in no table of DESIGN comes last.
    verdicts.sort(key=lambda verdict: verdict.label or "~")
    beside = [ratio for report in reports for ratio in ratios(report["figures"])]
    return Summary(verdicts, beside)


def _verdict(scenario: str, figure: dict[str, Any], budget: Budget) -> Verdict:
    samples = figure["samples"]
    return Verdict(
        label=budget.label,
        scenario=scenario,
        figure=figure["name"],
        unit=figure["unit"],
        n=len(samples),
        measured=budget.measured(samples),
        terms=budget.terms,
        met=budget.met(samples),
    )


def short(value: float) -> str:
    """One place of decimals where it says something."""
    return f"{value:.1f}" if abs(value) < 10 else f"{value:.0f}"
