"""``python -m bench SCENARIO [--json FILE]``, or ``all``; ``compare``; ``readme``."""

import argparse
import contextlib
import os
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import (
    browser,
    capacity,
    interrupt,
    latency,
    lips_in_room,
    protocol,
    render,
    sidebyside,
    soak,
)
from bench.peers import batching, stock_runner, voice
from bench.probe.stack import Stack, running_stack
from bench.report import compare, readme
from bench.report.figures import Report, write
from bench.report.headline import headline
from bench.report.page import page
from lite_gateway.cli.state import cache_dir
from training.evaluation import lipsync

SCENARIOS: dict[str, Any] = {
    "latency": latency,
    "lips-in-room": lips_in_room,
    "interrupt": interrupt,
    "browser": browser,
    "side-by-side": sidebyside,
    "voice": voice,
    "stock-runner": stock_runner,
    "batching": batching,
    "capacity": capacity,
    "soak": soak,
    "render": render,
    "protocol": protocol,
    "lipsync": lipsync,
}
ALONE = ("render", "protocol", "lipsync")  # need neither a gateway nor LiveKit
# Not of `all`: it has the first three side by side with us, and lips are not time.
APART = ("voice", "stock-runner", "batching", "lipsync")
# How long each takes at its defaults, on two cores.
EXPECTED_S = {
    "latency": 105,
    "lips-in-room": 45,
    "interrupt": 100,
    "browser": 45,
    "side-by-side": 170,
    "capacity": 45,
    "soak": 35,
    "render": 30,
    "protocol": 2,
}
WIDTH = 120  # of a log, where there is no terminal to ask


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    commands = parser.add_subparsers(dest="scenario", required=True)
    for name, scenario in (*SCENARIOS.items(), ("all", None)):
        about = "each of them at its defaults, and what they come to"
        if scenario:
            about = scenario.__doc__.strip().partition("\n")[0]
        command = commands.add_parser(name, help=about)
        command.add_argument("--json", type=Path, help="write every sample here too")
        command.add_argument("--html", type=Path, help="and a page with plots here")
        if scenario:
            scenario.add_options(command)
    for name, tool in (("compare", compare), ("readme", readme)):
        tool.add_options(commands.add_parser(name, help=tool.__doc__))
    given = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    match given.scenario:
        case "compare":
            sys.exit(compare.run(given, console))
        case "readme":
            readme.run(given)
        case _:
            run(given, console)


def run(given: argparse.Namespace, console: Console) -> None:
    """The scenarios asked for, one after the other, and their tables."""
    whole = given.scenario == "all"
    names = [name for name in SCENARIOS if name not in APART]
    names = names if whole else [given.scenario]
    reports: list[Report] = []
    with contextlib.ExitStack() as around:
        stack: Stack | None = None
        if set(names) - set(ALONE):
            cache = cache_dir(dict(os.environ))
            stack = around.enter_context(running_stack(cache))
        began_s = time.monotonic()
        for name in names:
            if whole:
                console.rule(_progress(names, name, began_s), align="left")
            options = given if given.scenario == name else _defaults(SCENARIOS[name])
            made = SCENARIOS[name].run(options, stack, console)
            for report in made:
                report.show(console)
            reports += made
            _keep(given, reports)
    if whole:
        console.rule(f"all done in {time.monotonic() - began_s:.0f} s", align="left")
        headline([report.as_json() for report in reports]).show(console)


def _progress(names: list[str], name: str, began_s: float) -> str:
    at = names.index(name)
    left_s = sum(EXPECTED_S.get(each, 60) for each in names[at:])
    return (
        f"{at + 1} of {len(names)}: {name}, about {EXPECTED_S.get(name, 60)} s · "
        f"{time.monotonic() - began_s:.0f} s spent, about {left_s} s to go"
    )


def _keep(given: argparse.Namespace, reports: list[Report]) -> None:
    """After each scenario, so that what breaks later costs nothing."""
    if given.json:
        write(given.json, reports)
    if given.html:
        given.html.write_text(page([report.as_json() for report in reports]))


def _defaults(scenario: Any) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    scenario.add_options(parser)
    return parser.parse_args([])


if __name__ == "__main__":
    main()
