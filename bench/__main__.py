"""``python -m bench SCENARIO [--json FILE]``."""

import argparse
import contextlib
import os
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import interrupt, latency, protocol, render
from bench.figures import Report, write
from bench.stack import Stack, running_stack
from lite_gateway.cli.serve import cache_dir

SCENARIOS: dict[str, Any] = {
    "latency": latency,
    "interrupt": interrupt,
    "render": render,
    "protocol": protocol,
}
NEEDS_STACK = ("latency", "interrupt")
WIDTH = 120  # of a log, where there is no terminal to ask


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", type=Path, help="write every sample here too")
    commands = parser.add_subparsers(dest="scenario", required=True)
    for name, scenario in SCENARIOS.items():
        about = scenario.__doc__.strip().splitlines()[0]
        command = commands.add_parser(name, parents=[common], help=about)
        scenario.add_options(command)
    everything = commands.add_parser("all", parents=[common], help="each of them")
    for scenario in SCENARIOS.values():
        with contextlib.suppress(argparse.ArgumentError):
            scenario.add_options(everything)
    run(parser.parse_args())


def run(given: argparse.Namespace) -> None:
    """The scenarios asked for, one after the other, and their tables."""
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    names = list(SCENARIOS) if given.scenario == "all" else [given.scenario]
    reports: list[Report] = []
    with contextlib.ExitStack() as around:
        stack: Stack | None = None
        if set(names) & set(NEEDS_STACK):
            cache = cache_dir(dict(os.environ))
            stack = around.enter_context(running_stack(cache))
        for name in names:
            made = SCENARIOS[name].run(given, stack, console)
            for report in made:
                report.show(console)
            reports += made
    if given.json:
        write(given.json, reports)


if __name__ == "__main__":
    main()
