"""Training of the driver's network on shards; it can be stopped and called again.

    python -m training.train --shards DIR --folder DIR [--steps 15000]

All seven look-aheads are trained in one pass: at each step, output k of the network is
compared with the targets of k steps before. The command saves an exponential moving
average of the weights.
"""

import argparse
import copy
import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from renderer.speech.mel import BANDS, SILENCE
from renderer.speech.network import (
    Network,
    NetworkOutput,
    load_network,
    save_network,
)
from renderer.speech.network_shape import CURVES, LAGS

PLANNED_STEPS = 15000  # of the optimizer
STEPS = 176  # of 20 ms in an example
_COLD_STEPS = 30  # at the start of a cut example, where the network lacks the past
_COLD_WEIGHT = 0.1
_EMA = 0.998
# Flags of processors with products of bfloat16, in the kernel's words. There it is
# twice as fast as float32, and slower elsewhere.
_BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}
_PROCESSOR = Path("/proc/cpuinfo")
MAX_RATE, _MIN_RATE = 2e-3, 2e-5
_WARM_UP_STEPS = 300  # or a twentieth of a short run
_CURVE_WEIGHTS = {
    **{"jaw": 3.0, "round": 3.0, "funnel": 2.0, "spread": 1.5, "teeth": 0.7},
    **{"tongue": 0.5, "shut": 1.8, "bite": 1.0, "rest": 0.2},
}
# Curves that are trained as probabilities; the squared error is used for the others.
_BINARY_CURVES = ("shut", "bite", "rest")
_LEVEL_INDICES = [CURVES.index(name) for name in CURVES if name not in _BINARY_CURVES]
_BINARY_INDICES = [CURVES.index(name) for name in _BINARY_CURVES]
# Added to the logit of "shut" in the saved weights: people notice a P without closed
# lips sooner than lips that close once too often.
_SHUT_BIAS = 0.2
PHONEME_WEIGHT = 0.2  # of the loss of phonemes, in that of curves and phonemes
# Weights of the look-aheads from 0 to 120 ms. Short ones are used most and are hardest.
_LAG_WEIGHTS = torch.tensor([2.6, 1.6, 1.3, 0.8, 0.6, 0.5, 0.4])


@dataclass(slots=True)
class Examples:
    """Streams of the shards that have been read, as `features.make_shard` made them."""

    mel: list[np.ndarray]  # [2 * steps, BANDS] float16, for each stream
    curves: list[np.ndarray]  # [steps, CURVES] uint8, 255 is 1
    phonemes: list[np.ndarray]  # [steps] uint8
    shard_names: set[str]

    def read_new(self, folder: Path) -> None:
        """Read the shards that are new: some may be written while the training runs."""
        for path in sorted(folder.glob("[0-9][0-9][0-9][0-9].npz")):
            if path.name not in self.shard_names:
                self.shard_names.add(path.name)
                self._read(path)

    def _read(self, path: Path) -> None:
        with np.load(path) as arrays:
            ends = np.cumsum(arrays["lengths"])[:-1]
            self.mel += np.split(arrays["mel"], 2 * ends)
            self.curves += np.split(arrays["curves"], ends)
            self.phonemes += np.split(arrays["sounds"], ends)

    def batch(self, size: int, rng: np.random.Generator) -> "Batch":
        """Return ``size`` random cuts of the streams, padded with silence."""
        mel = np.full((size, 2 * STEPS, BANDS), SILENCE, np.float32)
        curves = np.zeros((size, LAGS - 1 + STEPS, len(CURVES)), np.float32)
        curves[:, :, CURVES.index("rest")] = 1
        phonemes = np.zeros((size, LAGS - 1 + STEPS), np.int64)
        weights = np.ones((size, STEPS), np.float32)
        for row, stream in enumerate(rng.integers(0, len(self.mel), size)):
            # The audio of step n ends 20 ms after the time of n, which is the time of
            # step n + 1: the targets begin one step later than the log-mels.
            targets, stream_mel = self.curves[stream], self.mel[stream]
            at = int(rng.integers(0, max(1, len(targets) - STEPS)))
            count = min(STEPS, len(targets) - at - 1)
            mel[row, : 2 * count] = stream_mel[2 * at : 2 * (at + count)]
            first = at + 1 - (LAGS - 1)
            skip = max(0, -first)
            cut = slice(first + skip, at + 1 + count)
            curves[row, skip : LAGS - 1 + count] = targets[cut] / 255
            phonemes[row, skip : LAGS - 1 + count] = self.phonemes[stream][cut]
            weights[row, : _COLD_STEPS if at else 0] = _COLD_WEIGHT
            weights[row, count:] = 0
        return Batch(*map(torch.from_numpy, (mel, curves, phonemes, weights)))


@dataclass(slots=True)
class Batch:
    """Examples for one step of the optimizer."""

    mel: Tensor  # [B, 2 STEPS, BANDS]
    curves: Tensor  # [B, LAGS - 1 + STEPS, CURVES]
    phonemes: Tensor  # [B, LAGS - 1 + STEPS]
    step_weights: Tensor  # [B, STEPS]

    def to(self, device: torch.device) -> "Batch":
        return Batch(*(getattr(self, n).to(device) for n in self.__slots__))


