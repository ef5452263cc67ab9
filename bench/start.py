"""
Scenario ``start``: what a start costs until the gateway is ready.

Each start has a new database and measures the capacity; the agent process of
conversations is off. The first start is not counted: it compiles the modules. With
``--against FOLDER`` the gateway of another checkout is started in turns, with the
libraries of this one. On a machine that is busy with other work, trust the ratio of
processor times.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
from rich.console import Console

from bench.probe.stack import ROOT, Stack, running_gateway
from bench.report.figures import Report
from lite_gateway.devserver.process import LiveKit

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Start:
    """One start, until ``/ready`` answered 200."""

    processor_ms: float  # of all threads
    elapsed_ms: float
    resident_mib: float


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--times", type=int, default=5, help="starts (default: %(default)s)"
    )
    parser.add_argument(
        "--against",
        type=Path,
        metavar="FOLDER",
        help="another checkout, whose gateway is started in turns",
    )


def run(args: argparse.Namespace, stack: Stack, console: Console) -> list[Report]:
    folders = {"": ROOT} | ({"other": args.against} if args.against else {})
    starts: dict[str, list[Start]] = {name: [] for name in folders}
    with tempfile.TemporaryDirectory() as temporary:
        for number in range(args.times + 1):
            console.print(f"start: {number} of {args.times}")
            for name in _in_turns(list(folders), number):
                log = Path(temporary) / f"{name or 'own'}-{number}.log"
                start = measure(stack.livekit, folders[name], log)
                starts[name] += [start] if number else []
    report = Report("start", {"times": args.times})
    for name, measured in starts.items():
        for what, unit, values in _figures(measured):
            report.add(what, unit, values, peer=name)
    if args.against:
        pairs = zip(starts["other"], starts[""], strict=True)
        ratios = [other.processor_ms / own.processor_ms for other, own in pairs]
        report.add("processor time, other / this", "x", ratios)
    return [report]


def measure(livekit: LiveKit, folder: Path, log_path: Path) -> Start:
    """Start the gateway of a checkout, and stop it when it is ready."""
    began_s = time.monotonic()
    with running_gateway(
        livekit.url, livekit.key, livekit.secret, log_path, folder=folder,
        LITE_MAX_SESSIONS="auto",
        PYTHONDONTWRITEBYTECODE="",  # users' installations have bytecode
    ) as gateway:  # fmt: skip
        elapsed_ms = 1000 * (time.monotonic() - began_s)
        process = psutil.Process(gateway.pid)
        times = process.cpu_times()
        resident_mib = process.memory_info().rss / _MIB
    return Start(1000 * (times.user + times.system), elapsed_ms, resident_mib)


def _in_turns(names: list[str], number: int) -> list[str]:
    return names if number % 2 else names[::-1]


def _figures(starts: list[Start]) -> Iterator[tuple[str, str, list[float]]]:
    yield "processor time", "ms", [start.processor_ms for start in starts]
    yield "started → ready", "ms", [start.elapsed_ms for start in starts]
    yield "memory when ready", "MB", [start.resident_mib for start in starts]
