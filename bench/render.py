"""``bench render``: frames through the engine, by avatar, size and batch."""

import argparse
import time

import torch
from rich.console import Console

from bench.figures import Report
from bench.stack import Stack
from lite_gateway.config import Config, shipped_avatars
from lite_gateway.quality import quality
from renderer.avatar import load_all
from renderer.engine import Engine, Job
from renderer.frames import Shot

_WARM = 5


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=Config().render_threads)
    parser.add_argument("--sizes", default="640x360,512x512,1280x720")
    parser.add_argument("--batches", default="1,2,4")


def run(
    given: argparse.Namespace, stack: Stack | None, console: Console
) -> list[Report]:
    torch.set_num_threads(given.threads)
    engine = Engine(device=given.device)
    report = Report("render", {"device": str(engine.device), "threads": given.threads})
    shelf = load_all(shipped_avatars())
    for name in ("ada", "fiducial"):
        for size in given.sizes.split(","):
            wanted = quality(size)
            began_s = time.perf_counter()
            stages = [
                engine.stage(shelf.avatars[name], wanted.width, wanted.height, seed=i)
                for i in range(max(map(int, given.batches.split(","))))
            ]
            report.add(
                f"{name} {size}: rig built",
                "ms",
                [1000 * (time.perf_counter() - began_s)],
            )
            for batch in map(int, given.batches.split(",")):
                console.print(f"render: {name} {size} batch {batch}")
                spent = _spend(engine, stages[:batch], given.frames)
                budget = (
                    "L7 ≤ 12" if (name, size, batch) == ("ada", "512x512", 1) else ""
                )
                report.add(
                    f"{name} {size}, batch {batch}, a frame", "ms", spent, budget
                )
    return [report]


def _spend(engine: Engine, stages: list, frames: int) -> list[float]:  # type: ignore[type-arg]
    """ms a frame, one sample a pass; speaking, as that costs most."""
    spent = []
    voice = (torch.randn(960) * 4000).to(torch.int16).numpy().tobytes()
    for index in range(frames + _WARM):
        shot = Shot(index, index * 0.04, "talking", 1, voice, 960, 0.5)
        jobs = [Job(stage, shot) for stage in stages]
        began_s = time.perf_counter()
        engine.render(jobs)
        spent.append(1000 * (time.perf_counter() - began_s) / len(jobs))
    return spent[_WARM:]