def augment_mels(mel: Tensor) -> Tensor:
    """Return log-mels ``[B, T, BANDS]`` with random changes that spectra allow cheaply.

    They imitate other vocal tracts, tilts, levels and noise, and cut out bands.
    """
    batch, _, bands = mel.shape
    stretch = torch.empty(batch, 1).uniform_(0.87, 1.08)
    shift = torch.empty(batch, 1).uniform_(-0.8, 0.8)
    place = (torch.arange(float(bands)) * stretch + shift).clamp(0, bands - 1.001)
    low = place.floor().long()
    share = (place - low)[:, None]

    def band(at: Tensor) -> Tensor:
        return mel.gather(2, at[:, None].expand_as(mel))

    result = torch.lerp(band(low), band(low + 1), share.expand_as(mel))
    result += 0.06 * torch.randn(batch, 1, bands).cumsum(2) * torch.rand(batch, 1, 1)
    result += torch.empty(batch, 1, 1).uniform_(-0.4, 0.4)
    result += torch.randn_like(result) * torch.rand(batch, 1, 1) * 0.2
    for row in range(0, batch, 3):
        first = int(torch.randint(0, bands - 6, ()))
        result[row, :, first : first + int(torch.randint(1, 7, ()))] = result[
            row
        ].mean()
    return result.clamp(min=SILENCE)


def loss(
    output: NetworkOutput, batch: Batch, phoneme_weight: float = PHONEME_WEIGHT
) -> Tensor:
    """Return the weighted loss of all look-aheads, curves and phonemes."""
    lag_weights = _LAG_WEIGHTS.to(batch.step_weights.device)
    step_weights = batch.step_weights[:, :, None] * lag_weights  # [B, STEPS, LAGS]
    weights = step_weights[..., None]
    # The target of output k at step j is at index LAGS - 1 + j - k.
    targets = batch.curves.unfold(1, LAGS, 1).flip(3).transpose(2, 3)
    curve_weights = torch.tensor(
        [_CURVE_WEIGHTS[name] for name in CURVES], device=targets.device
    )
    levels = output.curves[..., _LEVEL_INDICES].sigmoid()
    error = levels - targets[..., _LEVEL_INDICES]
    level_weights = curve_weights[_LEVEL_INDICES]
    squares = (error.square() * level_weights * weights).mean()
    # The error of the velocity keeps the curves smooth.
    velocity = (error[:, 1:] - error[:, :-1]).square()
    squares = squares + 2 * (velocity * level_weights * weights[:, 1:]).mean()
    binary = F.binary_cross_entropy_with_logits(
        output.curves[..., _BINARY_INDICES],
        targets[..., _BINARY_INDICES],
        reduction="none",
    )
    binary = (binary * curve_weights[_BINARY_INDICES] * weights).mean()
    classes = batch.phonemes.unfold(1, LAGS, 1).flip(2)
    entropy = F.cross_entropy(
        output.phonemes.flatten(0, 2),
        classes.flatten(),
        reduction="none",
        label_smoothing=0.05,
    )
    entropy = (entropy.view_as(classes) * step_weights).mean()
    return squares + binary + phoneme_weight * entropy


