"""``python -m bench SCENARIO [--json FILE]``, ``all`` of them, or ``compare A B``."""

import argparse
import contextlib
import os
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import (
    batching,
    capacity,
    compare,
    interrupt,
    latency,
    lipsync,
    protocol,
    render,
    soak,
    stock_runner,
    voice,
)
from bench.figures import Report, write
from bench.page import page
from bench.stack import Stack, running_stack
from lite_gateway.cli.serve import cache_dir

SCENARIOS: dict[str, Any] = {
    "latency": latency,
    "interrupt": interrupt,
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
WIDTH = 120  # of a log, where there is no terminal to ask


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    commands = parser.add_subparsers(dest="scenario", required=True)
    for name, scenario in (*SCENARIOS.items(), ("all", None)):
        about = "each of them, at its defaults"
        if scenario:
            about = scenario.__doc__.strip().partition("\n")[0]
        command = commands.add_parser(name, help=about)
        command.add_argument("--json", type=Path, help="write every sample here too")
        command.add_argument("--html", type=Path, help="and a page with plots here")
        if scenario:
            scenario.add_options(command)
    compare.add_options(commands.add_parser("compare", help=compare.__doc__))
    given = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    if given.scenario == "compare":
        sys.exit(compare.run(given, console))
    run(given, console)


def run(given: argparse.Namespace, console: Console) -> None:
    """The scenarios asked for, one after the other, and their tables."""
    names = list(SCENARIOS) if given.scenario == "all" else [given.scenario]
    reports: list[Report] = []
    with contextlib.ExitStack() as around:
        stack: Stack | None = None
        if set(names) - set(ALONE):
            cache = cache_dir(dict(os.environ))
            stack = around.enter_context(running_stack(cache))
        for name in names:
            options = given if given.scenario == name else _defaults(SCENARIOS[name])
            made = SCENARIOS[name].run(options, stack, console)
            for report in made:
                report.show(console)
            reports += made
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
