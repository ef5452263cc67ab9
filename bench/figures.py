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

ROOT = Path(__file__).parents[1]
_PACKAGES = ("livekit", "torch", "uvicorn", "websockets")


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured quantity. ``budget`` is what DESIGN asks of it, in words."""

    name: str
    unit: str
    samples: Sequence[float]
    budget: str = ""

    def at(self, percent: float) -> float:
        return float(np.percentile(self.samples, percent)) if self.samples else np.nan

    def as_json(self) -> dict[str, Any]:
        percentiles = {f"p{p}": self.at(p) for p in (50, 95, 99)}
        return {**asdict(self), "n": len(self.samples), **percentiles}


@dataclass(slots=True)
class Report:
    """What one scenario measured."""

    scenario: str
    conditions: dict[str, Any] = field(default_factory=dict)
    figures: list[Figure] = field(default_factory=list)

    def add(
        self, name: str, unit: str, samples: Sequence[float], budget: str = ""
    ) -> None:
        self.figures.append(Figure(name, unit, [float(s) for s in samples], budget))

    def show(self, console: Console) -> None:
        title = f"bench {self.scenario}"
        table = Table(title=title, title_justify="left", min_width=len(title))
        table.add_column("figure", no_wrap=True)
        for name in ("N", "p50", "p95", "p99", "max"):
            table.add_column(name, justify="right")
        table.add_column("unit")
        table.add_column("budget")
        for figure in self.figures:
            numbers = [f"{figure.at(p):.1f}" for p in (50, 95, 99, 100)]
            count = str(len(figure.samples))
            table.add_row(figure.name, count, *numbers, figure.unit, figure.budget)
        console.print(table)

    def as_json(self) -> dict[str, Any]:
        return {
            "scenario": self.scenario,
            "machine": machine(),
            "conditions": self.conditions,
            "figures": [figure.as_json() for figure in self.figures],
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
    """All reports as one JSON list."""
    path.write_text(json.dumps([report.as_json() for report in reports], indent=1))
