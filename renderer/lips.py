"""
The driver that hears words: the network of `renderer.network` behind the driver seam.

It uses what sound has come and never waits for more.  Each frame takes the read-out
that has heard the most, up to 80 ms past the moment that it shows; when that changes,
because sound comes in bursts or runs short, what is left of the difference fades within
a few frames, so that no step is seen.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from renderer.driver import Heard
from renderer.mel import HOP, WINDOW, log_mel
from renderer.mouthing import faces
from renderer.network import CURVES, LAGS, STEP, Network, Said
from renderer.weights import load

WEIGHTS = Path(__file__).parent / "lips.safetensors"
BEST_LAG = 4  # steps; more than 80 ms of future no longer helps
_KEPT = 2 * LAGS + 4  # steps of read-outs: more than may lie ahead of a frame
_FADE = 0.06  # s in which a difference between read-outs falls to 1/e
_RATE = 24_000
_BEFORE = WINDOW - HOP  # samples that a step hears besides its own


@dataclass(slots=True, eq=False)
class Listener:
    """State of one turn. Times are in samples since the turn began."""

    pcm: Tensor  # [n]: what the next step hears, as far as it has come
    memory: Tensor  # [S] of the network
    said: Tensor  # [LAGS, len(CURVES)] of each recent step: [_KEPT, ..], newest last
    steps: int = 0  # heard so far
    heard: int = 0  # samples received so far
    moment: int = 0  # of the face made last
    lag: int = -1  # read-out used last
    shown: Tensor | None = None  # [len(CURVES)] made last
    # What is left of the last change of read-outs:
    slip: Tensor = field(default_factory=lambda: torch.zeros(len(CURVES)))


class LipsDriver:
    """
    Speech to faces, at any frame rate.

    ``best_lag`` bounds the look-ahead used, in steps of 20 ms.
    """

    def __init__(self, weights: Path = WEIGHTS, *, best_lag: int = BEST_LAG) -> None:
        self._network = _network(weights)
        self._best_lag = min(best_lag, LAGS - 1)
        with torch.inference_mode():
            self._rest = self._network.rest()
            self._nothing = torch.zeros(_KEPT, LAGS, len(CURVES))
            self._nothing[..., CURVES.index("rest")] = 1.0

    def begin(self) -> Listener:
        return Listener(torch.zeros(_BEFORE), self._rest, self._nothing)

    @torch.inference_mode()
    def drive(self, states: Sequence[Listener], heard: Sequence[Heard]) -> Tensor:
        for listener, new in zip(states, heard, strict=True):
            listener.pcm = torch.cat([listener.pcm, new.pcm])
            listener.heard += len(new.pcm)
        self._listen(states)
        curves = [
            self._curves(listener, listener.heard - new.lead)
            for listener, new in zip(states, heard, strict=True)
        ]
        return faces(torch.stack(curves))

    def _listen(self, listeners: Sequence[Listener]) -> None:
        """Run the network over all whole steps that have come, those alike together."""
        waiting: dict[int, list[Listener]] = {}
        for listener in listeners:
            steps = (len(listener.pcm) - _BEFORE) // STEP
            if steps:
                waiting.setdefault(steps, []).append(listener)
        for steps, alike in waiting.items():
            self._hear(alike, steps)

    def _hear(self, listeners: Sequence[Listener], steps: int) -> None:
        used = steps * STEP
        pcm = torch.stack([each.pcm[: _BEFORE + used] for each in listeners])
        memory = torch.stack([each.memory for each in listeners])
        said, memory = self._network(log_mel(pcm), memory)
        for listener, new, after in zip(listeners, spoken(said), memory, strict=True):
            listener.said = torch.cat([listener.said, new])[-_KEPT:]
            listener.memory = after
            listener.pcm = listener.pcm[used:]
            listener.steps += steps

    def _curves(self, listener: Listener, moment: int) -> Tensor:
        """What the mouth does at ``moment``, without a step where read-outs change."""
        place = moment / STEP
        lag = max(0, min(self._best_lag, listener.steps - math.floor(place) - 1))
        now = _read(listener, place, lag)
        if listener.shown is not None and lag != listener.lag:
            listener.slip = listener.shown - _read(
                listener, listener.moment / STEP, lag
            )
        passed_s = (moment - listener.moment) / _RATE
        listener.slip = listener.slip * math.exp(-max(0.0, passed_s) / _FADE)
        listener.lag, listener.moment = lag, moment
        listener.shown = (now + listener.slip).clamp(0, 1)
        return listener.shown


def _read(listener: Listener, place: float, lag: int) -> Tensor:
    """Curves at ``place``, in steps, by the read-out that hears ``lag`` steps more."""
    first = math.floor(place)
    rows = []
    for node in (first, first + 1):
        step = min(node + lag, listener.steps)  # the newest that may be asked
        back = min(max(step - node, 0), LAGS - 1)
        row = step - listener.steps + _KEPT - 1
        rows.append(listener.said[max(0, row), back])
    return torch.lerp(rows[0], rows[1], place - first)


def spoken(said: Said) -> Tensor:
    """Logits -> curves ``[.., len(CURVES)]``, 0..1."""
    return said.curves.sigmoid()


@cache
def _network(weights: Path) -> Network:
    network = Network()
    network.load_state_dict(load(weights))
    return network.eval()
