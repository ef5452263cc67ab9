"""
``python -m training.train``: the network learns from shards, and can be ended any time.

All seven look-aheads are learnt in one pass: at each step, read-out k is asked what the
mouth did k steps ago.  What is saved is the slow mean of the weights.
"""

import argparse
import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from renderer.speech.mel import BANDS, SILENCE
from renderer.speech.network import (
    CURVES,
    LAGS,
    Network,
    NetworkOutput,
    load_network,
    save_network,
)

PLANNED_STEPS = 14_000  # of learning
STEPS = 176  # of 20 ms in an example
_UNSURE = 30  # first ones, at which it has not heard what came before
_EMA = 0.998
RATE, _LEAST_RATE = 2e-3, 2e-5
_WARM = 300
_WEIGHTS = {  # of the curves; the first kind by squares, the second yes or no
    **{"jaw": 3.0, "round": 3.0, "funnel": 2.0, "spread": 1.5, "teeth": 0.7},
    **{"tongue": 0.5, "shut": 0.6, "bite": 0.6, "rest": 0.2},
}
_YES_NO = ("shut", "bite", "rest")
_LEVELS = [CURVES.index(name) for name in CURVES if name not in _YES_NO]
_BINARY = [CURVES.index(name) for name in _YES_NO]
_SOUND_WEIGHT = 0.2
# Of the read-outs: those that hear little ahead are used most, and are the hardest.
_LAG_WEIGHTS = torch.tensor([1.5, 1.3, 1.1, 0.9, 0.8, 0.7, 0.7])


@dataclass(slots=True)
class Examples:
    """What was read of the shards so far; streams one after the other."""

    mel: list[np.ndarray]
    curves: list[np.ndarray]
    sounds: list[np.ndarray]
    seen: set[str]

    def read_new(self, folder: Path) -> None:
        """Shards may appear while the training runs."""
        for path in sorted(folder.glob("[0-9][0-9][0-9][0-9].npz")):
            if path.name not in self.seen:
                self.seen.add(path.name)
                self._read(path)

    def _read(self, path: Path) -> None:
        with np.load(path) as saved:
            ends = np.cumsum(saved["lengths"])[:-1]
            self.mel += np.split(saved["mel"], 2 * ends)
            self.curves += np.split(saved["curves"], ends)
            self.sounds += np.split(saved["sounds"], ends)

    def batch(self, size: int, chance: np.random.Generator) -> "Batch":
        mel = np.full((size, 2 * STEPS, BANDS), SILENCE, np.float32)
        curves = np.zeros((size, LAGS - 1 + STEPS, len(CURVES)), np.float32)
        curves[:, :, CURVES.index("rest")] = 1
        sounds = np.zeros((size, LAGS - 1 + STEPS), np.int64)
        sure = np.ones((size, STEPS), np.float32)
        for row, place in enumerate(chance.integers(0, len(self.mel), size)):
            # What a step has heard ends 20 ms after its own number.
            said, heard = self.curves[place], self.mel[place]
            at = int(chance.integers(0, max(1, len(said) - STEPS)))
            count = min(STEPS, len(said) - at - 1)
            mel[row, : 2 * count] = heard[2 * at : 2 * (at + count)]
            first = at + 1 - (LAGS - 1)
            skip = max(0, -first)
            until = at + 1 + count
            curves[row, skip : LAGS - 1 + count] = said[first + skip : until] / 255
            sounds[row, skip : LAGS - 1 + count] = self.sounds[place][
                first + skip : until
            ]
            sure[row, : _UNSURE if at else 0] = 0.1
            sure[row, count:] = 0
        return Batch(*map(torch.from_numpy, (mel, curves, sounds, sure)))


@dataclass(slots=True)
class Batch:
    mel: Tensor  # [B, 2 STEPS, BANDS]
    curves: Tensor  # [B, LAGS - 1 + STEPS, CURVES]
    sounds: Tensor  # [B, LAGS - 1 + STEPS]
    sure: Tensor  # [B, STEPS]

    def to(self, device: torch.device) -> "Batch":
        return Batch(*(getattr(self, n).to(device) for n in self.__slots__))


def varied(mel: Tensor) -> Tensor:
    """Other vocal tracts, tilts, levels and holes, cheaply, on the spectra."""
    batch, _, bands = mel.shape
    stretch = torch.empty(batch, 1).uniform_(0.87, 1.08)
    shift = torch.empty(batch, 1).uniform_(-0.8, 0.8)
    place = (torch.arange(float(bands)) * stretch + shift).clamp(0, bands - 1.001)
    low = place.floor().long()
    share = (place - low)[:, None]

    def band(at: Tensor) -> Tensor:
        return mel.gather(2, at[:, None].expand_as(mel))

    made = torch.lerp(band(low), band(low + 1), share.expand_as(mel))
    made += 0.06 * torch.randn(batch, 1, bands).cumsum(2) * torch.rand(batch, 1, 1)
    made += torch.empty(batch, 1, 1).uniform_(-0.4, 0.4)
    made += torch.randn_like(made) * torch.rand(batch, 1, 1) * 0.2
    for row in range(0, batch, 3):
        first = int(torch.randint(0, bands - 6, ()))
        made[row, :, first : first + int(torch.randint(1, 7, ()))] = made[row].mean()
    return made.clamp(min=SILENCE)


