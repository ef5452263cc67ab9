"""Training of the driver from nothing to its weights, by one command.

    python -m training [--install]

It synthesises speech, makes shards of augmented examples, and trains the network.
Each part can be stopped and continues when the command is called again. The plan is
printed at the start, and each part prints the time that it still takes. The driver
keeps its weights unless ``--install`` replaces them.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from training import features, train, voices

ROOT = Path(__file__).parents[1]
INSTALLED = ROOT / "renderer" / "speech" / "lips.npz"  # what the driver loads
_POLL_S = 0.2
_ENDING = (signal.SIGTERM, signal.SIGHUP)  # Python raises KeyboardInterrupt for SIGINT
# Processor time as measured on the machine of the README.
_SHARD_HOUR_MIN = 0.55
_STEP_S = 0.42
_THREADS_SHARE = 0.2  # of a step's time that a second thread of torch saves


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
    parser.add_argument(
        "--minutes",
        type=positive,
        metavar="M",
        help="shorten or lengthen all three so that the run takes about as long",
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--install",
        action="store_true",
        help=f"copy the weights to {INSTALLED.relative_to(ROOT)}",
    )
    args = scaled_plan(parser.parse_args())
    exit_on_signals()
    print(_plan(args), flush=True)
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


def _estimates_min(args: argparse.Namespace) -> tuple[float, float, float]:
    """Return the minutes of speech, features and training on this many cores."""
    cores = os.cpu_count() or 1
    speech = voices.planned_minutes() * args.speech_hours / voices.PLANNED_HOURS
    training = args.steps * _STEP_S / 60 / (1 + _THREADS_SHARE * (cores - 1))
    return speech / cores, args.shard_hours * _SHARD_HOUR_MIN / cores, training


def planned_minutes(args: argparse.Namespace) -> float:
    """Return the minutes that the whole plan takes on this many cores."""
    return sum(_estimates_min(args))


def scaled_plan(args: argparse.Namespace) -> argparse.Namespace:
    """Return the plan with hours and steps that fit ``minutes``, if that is given."""
    if args.minutes is None:
        return args
    share = args.minutes / planned_minutes(args)
    changes = {
        "speech_hours": args.speech_hours * share,
        "shard_hours": args.shard_hours * share,
        "steps": max(1, round(args.steps * share)),
    }
    return argparse.Namespace(**vars(args) | changes)


def positive(text: str) -> float:
    """Return the positive number that ``text`` holds, for an option."""
    number = float(text)
    if number <= 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0; give a larger one")
    return number


def _plan(args: argparse.Namespace) -> str:
    parts = _estimates_min(args)
    speech, features_, training = (f"{minutes:.0f}" for minutes in parts)
    return (
        f"training: {args.speech_hours:.1f} hours of speech (about {speech} min), "
        f"{args.shard_hours:.1f} hours of examples ({features_} min), "
        f"{args.steps} steps ({training} min): {sum(parts):.0f} min if the "
        f"{os.cpu_count()} cores do nothing else and nothing is made yet"
    )


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


def exit_on_signals() -> None:
    """
    Let a signal that ends this process raise SystemExit, so that workers end too.

    Signals that it ignores stay ignored: a run under nohup outlives its terminal.
    """
    for ending in _ENDING:
        if signal.getsignal(ending) is not signal.SIG_IGN:
            signal.signal(ending, lambda number, _: sys.exit(128 + number))


def _start(module: str, *arguments: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", f"training.{module}", *map(str, arguments)]
    # A thread that waits for another one leaves its core to other processes.
    environment = {"OMP_WAIT_POLICY": "PASSIVE", **os.environ}
    return subprocess.Popen(command, cwd=ROOT, env=environment)


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
