"""Scenario ``protocol``: time to decode and encode WebSocket messages, by size."""

import argparse
import time
from collections.abc import Callable

from rich.console import Console

from bench.probe.stack import Stack
from bench.report.figures import Report
from protocol.lite.codec import decode, encode, encode_command
from protocol.lite.messages import Speak, SpeakInterrupted

_SIZES_S = (0.02, 0.1, 1.0, 10.0)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--times",
        type=int,
        default=2000,
        help="repetitions of each size (default: %(default)s)",
    )


def run(
    args: argparse.Namespace, stack: Stack | None, console: Console
) -> list[Report]:
    report = Report("protocol")
    for seconds in _SIZES_S:
        wire = encode_command(Speak(bytes(range(240)) * round(200 * seconds), "id"))
        budget = "≤ 150" if seconds == 1.0 else ""
        report.add(
            f"agent.speak of {seconds} s, decoded",
            "µs",
            _durations(lambda wire=wire: decode(wire), args.times),  # type: ignore[misc]
            budget,
        )
    event = SpeakInterrupted("utterance", "task", 1234)
    report.add("an event, encoded", "µs", _durations(lambda: encode(event), args.times))
    return [report]


def _durations(work: Callable[[], object], times: int) -> list[float]:
    """Return the duration of each call in µs."""
    durations = []
    for _ in range(times):
        started_s = time.perf_counter()
        work()
        durations.append(1e6 * (time.perf_counter() - started_s))
    return durations
