"""Figures: samples with percentiles, and the conditions of their measurement."""

import datetime
import json
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.report.budgets import Budget
from bench.report.summary import summarize
from lite_gateway.errors import GatewayError

ROOT = Path(__file__).parents[2]
_PLACES = {"core-ms": 2}  # decimal places in the table, by unit; else 1
_PACKAGES = ("livekit", "torch", "uvicorn", "websockets")


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured quantity; ``peer`` names the system if it is not this server."""

    name: str
    unit: str
    samples: Sequence[float]
    budget: Budget | None = None
    peer: str = ""

    def at(self, percent: float) -> float:
        """Return a percentile; NaN without samples."""
        return float(np.percentile(self.samples, percent)) if self.samples else np.nan

    def as_json(self) -> dict[str, Any]:
        percentiles = {f"p{p}": self.at(p) for p in (5, 50, 95, 99)}
        verdict = {
            "budget": str(self.budget or ""),
            "met": self.budget.met(self.samples) if self.budget else None,
        }
        return {**asdict(self), **verdict, "n": len(self.samples), **percentiles}


@dataclass(slots=True)
class Report:
    """Result of one scenario: its conditions and figures."""

    scenario: str
    conditions: dict[str, Any] = field(default_factory=dict)
    figures: list[Figure] = field(default_factory=list)
    timeline: dict[str, Any] | None = None  # one turn, from `bench.report.timeline`
    tables: list[Table] = field(default_factory=list)  # shown in place of the figures

    def add(
        self,
        name: str,
        unit: str,
        samples: Sequence[float],
        budget: str = "",
        *,
        peer: str = "",
    ) -> None:
        """Add a figure; ``budget`` is text for `Budget.parse`, or empty."""
        parsed = Budget.parse(budget) if budget else None
        values = [float(sample) for sample in samples]
        self.figures.append(Figure(name, unit, values, parsed, peer))

    def show(self, console: Console) -> None:
        """Print the report's own tables, or the figures as one."""
        for own in self.tables:
            console.print(own)
        if self.tables:
            return
        title = f"bench {self.scenario}"
        table = Table(title=title, title_justify="left", min_width=len(title))
        table.add_column("figure")
        for name in ("N", "p5", "p50", "p95", "p99", "max"):
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("unit", no_wrap=True)
        table.add_column("budget")
        for figure in self.figures:
            places = _PLACES.get(figure.unit, 1)
            numbers = [f"{figure.at(p):.{places}f}" for p in (5, 50, 95, 99, 100)]
            count = str(len(figure.samples))
            name = f"{figure.name}, {figure.peer}" if figure.peer else figure.name
            table.add_row(name, count, *numbers, figure.unit, str(figure.budget or ""))
        console.print(table)

    def as_json(self) -> dict[str, Any]:
        return {
            "scenario": self.scenario,
            "machine": machine(),
            "conditions": self.conditions,
            "figures": [figure.as_json() for figure in self.figures],
            "timeline": self.timeline,
        }


def machine() -> dict[str, Any]:
    """Return hardware, commit and versions of this machine."""
    import torch  # takes seconds, for which --help does not wait

    return {
        "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        "commit": _commit(),
        "versions": {name: version(name) for name in _PACKAGES},
    }


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    result = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False
    )
    return result.stdout.strip() or "unknown"


class NoSavedRun(GatewayError):
    """File that is not the JSON of a run; the text says why and what to do."""

    def __init__(self, path: Path, problem: str | None) -> None:
        super().__init__(
            f"{path} cannot be read ({problem}): name a file that --json has written"
        )


def write(path: Path, reports: Sequence[Report]) -> None:
    """Write the summary and all reports, with every sample, as JSON."""
    as_json = [report.as_json() for report in reports]
    content = {"headline": summarize(as_json).as_json(), "reports": as_json}
    path.write_text(json.dumps(content, indent=1))


def read(path: Path) -> list[dict[str, Any]]:
    """
    Return the reports of a file of `write`; older files are a list of reports.

    Raises `NoSavedRun`.
    """
    try:
        saved = json.loads(path.read_bytes())
        reports: list[dict[str, Any]] = (
            saved if isinstance(saved, list) else saved["reports"]
        )
    except OSError as error:
        raise NoSavedRun(path, error.strerror) from None
    except (ValueError, KeyError, TypeError):
        raise NoSavedRun(path, "it has no reports of a run") from None
    return reports
