"""Training of the driver from nothing to its weights, by one command.

    python -m training [--install]

It synthesises speech, makes shards of augmented examples, and trains the network. A
second stage does the same with other sentences, from the weights of the first one; the
result is a mean of both.
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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from renderer.speech.network import load_network, save_network
from training import features, train, voices
from training.mean import mean

ROOT = Path(__file__).parents[1]
INSTALLED = ROOT / "renderer" / "speech" / "lips.npz"  # what the driver loads
_POLL_S = 0.2
_ENDING = (signal.SIGTERM, signal.SIGHUP)  # Python raises KeyboardInterrupt for SIGINT
# Processor time as measured on the machine of the README.
_SHARD_HOUR_MIN = 0.55
_STEP_S = 0.42
_THREADS_SHARE = 0.2  # of a step's time that a second thread of torch saves


@dataclass(frozen=True, slots=True)
class Stage:
    """Size of one stage of the run. Each has speech and examples of its own."""

    speech_hours: float
    shard_hours: float
    steps: int  # of the optimizer
    max_rate: float  # of learning
    phoneme_weight: float

    def estimates_min(self) -> tuple[float, float, float]:
        """Return the minutes of speech, features and training on this many cores."""
        cores = os.cpu_count() or 1
        speech = voices.planned_minutes() * self.speech_hours / voices.PLANNED_HOURS
        training = self.steps * _STEP_S / 60 / (1 + _THREADS_SHARE * (cores - 1))
        return speech / cores, self.shard_hours * _SHARD_HOUR_MIN / cores, training

    def scaled(self, share: float) -> "Stage":
        """Return the stage with a share of its hours and steps."""
        return replace(
            self,
            speech_hours=self.speech_hours * share,
            shard_hours=self.shard_hours * share,
            steps=max(1, round(self.steps * share)),
        )


# The second stage begins with the weights of the first one. It hears other sentences in
# other conditions (`training.augmentation.MIXES`).
STAGES = (
    Stage(
        voices.PLANNED_HOURS,
        features.PLANNED_HOURS,
        train.PLANNED_STEPS,
        train.MAX_RATE,
        train.PHONEME_WEIGHT,
    ),
    Stage(5.0, 8.0, 1200, 5e-4, 0.3),
)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m training",
        description="Synthesise speech, make shards, and train the driver's network, "
        "in two stages.",
    )
    parser.add_argument(
        "--work",
        type=Path,
        default=ROOT / "out" / "training",
        help="folder of all results; default: out/training",
    )
    parser.add_argument(
        "--minutes",
        type=positive,
        metavar="M",
        help="shorten or lengthen all parts so that the run takes about as long",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=1,
        help="of the first stage; the second one has the next (default: 1)",
    )
    parser.add_argument(
        "--begin-with",
        type=Path,
        metavar="NPZ",
        help="do the second stage only, from these weights of a first one",
    )
    parser.add_argument(
        "--install",
        action="store_true",
        help=f"copy the weights to {INSTALLED.relative_to(ROOT)}",
    )
    args = parser.parse_args()
    exit_on_signals()
    planned = scaled_plan(args.minutes, 2 if args.begin_with else 1)
    print(_text(planned), flush=True)
    first = args.begin_with or _run_stage(1, planned[1], args)
    second = _run_stage(2, planned[2], args, first)
    result = args.work / INSTALLED.name
    save_network(mean(load_network(first), load_network(second)), result)
    print(install_weights(result, INSTALLED if args.install else None), flush=True)


def scaled_plan(minutes: float | None, first: int = 1) -> dict[int, Stage]:
    """
    Return the stages from number ``first`` on, by number, which begins at 1.

    Their hours and steps fit ``minutes``, if those are given.
    """
    stages = {n: stage for n, stage in enumerate(STAGES, 1) if n >= first}
    if minutes is None:
        return stages
    share = minutes / planned_minutes(stages)
    return {number: stage.scaled(share) for number, stage in stages.items()}


def planned_minutes(stages: Mapping[int, Stage]) -> float:
    """Return the minutes that stages take on this many cores."""
    return sum(sum(stage.estimates_min()) for stage in stages.values())


def _text(stages: Mapping[int, Stage]) -> str:
    lines = []
    for number, stage in stages.items():
        speech, shards, training = (f"{m:.0f}" for m in stage.estimates_min())
        lines.append(
            f"training: stage {number}: {stage.speech_hours:.1f} hours of speech "
            f"(about {speech} min), {stage.shard_hours:.1f} hours of examples "
            f"({shards} min), {stage.steps} steps ({training} min)"
        )
    return "\n".join([
        *lines,
        f"training: {planned_minutes(stages):.0f} min if the {os.cpu_count()} cores do "
        "nothing else and nothing is made yet",
    ])  # fmt: skip


def _run_stage(
    number: int, stage: Stage, args: argparse.Namespace, begin_with: Path | None = None
) -> Path:
    """Do all parts of a stage that are not done yet; return its weights."""
    folder: Path = args.work / f"stage{number}"
    speech, shards, fit = folder / "speech", folder / "shards", folder / "fit"
    same_seed = ("--seed", args.seed + number - 1)
    hours = ("--hours", stage.speech_hours)
    _call_on_all_cores("speech", "--folder", speech, *hours, *same_seed)
    hours = ("--hours", stage.shard_hours)
    options = [*hours, "--stage", number, *same_seed]
    _call_on_all_cores("features", "--speech", speech, "--folder", shards, *options)
    options = ["--steps", stage.steps, "--rate", stage.max_rate, *same_seed]
    options += ["--phoneme-weight", stage.phoneme_weight]
    if begin_with:
        options += ["--begin-with", begin_with.absolute()]
    _call("train", "--shards", shards, "--folder", fit, *options)
    return fit / INSTALLED.name


def positive(text: str) -> float:
    """Return the positive number that ``text`` holds, for an option."""
    number = float(text)
    if number <= 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0; give a larger one")
    return number


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