def loss(said: NetworkOutput, batch: Batch) -> Tensor:
    """How wrong all read-outs are."""
    asked = batch.sure[:, :, None] * _LAG_WEIGHTS.to(batch.sure.device)
    sure = asked[..., None]
    # Read-out k of step j is asked for place LAGS - 1 + j - k.
    aim = batch.curves.unfold(1, LAGS, 1).flip(3).transpose(2, 3)
    weights = torch.tensor([_WEIGHTS[n] for n in CURVES], device=aim.device)
    levels = said.curves[..., _LEVELS].sigmoid()
    off = levels - aim[..., _LEVELS]
    w = weights[_LEVELS]
    squares = (off.square() * w * sure).mean()
    moved = (off[:, 1:] - off[:, :-1]).square()
    squares = squares + 2 * (moved * w * sure[:, 1:]).mean()
    yes_no = F.binary_cross_entropy_with_logits(
        said.curves[..., _BINARY], aim[..., _BINARY], reduction="none"
    )
    yes_no = (yes_no * weights[_BINARY] * sure).mean()
    spoken = batch.sounds.unfold(1, LAGS, 1).flip(2)
    named = F.cross_entropy(
        said.phonemes.flatten(0, 2),
        spoken.flatten(),
        reduction="none",
        label_smoothing=0.05,
    )
    named = (named.view_as(spoken) * asked).mean()
    return squares + yes_no + _SOUND_WEIGHT * named


def rate(step: int, steps: int, most: float = RATE) -> float:
    """Learning rate: up quickly, down as a cosine."""
    falling = 0.5 + 0.5 * math.cos(math.pi * min(1.0, step / steps))
    return max(_LEAST_RATE, most * min(1.0, (step + 1) / _WARM) * falling)


class Training:
    """All that has to be kept to go on later."""

    def __init__(self, folder: Path, seed: int, device: torch.device) -> None:
        torch.manual_seed(seed)
        self.folder, self.device = folder, device
        self.chance = np.random.default_rng(seed)
        self.network = Network().to(device)
        slowly = get_ema_multi_avg_fn(_EMA)  # type: ignore[no-untyped-call] # torch's
        self.mean = AveragedModel(self.network, multi_avg_fn=slowly)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), RATE, weight_decay=0.02, betas=(0.9, 0.98)
        )
        self.step = 0
        self._checkpoint = folder / "checkpoint.pt"
        if self._checkpoint.exists():
            self._resume()

    def _resume(self) -> None:
        kept = torch.load(self._checkpoint, map_location=self.device)
        self.network.load_state_dict(kept["network"])
        self.mean.load_state_dict(kept["mean"])
        self.optimizer.load_state_dict(kept["optimizer"])
        self.step = kept["step"]
        if "chance" in kept:
            self.chance.bit_generator.state = kept["chance"]
            torch.set_rng_state(kept["torch_chance"].cpu())
        else:  # a checkpoint that was saved without
            self.chance = np.random.default_rng(self.step)

    def save(self) -> None:
        half = self._checkpoint.with_suffix(".part")
        torch.save(
            {
                "network": self.network.state_dict(),
                "mean": self.mean.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "step": self.step,
                "chance": self.chance.bit_generator.state,
                "torch_chance": torch.get_rng_state(),
            },
            half,
        )
        half.rename(self._checkpoint)
        save_network(self.mean.module, self.folder / "lips.npz")

    def begin_with(self, weights: Path) -> None:
        """Learn on from these, unless something is learnt already."""
        if not self.step:
            state = load_network(weights).state_dict()
            self.network.load_state_dict(state)
            self.mean.module.load_state_dict(state)

    def learn(self, batch: Batch, steps: int, most: float = RATE) -> float:
        for group in self.optimizer.param_groups:
            group["lr"] = rate(self.step, steps, most)
        batch.mel = varied(batch.mel)
        batch = batch.to(self.device)
        state = self.network.initial_state().to(self.device).expand(len(batch.mel), -1)
        with torch.autocast(self.device.type, torch.bfloat16):
            said, _ = self.network(batch.mel, state)
        wrong = loss(NetworkOutput(said.curves.float(), said.phonemes.float()), batch)
        self.optimizer.zero_grad()
        wrong.backward()  # type: ignore[no-untyped-call] # torch's
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.mean.update_parameters(self.network)
        self.step += 1
        return float(wrong.detach())


def run(given: argparse.Namespace) -> Iterator[dict[str, float]]:
    """Lines of the log, one every few hundred steps; all is saved before each."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    given.folder.mkdir(parents=True, exist_ok=True)
    training = Training(given.folder, given.seed, device)
    if given.begin_with:
        training.begin_with(given.begin_with)
    examples = Examples([], [], [], set())
    began_s, wrong = time.monotonic(), []
    while training.step < given.steps:
        if training.step % given.report == 0 or not examples.mel:
            examples.read_new(given.shards)
        if not examples.mel:
            raise SystemExit(
                f"fit: no shards in {given.shards}; python -m training.features makes "
                f"them there with --folder {given.shards}"
            )
        batch = examples.batch(given.batch, training.chance)
        wrong.append(training.learn(batch, given.steps, given.rate))
        if training.step % given.report == 0 or training.step == given.steps:
            training.save()
            yield {
                "step": training.step,
                "loss": round(float(np.mean(wrong)), 4),
                "seconds": round(time.monotonic() - began_s),
                "hours": round(sum(map(len, examples.curves)) * 0.02 / 3600, 1),
            }
            wrong = []


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.train")
    parser.add_argument("--shards", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=PLANNED_STEPS)
    parser.add_argument("--batch", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--report", type=int, default=200)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--rate", type=float, default=RATE, help="of learning, at most")
    parser.add_argument("--begin-with", type=Path, help="weights to learn on from")
    given = parser.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    given.folder.mkdir(parents=True, exist_ok=True)
    with given.folder.with_name(f"{given.folder.name}.log").open("a") as log:
        for line in run(given):
            print(json.dumps(line), flush=True)
            log.write(json.dumps(line) + "\n")
            log.flush()


if __name__ == "__main__":
    main()
