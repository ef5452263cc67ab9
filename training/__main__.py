"""
``python -m training``: from nothing to the driver's weights, by one command.

Speech is synthesised, made hard, and learnt from; each part goes on where it was ended.
Two cores take two hours, of which the network's steps are most.  The driver's own
weights stay as they are, unless it is told to ``--install``.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from training import features, train, voices

ROOT = Path(__file__).parents[1]
INSTALLED = ROOT / "renderer" / "speech" / "lips.npz"  # what the driver loads
_LOOK_S = 0.2


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument("--work", type=Path, default=ROOT / "out" / "training")
    parser.add_argument("--speech-hours", type=float, default=voices.PLANNED_HOURS)
    parser.add_argument("--shard-hours", type=float, default=features.PLANNED_HOURS)
    parser.add_argument("--steps", type=int, default=train.PLANNED_STEPS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--install",
        action="store_true",
        help=f"put the weights in place of {INSTALLED.relative_to(ROOT)}",
    )
    given = parser.parse_args()
    speech, shards = given.work / "speech", given.work / "shards"
    seed = ("--seed", str(given.seed))
    hours = ("--hours", str(given.speech_hours))
    _call("speech", "--folder", speech, *hours, *seed)
    workers = os.cpu_count() or 1
    hours = ("--hours", str(given.shard_hours))
    making = [
        _start(
            "features", "--speech", speech, "--folder", shards, *hours, *seed,
            "--first", number, "--every", workers,
        )
        for number in range(workers)
    ]  # fmt: skip
    finish(making)
    fitted = given.work / "fit"
    _call(
        "train", "--shards", shards, "--folder", fitted, "--steps", given.steps, *seed
    )
    weights = fitted / INSTALLED.name
    print(handed_over(weights, INSTALLED if given.install else None), flush=True)


def handed_over(weights: Path, to: Path | None) -> str:
    """Put them ``to`` where the driver looks, if anywhere; what there is to say."""
    if to is None:
        return (
            f"training: the weights are {weights}; the same command with --install "
            "makes them the driver's, and LipsDriver(Path(...)) takes them as they lie"
        )
    to.write_bytes(weights.read_bytes())
    return f"training: the driver's weights are now those of {weights}"


def finish(workers: Sequence[subprocess.Popen[bytes]]) -> None:
    """Wait for all of them; where one fails, the others end and we exit as it did."""
    try:
        while None in [worker.poll() for worker in workers]:
            if any(worker.returncode for worker in workers):
                break
            time.sleep(_LOOK_S)
        if failed := max(abs(worker.returncode or 0) for worker in workers):
            sys.exit(failed)
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.wait()


def _start(module: str, *arguments: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", f"training.{module}", *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT)


def _call(module: str, *arguments: object) -> None:
    finish([_start(module, *arguments)])


if __name__ == "__main__":
    main()
