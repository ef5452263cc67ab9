"""
``python -m bench.gpu``: what one GPU can draw, on a machine with torch and numpy alone.

Times passes by size and batch, drawn operation by operation and by CUDA graphs, and
checks that CUDA gives the pixels of the CPU.  Without CUDA it measures the CPU, says
so, and has no pixels to compare.  A portrait needs Pillow too; where that is not, the
others are measured, and it says so.  Ends with 1 when a check fails.
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

import torch

from bench.drawing import (
    FRAME_MS,
    Easel,
    difference,
    missing,
    sessions,
    without_graphs,
)
from bench.probe.nvidia import watched
from renderer.engine import STAGES, pick_device

# Both sides round the same sums in another order: now and then by one code, and where
# an edge crosses a pixel by a few.
MOST_APART, MEAN_APART = 4, 0.05
AVATARS = ("ada", "mira")  # one that is drawn, and a portrait
_COMPARED = 5  # sessions; not a size of batch that is recorded
_LONGEST_S = 3.0  # of one size and batch
_SIZES = {"cuda": "512x512,1280x720,1920x1080", "cpu": "256x256,512x512"}
_BATCHES = {"cuda": "1,2,4,8,16,32,64,128", "cpu": "1,2,4"}

What = tuple[str, str, bool]  # avatar, size, by graphs


@dataclass(frozen=True, slots=True)
class Row:
    """One avatar, size and batch, drawn one way; times in ms, medians of passes."""

    avatar: str
    size: str
    batch: int
    graphs: bool
    passes: int
    pass_ms: float
    pass_p95_ms: float
    frame_ms: float
    stages_ms: dict[str, float]
    sessions: int  # at 25 frames a second, by the median pass
    in_time: bool  # a pass takes no longer than a frame lasts
    gpu_busy: float | None  # %
    gpu_memory_mb: float | None  # of all processes
    torch_memory_mb: float | None  # most at once


@dataclass(slots=True)
class Findings:
    """What is written."""

    machine: dict[str, Any]
    tolerance: dict[str, float]
    rows: list[Row] = field(default_factory=list)
    pixels: dict[str, tuple[int, float]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)  # avatar -> why

    def best(self) -> dict[str, int]:
        """The most sessions of each, of all batches whose pass is in time."""
        best: dict[str, int] = {}
        for row in self.rows:
            if row.in_time:
                what = f"{row.avatar} {row.size}"
                best[what] = max(best.get(what, 0), row.sessions)
        return best


def main() -> None:
    given = _options()
    torch.set_num_threads(given.threads)
    device = pick_device(given.device)
    tolerance = {"most": MOST_APART, "mean": MEAN_APART}
    found = Findings(machine(device), tolerance)
    print(json.dumps(found.machine))
    if device.type != "cuda":
        print("no CUDA: this measures the CPU, and pixels have nothing to agree with")
    for avatar in given.avatars.split(","):
        if why := missing(avatar):
            found.left_out[avatar] = why
            print(f"left out {avatar}: {why}")
        else:
            measure_all(avatar, device, given, found)
    given.out.mkdir(parents=True, exist_ok=True)
    path = given.out / "gpu.json"
    path.write_text(json.dumps({**asdict(found), "sessions": found.best()}, indent=1))
    for what, many in found.best().items():
        print(f"{what}: {many} sessions at 25 frames a second")
    print(f"written: {path}")
    for failure in found.failures:
        print(f"FAILED: {failure}")
    sys.exit(bool(found.failures))


def measure_all(
    avatar: str, device: torch.device, given: argparse.Namespace, to: Findings
) -> None:
    """One avatar at every size and batch, in both ways where there is CUDA."""
    sizes = (given.sizes or _SIZES[device.type]).split(",")
    batches = [int(n) for n in (given.batches or _BATCHES[device.type]).split(",")]
    for graphs in (False, True) if device.type == "cuda" else (False,):
        easel = Easel(str(device), graphs=graphs)
        for size in sizes:
            measure(easel, (avatar, size, graphs), batches, given.frames, to)
            if device.type == "cuda":
                compare(easel, (avatar, size, graphs), to)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.gpu", description=__doc__)
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--avatars", default=",".join(AVATARS), help="with commas")
    parser.add_argument("--sizes", default="", help="WIDTHxHEIGHT, with commas")
    parser.add_argument("--batches", default="", help="frames in a pass, with commas")
    parser.add_argument("--frames", type=int, default=60, help="passes of each")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU")
    parser.add_argument("--out", type=Path, default=Path("out"))
    return parser.parse_args()


def machine(device: torch.device) -> dict[str, Any]:
    """What it was measured on."""
    cuda = device.type == "cuda"
    return {
        "device": str(device),
        "gpu": torch.cuda.get_device_name() if cuda else None,
        "cuda": torch.version.cuda if cuda else None,
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def measure(
    easel: Easel, what: What, batches: list[int], frames: int, to: Findings
) -> None:
    """A row for each batch; what cannot be recorded, or has no room, is a failure."""
    avatar, size, graphs = what
    width, height = map(int, size.split("x"))
    stages = easel.open_sessions(avatar, width, height, max(batches))
    for batch in batches:
        try:
            row = measured(easel, stages[:batch], what, frames)
        except torch.cuda.OutOfMemoryError as failed:
            to.failures.append(f"{avatar} {size}, batch {batch}: {failed}")
            continue
        to.rows.append(row)
        print(told(row), flush=True)
    if graphs and (why := without_graphs(stages)):
        to.failures.append(f"{avatar} {size}: no graphs: {why}")


def measured(easel: Easel, stages: list[Any], what: What, frames: int) -> Row:
    avatar, size, graphs = what
    batch = len(stages)
    cuda = easel.engine.device.type == "cuda"
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    easel.draw(stages, 0)  # recorded, if need be, before anybody watches
    with watched() as uses:
        spent = easel.draw(stages, frames, _LONGEST_S)
    middle = statistics.median(spent.passes)
    ordered = sorted(spent.passes)
    return Row(
        avatar=avatar,
        size=size,
        batch=batch,
        graphs=graphs,
        passes=len(spent.passes),
        pass_ms=middle,
        pass_p95_ms=ordered[int(0.95 * (len(ordered) - 1))],
        frame_ms=middle / batch,
        stages_ms={name: statistics.median(ms) for name, ms in spent.stages.items()},
        sessions=sessions(batch, middle),
        in_time=middle <= FRAME_MS,
        gpu_busy=statistics.median(use.busy for use in uses) if uses else None,
        gpu_memory_mb=max(use.memory_mb for use in uses) if uses else None,
        torch_memory_mb=torch.cuda.max_memory_allocated() / 2**20 if cuda else None,
    )


def told(row: Row) -> str:
    """A row as a line."""
    how = "graphs" if row.graphs else "eager"
    stages = " ".join(f"{name} {row.stages_ms[name]:.2f}" for name in STAGES)
    busy = "" if row.gpu_busy is None else f", GPU {row.gpu_busy:.0f} %"
    return (
        f"{row.avatar} {row.size} {how} batch {row.batch}: pass {row.pass_ms:.2f} ms "
        f"(p95 {row.pass_p95_ms:.2f}; {stages}), frame {row.frame_ms:.3f} ms, "
        f"{row.sessions} sessions{busy}"
    )


def compare(easel: Easel, what: What, to: Findings) -> None:
    """The same speech on the CPU and here; pictures too far apart are a failure."""
    avatar, size, graphs = what
    width, height = map(int, size.split("x"))
    drawn, right = (
        easel.speaking(avatar, width, height, _COMPARED)
        for easel in (easel, Easel("cpu", graphs=False))
    )
    judge(f"{avatar} {size}{', graphs' * graphs}", drawn, right, to)


def judge(name: str, drawn: torch.Tensor, right: torch.Tensor, to: Findings) -> None:
    """Note how far apart pictures are, and whether that is too far."""
    most, mean = to.pixels[name] = difference(drawn, right)
    print(f"{name}: at most {most} codes apart, {mean:.4f} on average")
    if most > MOST_APART or mean > MEAN_APART:
        to.failures.append(
            f"{name}: pixels are up to {most} codes from the CPU's, {mean:.3f} on "
            f"average; {MOST_APART} and {MEAN_APART} are allowed"
        )


if __name__ == "__main__":
    main()
