"""
Command ``python -m bench.gpu``: capacity of one GPU.

It needs torch, numpy and Pillow, and nothing else. It times render passes by size and
batch, without and with CUDA graphs, and checks that CUDA renders the same pixels as the
CPU. Without CUDA it measures the CPU, says so, and compares no pixels. Without
nvidia-ml-py the GPU's load is not read; the output says so. The exit status is 1 if a
check fails or an avatar cannot be loaded.
"""

import argparse
import json
import os
import platform
import statistics
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.engine_timing import (
    CLOSE_CODES,
    FRAME_MS,
    MAX_MEAN_CODES,
    MAX_SHARE_BEYOND,
    EngineBench,
    PixelDifference,
    difference,
    max_sessions,
    without_graphs,
)
from bench.probe.nvidia import watched
from renderer.avatar import BrokenAvatar
from renderer.device import pick_device
from renderer.engine import STAGES

AVATARS = ("mira", "fiducial")  # a portrait, and what a pass costs without one
_WITHOUT_GRAPHS = ("fiducial",)  # avatars whose rig is not captured
_COMPARED_SESSIONS = 5  # a batch for which no graph of its own is captured
_MAX_S = 3.0  # for each size and batch
_SIZES = {"cuda": "512x512,1280x720,1920x1080", "cpu": "256x256,512x512"}
_BATCHES = {"cuda": "1,2,4,8,16,32,64,128", "cpu": "1,2,4"}

Case = tuple[str, str, bool]  # avatar, size, with CUDA graphs


@dataclass(frozen=True, slots=True)
class Row:
    """Times of one avatar, size and batch in ms, medians of passes."""

    avatar: str
    size: str
    batch: int
    graphs: bool
    passes: int
    pass_ms: float
    pass_p95_ms: float
    frame_ms: float
    stages_ms: dict[str, float]
    sessions: int  # at 25 frames per second, by the median pass
    in_time: bool  # a pass takes no longer than a frame lasts
    gpu_busy: float | None  # %; None: could not be read
    gpu_memory_mb: float | None  # of all processes
    torch_memory_mb: float | None  # peak of this process


@dataclass(slots=True)
class Result:
    """Content of gpu.json."""

    machine: dict[str, Any]
    tolerance: dict[str, float]
    rows: list[Row] = field(default_factory=list)
    pixels: dict[str, PixelDifference] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    load_unread: str = ""  # why gpu_busy could not be read

    def best(self) -> dict[str, int]:
        """Return the most sessions of each case, over batches that are in time."""
        best: dict[str, int] = {}
        for row in self.rows:
            if row.in_time:
                name = f"{row.avatar} {row.size}"
                best[name] = max(best.get(name, 0), row.sessions)
        return best


def main() -> None:
    args = _options()
    torch.set_num_threads(args.threads)
    device = pick_device(args.device)
    tolerance = {"mean": MAX_MEAN_CODES, "beyond": MAX_SHARE_BEYOND}
    result = Result(machine(device), tolerance)
    print(json.dumps(result.machine))
    if device != "cuda":
        print("no CUDA: this measures the CPU and compares no pixels")
    for avatar in args.avatars.split(","):
        try:
            measure_all(avatar, device, args, result)
        except BrokenAvatar as broken:
            result.failures.append(f"{avatar} cannot be loaded: {broken}")
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / "gpu.json"
    path.write_text(json.dumps({**asdict(result), "sessions": result.best()}, indent=1))
    for name, sessions in result.best().items():
        print(f"{name}: {sessions} sessions at 25 frames per second")
    if device == "cuda" and result.load_unread:
        print(f"load of the GPU could not be read: {result.load_unread}")
    print(f"written: {path}")
    for failure in result.failures:
        print(f"FAILED: {failure}")
    sys.exit(bool(result.failures))


def measure_all(
    avatar: str, device: str, args: argparse.Namespace, result: Result
) -> None:
    """Measure one avatar at every size and batch, on CUDA also with graphs."""
    sizes = (args.sizes or _SIZES[device]).split(",")
    batches = [int(n) for n in (args.batches or _BATCHES[device]).split(",")]
    has_graphs = device == "cuda" and avatar not in _WITHOUT_GRAPHS
    for graphs in (False, True) if has_graphs else (False,):
        engine = EngineBench(device, graphs=graphs)
        for size in sizes:
            measure(engine, (avatar, size, graphs), batches, args.frames, result)
            if device == "cuda":
                compare(engine, (avatar, size, graphs), result)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--device", default="auto", help="auto, cpu or cuda (default: %(default)s)")
    add(
        "--avatars",
        default=",".join(AVATARS),
        help="names or paths of packages, comma-separated (default: %(default)s)",
    )
    add(
        "--sizes",
        default="",
        help=f"WIDTHxHEIGHT, comma-separated (default: {_SIZES['cuda']} on CUDA, "
        f"{_SIZES['cpu']} on the CPU)",
    )
    add(
        "--batches",
        default="",
        help=f"frames in a pass, comma-separated (default: {_BATCHES['cuda']} on "
        f"CUDA, {_BATCHES['cpu']} on the CPU)",
    )
    add(
        "--frames",
        type=int,
        default=60,
        help="passes of each size and batch (default: %(default)s)",
    )
    add(
        "--threads",
        type=int,
        default=1,
        help="threads of torch on the CPU (default: %(default)s)",
    )
    add(
        "--out",
        type=Path,
        default=Path("out"),
        help="folder for gpu.json (default: %(default)s)",
    )
    return parser.parse_args()


