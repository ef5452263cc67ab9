"""
``bench render``: frames through the engine, by avatar, size, batch and stage.

Drawn operation by operation, and on CUDA by graphs too.  The colours have no stage of
their own: a rig composes in I420.
"""

import argparse
import time

import torch
from rich.console import Console

from bench.drawing import Easel, Spent, without_graphs
from bench.probe.stack import Stack
from bench.report.figures import Report
from lite_gateway.config import Config
from lite_gateway.video_quality import parse_quality
from renderer.engine import pick_device

# What costs something: whom most people see, and one that is drawn.
_DRAWN = tuple(dict.fromkeys((Config().default_avatar, "ada")))


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--frames", type=int, default=50)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=Config().render_threads)
    parser.add_argument("--sizes", default="640x360,512x512,1280x720")
    parser.add_argument("--batches", default="1,2,4")


def run(
    given: argparse.Namespace, stack: Stack | None, console: Console
) -> list[Report]:
    torch.set_num_threads(given.threads)
    device = pick_device(given.device)
    report = Report("render", {"device": str(device), "threads": given.threads})
    eager = Easel(str(device), graphs=False)
    for name in (*_DRAWN, "fiducial"):
        _measure(report, eager, name, given, console)
    if device.type == "cuda":
        graphs = Easel(str(device), graphs=True)
        for name in _DRAWN:
            _measure(report, graphs, name, given, console, ", graphs")
    else:
        report.conditions["graphs"] = "graphs need CUDA"
    return [report]


def _measure(
    report: Report, easel: Easel, name: str, given: argparse.Namespace,
    console: Console, how: str = "",
) -> None:  # fmt: skip
    batches = [int(batch) for batch in given.batches.split(",")]
    for size in map(parse_quality, given.sizes.split(",")):
        title = f"{name} {size.name}{how}"
        began_s = time.perf_counter()
        stages = easel.open_sessions(name, size.width, size.height, max(batches))
        built_ms = 1000 * (time.perf_counter() - began_s)
        report.add(f"{title}: rig built", "ms", [built_ms])
        for batch in batches:
            console.print(f"render: {title} batch {batch}")
            spent = easel.draw(stages[:batch], given.frames)
            named = name in _DRAWN and (size.name, batch) == ("512x512", 1)
            _add(report, f"{title}, batch {batch}", batch, spent, named)
        if how and (why := without_graphs(stages)):
            report.conditions[f"{size.name}{how}"] = f"not recorded: {why}"


def _add(report: Report, title: str, batch: int, spent: Spent, named: bool) -> None:
    each = [ms / batch for ms in spent.passes]
    report.add(f"{title}, a frame", "ms", each, "L7 ≤ 12" if named else "")
    if title.startswith("fiducial"):
        return
    for stage, took in spent.stages.items():
        report.add(f"{title}: {stage}", "ms", [ms / batch for ms in took])
