"""
Lip-sync driver: runs the network of `renderer.speech.network` as a `Driver`.

It uses what sound has come and never waits for more.  Each frame takes the read-outs
that have heard the most, up to 120 ms past the moment that it shows; when that changes,
because sound comes in bursts or runs short, what is left of the difference between the
faces fades within a few frames, so that no step is seen.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from renderer.face import SIZE
from renderer.frames import SAMPLE_RATE
from renderer.speech.coarticulation import AROUND, Array, pulled
from renderer.speech.driver import AudioChunk
from renderer.speech.gain import SOFT, frame_gains
from renderer.speech.mel import HOP, WINDOW, log_mel
from renderer.speech.mouth_weights import faces
from renderer.speech.network import CURVES, LAGS, STEP, Network, NetworkOutput
from renderer.speech.phonemes import SOUNDS
from renderer.speech.weights import BadWeights, load

WEIGHTS = Path(__file__).parent / "lips.safetensors"
_BEST_LAG = LAGS - 2  # steps past the node after a moment: 100 to 120 ms of future
_KEPT = 2 * LAGS + 6  # steps of read-outs: more than may lie ahead of a frame
_FADE_S = 0.06  # in which a difference between read-outs falls to 1/e
_BEFORE = WINDOW - HOP  # samples that a step hears besides its own
_CURVES = len(CURVES)
_HOST = torch.device("cpu")


@dataclass(slots=True, eq=False)
class StreamState:
    """State of one turn. Times are in samples since the turn began."""

    pcm: Tensor  # [n]: what the next step hears, as far as it has come
    memory: Tensor  # [S] of the network, on its device
    said: Array  # [_KEPT, LAGS, curves and sounds] of the latest steps, newest last
    loud: float = SOFT  # the power of what was spoken
    steps: int = 0  # heard so far
    heard: int = 0  # samples received so far
    moment: int = 0  # of the face made last
    lag: int = -1  # read-out used last; -1: none yet
    shown: Array = field(default_factory=lambda: np.zeros(SIZE, np.float32))
    # What is left of the last change of read-outs:
    slip: Array = field(default_factory=lambda: np.zeros(SIZE, np.float32))


@dataclass(frozen=True, slots=True)
class _Query:
    """A moment of one listener, by the read-out that hears ``lag`` steps more."""

    listener: StreamState
    moment: int
    lag: int


class LipsDriver:
    """
    Speech to faces, at any frame rate.

    The network runs on ``device``; the little that is made of what it says stays on
    the host.
    """

    def __init__(
        self, weights: Path = WEIGHTS, *, device: torch.device = _HOST
    ) -> None:
        self._device = device
        self._network = _network(weights, device)
        with torch.inference_mode():
            self._rest = self._network.rest().to(device)
        self._nothing = np.zeros((_KEPT, LAGS, _CURVES + len(SOUNDS)), np.float32)
        self._nothing[..., CURVES.index("rest")] = 1.0
        self._nothing[..., _CURVES + SOUNDS.index("SIL")] = 1.0

    def begin(self) -> StreamState:
        return StreamState(torch.zeros(_BEFORE), self._rest, self._nothing)

    @torch.inference_mode()
    def drive(
        self, states: Sequence[StreamState], chunks: Sequence[AudioChunk]
    ) -> Tensor:
        for listener, new in zip(states, chunks, strict=True):
            listener.pcm = torch.cat([listener.pcm, new.pcm])
            listener.heard += len(new.pcm)
        self._listen(states)
        glances = [
            _glance(listener, listener.heard - new.lookahead_samples)
            for listener, new in zip(states, chunks, strict=True)
        ]
        _keep_smooth(glances)
        for glance, face in zip(glances, faces(_curves(glances)), strict=True):
            _show(glance, face)
        return torch.from_numpy(np.stack([each.shown for each in states]))

    def _listen(self, listeners: Sequence[StreamState]) -> None:
        """Run the network over all whole steps that have come, those alike together."""
        waiting: dict[int, list[StreamState]] = {}
        for listener in listeners:
            steps = (len(listener.pcm) - _BEFORE) // STEP
            if steps:
                waiting.setdefault(steps, []).append(listener)
        for steps, alike in waiting.items():
            self._hear(alike, steps)

    def _hear(self, listeners: Sequence[StreamState], steps: int) -> None:
        used = steps * STEP
        pcm = torch.stack([each.pcm[: _BEFORE + used] for each in listeners])
        memory = torch.stack([each.memory for each in listeners])
        gain = torch.from_numpy(np.stack([_gain(each, used) for each in listeners]))
        mel = log_mel(pcm.to(self._device), gain.to(self._device))
        said, memory = self._network(mel, memory)
        told = _known(said).cpu().numpy()
        for listener, new, after in zip(listeners, told, memory, strict=True):
            listener.said = np.concatenate([listener.said, new])[-_KEPT:]
            listener.memory = after
            listener.pcm = listener.pcm[used:]
            listener.steps += steps


def _gain(listener: StreamState, used: int) -> Array:
    """By how much to turn up each frame of the next ``used`` samples."""
    new = listener.pcm[_BEFORE : _BEFORE + used].numpy()
    gains, listener.loud = frame_gains(new, listener.loud)
    return gains


def _glance(listener: StreamState, moment: int) -> _Query:
    ahead = listener.steps - moment // STEP - 1
    return _Query(listener, moment, max(0, min(_BEST_LAG, ahead)))


def _keep_smooth(glances: Sequence[_Query]) -> None:
    """
    Where read-outs change: note how far the new one is from what was shown.

    Both are asked for the moment that was shown last, so that only their difference
    counts and no movement of the mouth.
    """
    changed = [
        _Query(each.listener, each.listener.moment, each.lag)
        for each in glances
        if each.listener.lag not in (-1, each.lag)
    ]
    if changed:
        for glance, face in zip(changed, faces(_curves(changed)), strict=True):
            glance.listener.slip = glance.listener.shown - face


def _show(glance: _Query, face: Array) -> None:
    listener = glance.listener
    passed_s = max(0, glance.moment - listener.moment) / SAMPLE_RATE
    listener.slip = listener.slip * math.exp(-passed_s / _FADE_S)
    listener.lag, listener.moment = glance.lag, glance.moment
    listener.shown = np.clip(face + listener.slip, 0, 1)


def _curves(glances: Sequence[_Query]) -> Array:
    """What each mouth does at its moment: ``[B, len(CURVES)]``."""
    rows, lags, known, shares = [], [], [], []
    for glance in glances:
        step, into = divmod(glance.moment, STEP)
        for node in (step, step + 1):
            places = [_place(glance, node + around) for around in AROUND]
            rows.append([row for row, _, _ in places])
            lags.append([lag for _, lag, _ in places])
            known.append([there for _, _, there in places])
        shares.append(into / STEP)
    shape = (-1, len(AROUND))
    at, back = np.array(rows).reshape(shape), np.array(lags).reshape(shape)
    said = np.stack([glance.listener.said for glance in glances])
    who = np.repeat(np.arange(len(glances)), 2)[:, None]
    read = said[who, at, back]
    there = np.array(known, np.float32).reshape(shape)
    now = read[:, AROUND.index(0), :_CURVES]
    nodes = pulled(now, read[..., _CURVES:], there)
    share = np.array(shares, np.float32)[:, None]
    between: Array = nodes[::2] + share * (nodes[1::2] - nodes[::2])
    return between


def _place(glance: _Query, node: int) -> tuple[int, int, bool]:
    """
    Row and read-out that tell of step ``node``, and whether there are any.

    All by the sound that is known ``lag`` steps past the moment, and no later.
    """
    newest = min(glance.moment // STEP + 1 + glance.lag, glance.listener.steps)
    lag = min(max(newest - node, 0), LAGS - 1)
    row = node + lag - glance.listener.steps + _KEPT - 1
    there = node <= newest or node <= glance.moment // STEP + 1
    return min(max(row, 0), _KEPT - 1), lag, there


def _known(said: NetworkOutput) -> Tensor:
    """Logits -> curves 0..1 and likelihoods of sounds, side by side."""
    return torch.cat([said.curves.sigmoid(), said.sounds.softmax(-1)], -1)


@cache
def _network(weights: Path, device: torch.device) -> Network:
    network = Network()
    try:
        network.load_state_dict(load(weights))
    except RuntimeError as wrong:
        raise BadWeights(f"{weights} is of another network: {wrong}") from None
    # Faces must not depend on the device by more than rounding.
    torch.backends.cudnn.allow_tf32 = False
    return network.eval().to(device)
