"""Samples with their percentiles, and the conditions under which they were taken."""

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
import torch
from rich.console import Console
from rich.table import Table

from bench.report.budgets import Budget
from bench.report.headline import headline

ROOT = Path(__file__).parents[2]
_PACKAGES = ("livekit", "torch", "uvicorn", "websockets")


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured quantity. ``peer`` says whose it is, when it is not ours."""

    name: str
    unit: str
    samples: Sequence[float]
    budget: Budget | None = None
    peer: str = ""

    def at(self, percent: float) -> float:
        return float(np.percentile(self.samples, percent)) if self.samples else np.nan

    def as_json(self) -> dict[str, Any]:
        percentiles = {f"p{p}": self.at(p) for p in (5, 50, 95, 99)}
        judged = {
            "budget": str(self.budget or ""),
            "met": self.budget.met(self.samples) if self.budget else None,
        }
        return {**asdict(self), **judged, "n": len(self.samples), **percentiles}


@dataclass(slots=True)
class Report:
    """What one scenario measured."""

    scenario: str
    conditions: dict[str, Any] = field(default_factory=dict)
    figures: list[Figure] = field(default_factory=list)
    timeline: dict[str, Any] | None = None  # of one turn, `bench.report.timeline`

    def add(
        self,
        name: str,
        unit: str,
        samples: Sequence[float],
        budget: str = "",
        *,
        peer: str = "",
    ) -> None:
        """``budget`` as `Budget.parse` takes it, or nothing."""
        asked = Budget.parse(budget) if budget else None
        kept = [float(sample) for sample in samples]
        self.figures.append(Figure(name, unit, kept, asked, peer))

    def show(self, console: Console) -> None:
        title = f"bench {self.scenario}"
        table = Table(title=title, title_justify="left", min_width=len(title))
        table.add_column("figure")
        for name in ("N", "p5", "p50", "p95", "p99", "max"):
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("unit", no_wrap=True)
        table.add_column("budget")
        for figure in self.figures:
            numbers = [f"{figure.at(p):.1f}" for p in (5, 50, 95, 99, 100)]
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
    """Hardware, commit and versions."""
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
    told = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False
    )
    return told.stdout.strip() or "unknown"


def write(path: Path, reports: Sequence[Report]) -> None:
    """The headline and all reports, with every sample."""
    told = [report.as_json() for report in reports]
    whole = {"headline": headline(told).as_json(), "reports": told}
    path.write_text(json.dumps(whole, indent=1))


def read(path: Path) -> list[dict[str, Any]]:
    """The reports of what `write` wrote, or once wrote: a list without a headline."""
    saved = json.loads(path.read_text())
    reports: list[dict[str, Any]] = (
        saved if isinstance(saved, list) else saved["reports"]
    )
    return reports
