"""
Scenario ``render``: time to render a frame, by avatar, size, batch and stage.

It measures without CUDA graphs and, on CUDA, with them too. Colour conversion is no
stage of its own: a rig composes in I420. ``--against torch`` compares the two paths of
the CPU instead: native code and torch render the same frames in turns.
"""

import argparse
import time
from typing import TYPE_CHECKING

from rich.console import Console

from bench.report.figures import Report
from lite_gateway.config import DEVICES, Config
from lite_gateway.video_quality import VideoQuality, parse_quality

if TYPE_CHECKING:
    from bench.engine_timing import EngineBench, PassTimes
    from bench.probe.stack import Stack

SIZES, BATCHES = "640x360,512x512,1280x720", "1,2,4"
COMPARED_SIZES, COMPARED_BATCHES = "512x512,1280x720,1920x1080", "1,3,6"
_AVATAR = Config().default_avatar  # which most users see


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--frames",
        type=int,
        default=50,
        help="passes of each avatar, size and batch (default: %(default)s)",
    )
    parser.add_argument(
        "--device",
        choices=DEVICES,
        default="auto",
        help="auto, cpu or cuda (default: %(default)s)",
    )
    parser.add_argument(
        "--threads",
        type=int,
        default=Config().render_threads,
        help="threads of torch on the CPU (default: %(default)s)",
    )
    parser.add_argument(
        "--sizes",
        help=f"WIDTHxHEIGHT, comma-separated (default: {SIZES}; {COMPARED_SIZES} for "
        "--against)",
    )
    parser.add_argument(
        "--batches",
        help=f"frames in a pass, comma-separated (default: {BATCHES}; "
        f"{COMPARED_BATCHES} for --against)",
    )
    parser.add_argument(
        "--against",
        choices=("torch",),
        help="compare native code with this path, on one thread of the CPU: times, "
        "pixels, memory",
    )
    parser.add_argument(
        "--avatar",
        default=_AVATAR,
        help="of --against: name, or path of a package (default: %(default)s)",
    )


def run(
    args: argparse.Namespace, stack: "Stack | None", console: Console
) -> list[Report]:
    # Torch, which takes seconds to import: the help of this scenario needs none of it.
    import torch

    from bench import native_against_torch
    from bench.engine_timing import EngineBench
    from renderer.device import pick_device

    if args.against:
        return [
            native_against_torch.compare(
                args.avatar,
                _sizes(args.sizes or COMPARED_SIZES),
                _numbers(args.batches or COMPARED_BATCHES),
                args.frames,
                console,
            )
        ]
    torch.set_num_threads(args.threads)
    device = pick_device(args.device)
    report = Report("render", {"device": device, "threads": args.threads})
    eager = EngineBench(device, graphs=False)
    for name in (_AVATAR, "fiducial"):
        _measure(report, eager, name, args, console)
    if device == "cuda":
        graphs = EngineBench(device, graphs=True)
        _measure(report, graphs, _AVATAR, args, console, ", graphs")
    else:
        report.conditions["graphs"] = "graphs need CUDA"
    return [report]


def _sizes(text: str) -> list[VideoQuality]:
    return [parse_quality(size) for size in text.split(",")]


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


def _measure(
    report: Report, engine: "EngineBench", name: str, args: argparse.Namespace,
    console: Console, suffix: str = "",
) -> None:  # fmt: skip
    from bench.engine_timing import without_graphs

    batches = _numbers(args.batches or BATCHES)
    for size in _sizes(args.sizes or SIZES):
        title = f"{name} {size.name}{suffix}"
        started_s = time.perf_counter()
        sessions = engine.open_sessions(name, size.width, size.height, max(batches))
        built_ms = 1000 * (time.perf_counter() - started_s)
        report.add(f"{title}: rig built", "ms", [built_ms])
        for batch in batches:
            console.print(f"render: {title} batch {batch}")
            times = engine.time_passes(sessions[:batch], args.frames)
            judged = (name, size.name, batch) == (_AVATAR, "512x512", 1)
            budget = "L7 ≤ 12" if judged else ""
            _add(report, f"{title}, batch {batch}", batch, times, budget)
        if suffix and (reason := without_graphs(sessions)):
            report.conditions[f"{size.name}{suffix}"] = f"not captured: {reason}"


def _add(
    report: Report, title: str, batch: int, times: "PassTimes", budget: str
) -> None:
    frame_ms = [ms / batch for ms in times.passes]
    report.add(f"{title}, a frame", "ms", frame_ms, budget)
    if title.startswith("fiducial"):
        return
    for stage, stage_ms in times.stages.items():
        report.add(f"{title}: {stage}", "ms", [ms / batch for ms in stage_ms])
