"""Summary of a run: each budget with its measurement, and the ratios to peers."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.report.budgets import LABELS, Budget
from bench.report.ratios import Ratio, ratios

VERDICTS = {True: "met", False: "missed", None: "not measured"}
_COLOURS = {True: "green", False: "red", None: "dim"}
THIS_SERVER = "this server"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Figure with its budget; ``met`` is None for a label that nothing measured."""

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
    """Verdicts in the order of their labels, and ratios to peers."""

    verdicts: list[Verdict]
    ratios: list[Ratio]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def show(self, console: Console) -> None:
        """Print one table of the budgets and one of the ratios."""
        missed = sum(verdict.met is False for verdict in self.verdicts)
        table = Table(title=f"budgets: {missed} missed", title_justify="left")
        for name in ("", "figure", "scenario"):
            table.add_column(name)
        table.add_column("N", justify="right")
        for name in ("measured", "unit", "budget", ""):
            table.add_column(name)
        for verdict in self.verdicts:
            word = f"[{_COLOURS[verdict.met]}]{VERDICTS[verdict.met]}[/]"
            count = str(verdict.n) if verdict.n else ""
            cells = (count, verdict.measured, verdict.unit, verdict.terms, word)
            table.add_row(verdict.label, verdict.figure, verdict.scenario, *cells)
        console.print(table)
        if self.ratios:
            self._show_ratios(console)

    def _show_ratios(self, console: Console) -> None:
        table = Table(title="compared with peers, same run", title_justify="left")
        for name in ("figure", "system"):
            table.add_column(name)
        for name in ("N", "p50", "p95", "unit", "peer / ours (95 %)"):
            table.add_column(name, justify="right", no_wrap=True)
        units = {ratio.figure: ratio.unit for ratio in self.ratios}
        for figure, system, numbers, ratio in self.sides():
            values = (f"{numbers['p50']:.1f}", f"{numbers['p95']:.1f}")
            count = f"{numbers['n']:.0f}"
            table.add_row(figure, system, count, *values, units[figure], ratio)
        console.print(table)

    def sides(self) -> list[tuple[str, str, dict[str, float], str]]:
        """Return figure, system, its numbers and the ratio in words; ours first."""
        rows: list[tuple[str, str, dict[str, float], str]] = []
        for ratio in self.ratios:
            if not rows or rows[-1][0] != ratio.figure:
                rows.append((ratio.figure, THIS_SERVER, ratio.ours, ""))
            rows.append((ratio.figure, ratio.peer, ratio.theirs, str(ratio)))
        return rows


def summarize(reports: Sequence[dict[str, Any]]) -> Summary:
    """Judge every figure of ``reports``, each of which is a `Report.as_json`."""
    verdicts = [
        _verdict(report["scenario"], figure, Budget.parse(figure["budget"]))
        for report in reports
        for figure in report["figures"]
        if figure["budget"]
    ]
    measured = {verdict.label for verdict in verdicts}
    for label in LABELS.keys() - measured:
        verdicts.append(Verdict(label, "", LABELS[label], "", 0, "", "", None))
    # Budgets without a label come last.
    verdicts.sort(key=lambda verdict: verdict.label or "~")
    to_peers = [ratio for report in reports for ratio in ratios(report["figures"])]
    return Summary(verdicts, to_peers)


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
    """Format a number with one decimal place below 10, and with none above."""
    return f"{value:.1f}" if abs(value) < 10 else f"{value:.0f}"