def rate(step: int, steps: int, max_rate: float = MAX_RATE) -> float:
    """Return the learning rate: a linear warm-up, then a cosine decay."""
    decay = 0.5 + 0.5 * math.cos(math.pi * min(1.0, step / steps))
    warm_up_steps = max(1, min(_WARM_UP_STEPS, steps // 20))
    return max(_MIN_RATE, max_rate * min(1.0, (step + 1) / warm_up_steps) * decay)


def product_type(device: torch.device, processor: Path = _PROCESSOR) -> torch.dtype:
    """Return the type that the network's products are fastest in."""
    if device.type != "cpu":
        return torch.bfloat16
    words = processor.read_text().split() if processor.exists() else []
    return torch.float32 if _BFLOAT16_FLAGS.isdisjoint(words) else torch.bfloat16


def shut_more_readily(network: nn.Module, logit: float) -> None:
    """Add ``logit`` to that of the curve "shut" of a `Network`, at each look-ahead."""
    biases = network.state_dict()["_curves.bias"].view(LAGS, len(CURVES))
    biases[:, CURVES.index("shut")] += logit


class Training:
    """State of a training run: all that a checkpoint saves."""

    def __init__(self, folder: Path, seed: int, device: torch.device) -> None:
        torch.manual_seed(seed)
        self.folder, self.device = folder, device
        self._product_type = product_type(device)
        self.rng = np.random.default_rng(seed)
        self.network = Network().to(device)
        ema = get_ema_multi_avg_fn(_EMA)  # type: ignore[no-untyped-call] # torch's
        self.mean = AveragedModel(self.network, multi_avg_fn=ema)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), MAX_RATE, weight_decay=0.02, betas=(0.9, 0.98)
        )
        self.step = 0
        self._checkpoint = folder / "checkpoint.pt"
        if self._checkpoint.exists():
            self._resume()

    def _resume(self) -> None:
        state = torch.load(self._checkpoint, map_location=self.device)
        self.network.load_state_dict(state["network"])
        self.mean.load_state_dict(state["mean"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]
        if "chance" in state:
            self.rng.bit_generator.state = state["chance"]
            torch.set_rng_state(state["torch_chance"].cpu())
        else:  # Checkpoints may lack the state of the random generators.
            self.rng = np.random.default_rng(self.step)

    def save(self) -> None:
        """Write the checkpoint, and the averaged weights as ``lips.npz``."""
        partial = self._checkpoint.with_suffix(".part")
        torch.save(
            {
                "network": self.network.state_dict(),
                "mean": self.mean.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "step": self.step,
                "chance": self.rng.bit_generator.state,
                "torch_chance": torch.get_rng_state(),
            },
            partial,
        )
        partial.rename(self._checkpoint)
        save_network(self._to_use(), self.folder / "lips.npz")

    def _to_use(self) -> nn.Module:
        """Return the averaged network, with lips that shut more readily."""
        network: nn.Module = copy.deepcopy(self.mean.module)
        shut_more_readily(network, _SHUT_BIAS)
        return network

    def start_from(self, weights: Path) -> None:
        """Take the weights as initial ones, unless a checkpoint has been loaded."""
        if not self.step:
            state = load_network(weights).state_dict()
            self.network.load_state_dict(state)
            self.mean.module.load_state_dict(state)

    def train_step(
        self,
        batch: Batch,
        steps: int,
        max_rate: float = MAX_RATE,
        phoneme_weight: float = PHONEME_WEIGHT,
    ) -> float:
        """Do one step of ``steps`` in all; return the loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate(self.step, steps, max_rate)
        batch.mel = augment_mels(batch.mel)
        batch = batch.to(self.device)
        state = self.network.initial_state().to(self.device).expand(len(batch.mel), -1)
        rounded = self._product_type is torch.bfloat16
        with torch.autocast(self.device.type, torch.bfloat16, enabled=rounded):
            output, _ = self.network(batch.mel, state)
        output = NetworkOutput(output.curves.float(), output.phonemes.float())
        batch_loss = loss(output, batch, phoneme_weight)
        self.optimizer.zero_grad()
        batch_loss.backward()  # type: ignore[no-untyped-call] # torch's
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.mean.update_parameters(self.network)
        self.step += 1
        return float(batch_loss.detach())


def run(args: argparse.Namespace) -> Iterator[dict[str, float]]:
    """Train, and yield a line of the log after every ``report`` steps.

    Checkpoint and weights are saved before each line.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    args.folder.mkdir(parents=True, exist_ok=True)
    training = Training(args.folder, args.seed, device)
    if args.begin_with:
        training.start_from(args.begin_with)
    examples = Examples([], [], [], set())
    started_s, first_step, losses = time.monotonic(), training.step, []
    while training.step < args.steps:
        if training.step % args.report == 0 or not examples.mel:
            examples.read_new(args.shards)
        if not examples.mel:
            raise SystemExit(
                f"train: no shards in {args.shards}. Make them with "
                f"python -m training.features --folder {args.shards}"
            )
        batch = examples.batch(args.batch, training.rng)
        losses.append(
            training.train_step(batch, args.steps, args.rate, args.phoneme_weight)
        )
        if training.step % args.report == 0 or training.step == args.steps:
            training.save()
            seconds = time.monotonic() - started_s
            step_s = seconds / (training.step - first_step)
            yield {
                "step": training.step,
                "loss": round(float(np.mean(losses)), 4),
                "seconds": round(seconds),
                "seconds_left": round(step_s * (args.steps - training.step)),
                "hours": round(sum(map(len, examples.curves)) * 0.02 / 3600, 1),
            }
            losses = []


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m training.train", description="Train the driver's network."
    )
    parser.add_argument("--shards", type=Path, required=True, help="folder of shards")
    parser.add_argument(
        "--folder", type=Path, required=True, help="folder for checkpoint and weights"
    )
    parser.add_argument("--steps", type=int, default=PLANNED_STEPS)
    parser.add_argument("--batch", type=int, default=40, help="examples in a batch")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--report", type=int, default=200, help="steps between two saves"
    )
    parser.add_argument(
        "--threads", type=int, default=0, help="threads of torch; 0: its default"
    )
    parser.add_argument(
        "--rate", type=float, default=MAX_RATE, help="maximum learning rate"
    )
    parser.add_argument(
        "--phoneme-weight",
        type=float,
        default=PHONEME_WEIGHT,
        help=f"weight of the phonemes in the loss (default: {PHONEME_WEIGHT})",
    )
    parser.add_argument(
        "--begin-with", type=Path, metavar="NPZ", help="initial weights"
    )
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    args.folder.mkdir(parents=True, exist_ok=True)
    with args.folder.with_name(f"{args.folder.name}.log").open("a") as log:
        for line in run(args):
            print(json.dumps(line), flush=True)
            log.write(json.dumps(line) + "\n")
            log.flush()


if __name__ == "__main__":
    main()