def machine(device: str) -> dict[str, Any]:
    """Return hardware and versions of this machine."""
    cuda = device == "cuda"
    return {
        "device": device,
        "gpu": torch.cuda.get_device_name() if cuda else None,
        "cuda": torch.version.cuda if cuda else None,
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def measure(
    engine: EngineBench, case: Case, batches: list[int], frames: int, result: Result
) -> None:
    """Add a row for each batch, or a failure: out of memory, or no graph captured."""
    avatar, size, graphs = case
    width, height = map(int, size.split("x"))
    sessions = engine.open_sessions(avatar, width, height, max(batches))
    for batch in batches:
        try:
            row = measure_batch(engine, sessions[:batch], case, frames, result)
        except torch.cuda.OutOfMemoryError as failed:
            result.failures.append(f"{avatar} {size}, batch {batch}: {failed}")
            continue
        result.rows.append(row)
        print(as_text(row), flush=True)
    if graphs and (reason := without_graphs(sessions)):
        result.failures.append(f"{avatar} {size}: no graphs: {reason}")


def measure_batch(
    engine: EngineBench, sessions: list[Any], case: Case, frames: int, result: Result
) -> Row:
    """Time passes of one batch, and note on ``result`` if the GPU could not be read."""
    avatar, size, graphs = case
    batch = len(sessions)
    cuda = engine.engine.device == "cuda"
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    engine.time_passes(sessions, 0)  # captures the graph before the GPU is watched
    with watched() as load:
        times = engine.time_passes(sessions, frames, _MAX_S)
    result.load_unread = load.unread or result.load_unread
    median_ms = statistics.median(times.passes)
    ordered = sorted(times.passes)
    busy = [sample.busy for sample in load.samples]
    memory_mb = [sample.memory_mb for sample in load.samples]
    return Row(
        avatar=avatar,
        size=size,
        batch=batch,
        graphs=graphs,
        passes=len(times.passes),
        pass_ms=median_ms,
        pass_p95_ms=ordered[int(0.95 * (len(ordered) - 1))],
        frame_ms=median_ms / batch,
        stages_ms={name: statistics.median(ms) for name, ms in times.stages.items()},
        sessions=max_sessions(batch, median_ms),
        in_time=median_ms <= FRAME_MS,
        gpu_busy=statistics.median(busy) if busy else None,
        gpu_memory_mb=max(memory_mb) if memory_mb else None,
        torch_memory_mb=torch.cuda.max_memory_allocated() / 2**20 if cuda else None,
    )


def as_text(row: Row) -> str:
    """Return a row as a line of text."""
    mode = "graphs" if row.graphs else "eager"
    stages = " ".join(f"{name} {row.stages_ms[name]:.2f}" for name in STAGES)
    busy = "" if row.gpu_busy is None else f", GPU {row.gpu_busy:.0f} %"
    return (
        f"{row.avatar} {row.size} {mode} batch {row.batch}: pass {row.pass_ms:.2f} ms "
        f"(p95 {row.pass_p95_ms:.2f}; {stages}), frame {row.frame_ms:.3f} ms, "
        f"{row.sessions} sessions{busy}"
    )


def compare(engine: EngineBench, case: Case, result: Result) -> None:
    """Render the same speech here and with torch on the CPU and compare the pixels."""
    avatar, size, graphs = case
    width, height = map(int, size.split("x"))
    frames, expected = (
        it.render_speech(avatar, width, height, _COMPARED_SESSIONS)
        for it in (engine, EngineBench("cpu", graphs=False, native=False))
    )
    judge(f"{avatar} {size}{', graphs' * graphs}", frames, expected, result)


def judge(
    name: str, frames: torch.Tensor, expected: torch.Tensor, result: Result
) -> None:
    """Record the difference of frames; beyond the tolerance it is a failure."""
    apart = result.pixels[name] = difference(frames, expected)
    figures = (
        f"by {apart.mean:.4f} codes on average, by at most {apart.most}, and "
        f"{apart.beyond:.4%} of the bytes by more than {CLOSE_CODES}"
    )
    print(f"{name}: differs {figures}")
    if not apart.within_rounding:
        result.failures.append(
            f"{name}: pixels differ from the CPU's {figures}; allowed are "
            f"{MAX_MEAN_CODES} codes on average and {MAX_SHARE_BEYOND:.2%} of the bytes"
        )


if __name__ == "__main__":
    main()
