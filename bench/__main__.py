"""
Command ``python -m bench SCENARIO``: measure the service.

Each scenario starts the gateway and the LiveKit server that it needs. ``all`` runs
every scenario at its defaults, ``compare`` compares two saved runs, and ``readme``
prints the tables of README.md. docs/budgets.md explains the budgets L1 to L8 and T1
to T7.
"""

import argparse
import ast
import contextlib
import importlib
import math
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.probe.slow_machine import MAX_FACTOR, slower
from bench.report import compare, readme
from bench.report.figures import Report, write
from bench.report.summary import summarize
from lite_gateway.cli.folders import cache_dir
from lite_gateway.errors import GatewayError

ROOT = Path(__file__).parents[1]
# Modules by scenario. Only those that run are imported: some import torch, which takes
# seconds.
SCENARIOS = {
    "latency": "bench.latency",
    "lips-in-room": "bench.lips_in_room",
    "interrupt": "bench.interrupt",
    "conversation": "bench.conversation",
    "loop": "bench.loop",
    "browser": "bench.browser",
    "side-by-side": "bench.sidebyside",
    "voice": "bench.peers.voice",
    "stock-runner": "bench.peers.stock_runner",
    "batching": "bench.peers.batching",
    "capacity": "bench.capacity",
    "soak": "bench.soak",
    "start": "bench.start",
    "render": "bench.render",
    "protocol": "bench.protocol",
    "lipsync": "training.evaluation.lipsync",
    "builtin-speech": "bench.builtin_speech",
}
OFFLINE = (
    "render",
    "protocol",
    "lipsync",
    "builtin-speech",
)  # need neither a gateway nor LiveKit
# Not part of ``all``: side-by-side includes the first three, and the others have no
# budgets.
NOT_IN_ALL = (
    *("voice", "stock-runner", "batching"),
    *("lipsync", "builtin-speech", "start"),
)
# Duration of each scenario at its defaults, on two cores.
EXPECTED_S = {
    "latency": 105,
    "lips-in-room": 45,
    "interrupt": 100,
    "conversation": 110,
    "loop": 30,
    "browser": 45,
    "side-by-side": 170,
    "capacity": 45,
    "soak": 35,
    "render": 30,
    "protocol": 2,
}
DEFAULT_S = 60
WIDTH = 120  # columns of the output where there is no terminal


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one scenario; raise `SystemExit` with a text if it cannot run."""
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=_plain(__doc__),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="scenario", required=True, metavar="SCENARIO")
    words = sys.argv[1:] if arguments is None else arguments
    for name in SCENARIOS:
        command = _add_command(commands, name, _docstring(name))
        _add_outputs(command)
        _add_slower(command)
        if name in words:
            _scenario(name).add_options(command)
    about = "Command ``all``: run every scenario at its defaults and summarize the run"
    command = _add_command(commands, "all", about)
    _add_outputs(command)
    _add_slower(command)
    for name, tool in (("compare", compare), ("readme", readme)):
        tool.add_options(_add_command(commands, name, tool.__doc__))
    args = parser.parse_args(arguments)
    _check_outputs(parser, args)
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    try:
        match args.scenario:
            case "compare":
                sys.exit(compare.run(args, console))
            case "readme":
                readme.run(args)
            case _:
                run(args, console)
    except GatewayError as error:  # any other error is a bug: a traceback
        sys.exit(f"bench: {error}")


def _check_outputs(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """End with an error before a run whose results could not be written."""
    for option in ("json", "html"):
        path: Path | None = getattr(args, option, None)
        if path is not None and (path.is_dir() or not path.parent.is_dir()):
            parser.error(f"--{option}: {path} is not a file in a folder that exists")


def _add_command(
    commands: Any, name: str, docstring: str | None
) -> argparse.ArgumentParser:
    """Add a subcommand; its help is the first sentence of a module's docstring."""
    text = _plain(docstring)
    about = text.partition("\n\n")[0].replace("\n", " ")
    about = about.partition(": ")[2] or about
    command: argparse.ArgumentParser = commands.add_parser(
        name,
        help=about.rstrip("."),
        description=text,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return command


def _scenario(name: str) -> Any:
    return importlib.import_module(SCENARIOS[name])


def _docstring(name: str) -> str | None:
    """Return the docstring of a scenario's module, without its import."""
    path = ROOT / f"{SCENARIOS[name].replace('.', '/')}.py"
    return ast.get_docstring(ast.parse(path.read_text()), clean=False)


def _plain(docstring: str | None) -> str:
    """Return a docstring without its markup."""
    return (docstring or "").strip().replace("``", "").replace("`", "")


def _add_outputs(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--json", type=Path, metavar="FILE", help="also write every sample as JSON"
    )
    command.add_argument(
        "--html", type=Path, metavar="FILE", help="also write a page with charts"
    )


def _add_slower(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--slower",
        type=_slower_factor,
        default=1.0,
        metavar="FACTOR",
        help="measure as on processors that are FACTOR times as slow, 1 to "
        f"{MAX_FACTOR:g}; needs root (default: %(default)g)",
    )


def _slower_factor(text: str) -> float:
    """Return the factor of ``--slower``."""
    try:
        factor = float(text)
    except ValueError:
        factor = math.nan
    if not 1 <= factor <= MAX_FACTOR:
        raise argparse.ArgumentTypeError(
            f"{text} is not a number from 1 to {MAX_FACTOR:g}"
        )
    return factor


def run(args: argparse.Namespace, console: Console) -> None:
    """Run the scenarios one after the other and print their tables."""
    from bench.probe.stack import Stack, running_stack  # LiveKit's SDK

    run_all = args.scenario == "all"
    names = [args.scenario]
    if run_all:
        names = [name for name in SCENARIOS if name not in NOT_IN_ALL]
    reports: list[Report] = []
    with contextlib.ExitStack() as cleanup:
        cleanup.enter_context(slower(args.slower))
        stack: Stack | None = None
        # A soak with faults stops its servers, so it has its own.
        own = getattr(args, "faults", False)
        if set(names) - set(OFFLINE) and not own:
            cache = cache_dir(dict(os.environ))
            stack = cleanup.enter_context(running_stack(cache))
        started_s = time.monotonic()
        for name in names:
            if run_all:
                console.rule(_progress(names, name, started_s), align="left")
            options = args if args.scenario == name else _defaults(_scenario(name))
            results = _scenario(name).run(options, stack, console)
            for report in results:
                if args.slower > 1:
                    report.conditions["slower"] = args.slower
                report.show(console)
            reports += results
            _save(args, reports)
    if run_all:
        lasted_s = time.monotonic() - started_s
        console.rule(f"all done in {lasted_s:.0f} s", align="left")
        summarize([report.as_json() for report in reports]).show(console)


def _progress(names: list[str], name: str, started_s: float) -> str:
    place = names.index(name)
    left_s = sum(EXPECTED_S.get(name, DEFAULT_S) for name in names[place:])
    return (
        f"{place + 1} of {len(names)}: {name}, "
        f"about {EXPECTED_S.get(name, DEFAULT_S)} s · "
        f"{time.monotonic() - started_s:.0f} s passed, about {left_s} s left"
    )


def _save(args: argparse.Namespace, reports: list[Report]) -> None:
    """Write the files after each scenario, so that a later failure loses nothing."""
    if args.json:
        write(args.json, reports)
    if args.html:
        from bench.report.page import page  # matplotlib

        args.html.write_text(page([report.as_json() for report in reports]))


def _defaults(scenario: Any) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    scenario.add_options(parser)
    return parser.parse_args([])


if __name__ == "__main__":
    main()
