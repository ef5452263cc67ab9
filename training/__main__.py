"""Training of the driver from nothing to its weights, by one command.

    python -m training [--install]

It synthesises speech, makes shards of augmented examples, and trains the network.
Each part can be stopped and continues when the command is called again. The whole run
takes two and a half hours on two cores, half of it for the training of the network. The
driver keeps its weights unless ``--install`` replaces them.
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
_POLL_S = 0.2


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m training",
        description="Synthesise speech, make shards, and train the driver's network.",
    )
    parser.add_argument(
        "--work",
        type=Path,
        default=ROOT / "out" / "training",
        help="folder of all results; default: out/training",
    )
    parser.add_argument(
        "--speech-hours",
        type=float,
        default=voices.PLANNED_HOURS,
        help="duration of the speech corpus",
    )
    parser.add_argument(
        "--shard-hours",
        type=float,
        default=features.PLANNED_HOURS,
        help="duration of the augmented examples",
    )
    parser.add_argument(
        "--steps", type=int, default=train.PLANNED_STEPS, help="training steps"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--install",
        action="store_true",
        help=f"copy the weights to {INSTALLED.relative_to(ROOT)}",
    )
    args = parser.parse_args()
    speech, shards = args.work / "speech", args.work / "shards"
    seed = ("--seed", str(args.seed))
    hours = ("--hours", str(args.speech_hours))
    _call_on_all_cores("speech", "--folder", speech, *hours, *seed)
    hours = ("--hours", str(args.shard_hours))
    _call_on_all_cores(
        "features", "--speech", speech, "--folder", shards, *hours, *seed
    )
    fit = args.work / "fit"
    _call("train", "--shards", shards, "--folder", fit, "--steps", args.steps, *seed)
    weights = fit / INSTALLED.name
    print(install_weights(weights, INSTALLED if args.install else None), flush=True)


def install_weights(weights: Path, target: Path | None) -> str:
    """Copy ``weights`` to ``target`` if there is one; return a message for the user."""
    if target is None:
        return (
            f"training: the weights are in {weights}. Call the same command with "
            "--install to make them the driver's, or load them with "
            "LipsDriver(Path(...))."
        )
    target.write_bytes(weights.read_bytes())
    return f"training: the driver now has the weights of {weights}"


def wait_for(workers: Sequence[subprocess.Popen[bytes]]) -> None:
    """Wait for all workers; if one fails, end the others and exit with its code."""
    try:
        while None in [worker.poll() for worker in workers]:
            if any(worker.returncode for worker in workers):
                break
            time.sleep(_POLL_S)
        if exit_code := max(abs(worker.returncode or 0) for worker in workers):
            sys.exit(exit_code)
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.wait()


def _start(module: str, *arguments: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", f"training.{module}", *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT)


def _call_on_all_cores(module: str, *arguments: object) -> None:
    """Call a module once for each core; each process does a share of the work."""
    count = os.cpu_count() or 1
    wait_for([
        _start(module, *arguments, "--first", number, "--every", count)
        for number in range(count)
    ])  # fmt: skip


def _call(module: str, *arguments: object) -> None:
    wait_for([_start(module, *arguments)])


if __name__ == "__main__":
    main()
