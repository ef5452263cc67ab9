"""
Lip-sync driver: runs `renderer.speech.network` as a `renderer.speech.driver.Driver`.

It uses the audio that has arrived and never waits for more. Each frame takes the
read-outs with the most look-ahead, up to 120 ms past the moment that the frame shows.
The available look-ahead changes when audio arrives in bursts or late. The read-outs
then change too, and the difference between the two faces is faded out within a few
frames, so that the mouth does not jump.
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
from renderer.speech.coarticulation import CONTEXT, Array, coarticulate
from renderer.speech.driver import AudioChunk
from renderer.speech.gain import SOFT_POWER, frame_gains
from renderer.speech.mel import HOP, WINDOW, log_mel
from renderer.speech.mouth_weights import mouth_weights
from renderer.speech.network import Network, NetworkOutput, load_network
from renderer.speech.network_shape import CURVES, LAGS, STEP, WEIGHTS
from renderer.speech.readouts import FADE_S, KEPT_STEPS, MAX_LAG, silent_outputs

_HISTORY = WINDOW - HOP  # samples before a step that its spectra also use
_CURVES = len(CURVES)


@dataclass(slots=True, eq=False)
class StreamState:
    """State of one turn. Positions are in samples from the start of the turn."""

    pcm: Tensor  # [n]: audio that the network has not run on, after _HISTORY samples
    memory: Tensor  # [S]: state of the network, on its device
    outputs: Array  # [KEPT_STEPS, LAGS, curves and phonemes], newest step last
    vowel_power: float = SOFT_POWER  # of the speaker, for the gain
    steps: int = 0  # on which the network has run
    consumed: int = 0  # samples that the driver was given
    moment: int = 0  # position that the latest face shows
    lag: int = -1  # read-out of the latest face; -1: there is no face yet
    face: Array = field(default_factory=lambda: np.zeros(SIZE, np.float32))  # latest
    # Part of the difference between two read-outs' faces that has not faded yet.
    residual: Array = field(default_factory=lambda: np.zeros(SIZE, np.float32))


@dataclass(frozen=True, slots=True)
class _Query:
    """Request for the face of one moment, with ``lag`` steps of look-ahead."""

    state: StreamState
    moment: int
    lag: int


class LipsDriver:
    """
    Lip-sync driver for any frame rate.

    The network runs on ``device``. The steps after it are small and run on the CPU.
    """

    def __init__(self, weights: Path = WEIGHTS, *, device: str = "cpu") -> None:
        self._device = torch.device(device)
        self._network = _network(weights, self._device)
        with torch.inference_mode():
            self._initial_memory = self._network.initial_state().to(self._device)
        self._silence = silent_outputs()

    def begin(self) -> StreamState:
        """Return the state of a new turn, as after silence."""
        return StreamState(torch.zeros(_HISTORY), self._initial_memory, self._silence)

    @torch.inference_mode()
    def drive(
        self, states: Sequence[StreamState], chunks: Sequence[AudioChunk]
    ) -> Tensor:
        """Return the next face of each turn, as in `renderer.speech.driver.Driver`."""
        for state, chunk in zip(states, chunks, strict=True):
            state.pcm = torch.cat([state.pcm, chunk.pcm])
            state.consumed += len(chunk.pcm)
        self._run_whole_steps(states)
        queries = [
            _query(state, state.consumed - chunk.lookahead_samples)
            for state, chunk in zip(states, chunks, strict=True)
        ]
        _start_crossfades(queries)
        faces = mouth_weights(_curves(queries))
        for query, face in zip(queries, faces, strict=True):
            _set_face(query, face)
        return torch.from_numpy(np.stack([state.face for state in states]))

    def _run_whole_steps(self, states: Sequence[StreamState]) -> None:
        """Run the network on all whole steps, in one batch for each number of steps."""
        by_steps: dict[int, list[StreamState]] = {}
        for state in states:
            steps = (len(state.pcm) - _HISTORY) // STEP
            if steps:
                by_steps.setdefault(steps, []).append(state)
        for steps, batch in by_steps.items():
            self._run(batch, steps)

    def _run(self, states: Sequence[StreamState], steps: int) -> None:
        length = steps * STEP
        pcm = torch.stack([state.pcm[: _HISTORY + length] for state in states])
        memory = torch.stack([state.memory for state in states])
        gains = np.stack([_gains(state, length) for state in states])
        mel = log_mel(pcm.to(self._device), torch.from_numpy(gains).to(self._device))
        output, memory = self._network(mel, memory)
        rows = _probabilities(output).cpu().numpy()
        for state, new_rows, new_memory in zip(states, rows, memory, strict=True):
            state.outputs = np.concatenate([state.outputs, new_rows])[-KEPT_STEPS:]
            state.memory = new_memory
            state.pcm = state.pcm[length:]
            state.steps += steps


def _gains(state: StreamState, length: int) -> Array:
    """Return the gain of each spectrum of the next ``length`` samples."""
    audio = state.pcm[_HISTORY : _HISTORY + length].numpy()
    gains, state.vowel_power = frame_gains(audio, state.vowel_power)
    return gains


def _query(state: StreamState, moment: int) -> _Query:
    ahead = state.steps - moment // STEP - 1
    return _Query(state, moment, max(0, min(MAX_LAG, ahead)))


def _start_crossfades(queries: Sequence[_Query]) -> None:
    """
    Set the residual where the read-out changes: latest face minus new face.

    The new face is computed for the moment of the latest one, so that the residual does
    not contain movement of the mouth.
    """
    changed = [
        _Query(query.state, query.state.moment, query.lag)
        for query in queries
        if query.state.lag not in (-1, query.lag)
    ]
    if changed:
        faces = mouth_weights(_curves(changed))
        for query, face in zip(changed, faces, strict=True):
            query.state.residual = query.state.face - face


def _set_face(query: _Query, face: Array) -> None:
    state = query.state
    elapsed_s = max(0, query.moment - state.moment) / SAMPLE_RATE
    state.residual = state.residual * math.exp(-elapsed_s / FADE_S)
    state.lag, state.moment = query.lag, query.moment
    state.face = np.clip(face + state.residual, 0, 1)


def _curves(queries: Sequence[_Query]) -> Array:
    """
    Return the curves of each mouth at its moment: ``[B, len(CURVES)]``.

    They are interpolated between the two nodes, a step apart, around the moment.
    """
    rows, lags, known, fractions = [], [], [], []
    for query in queries:
        step, remainder = divmod(query.moment, STEP)
        for node in (step, step + 1):
            located = [_locate(query, node + offset) for offset in CONTEXT]
            rows.append([row for row, _, _ in located])
            lags.append([lag for _, lag, _ in located])
            known.append([is_known for _, _, is_known in located])
        fractions.append(remainder / STEP)
    shape = (-1, len(CONTEXT))
    outputs = np.stack([query.state.outputs for query in queries])
    streams = np.repeat(np.arange(len(queries)), 2)[:, None]
    values = outputs[
        streams, np.array(rows).reshape(shape), np.array(lags).reshape(shape)
    ]
    now = values[:, CONTEXT.index(0), :_CURVES]
    nodes = coarticulate(
        now, values[..., _CURVES:], np.array(known, np.float32).reshape(shape)
    )
    fraction = np.array(fractions, np.float32)[:, None]
    curves: Array = nodes[::2] + fraction * (nodes[1::2] - nodes[::2])
    return curves


def _locate(query: _Query, node: int) -> tuple[int, int, bool]:
    """
    Return row and read-out of step ``node`` in ``outputs``, and whether it is known.

    No output later than ``query.lag`` steps after the node that follows the moment is
    used, so that every node of a query has the same audio behind it.
    """
    state = query.state
    next_node = query.moment // STEP + 1
    newest = min(next_node + query.lag, state.steps)
    lag = min(max(newest - node, 0), LAGS - 1)
    row = node + lag - state.steps + KEPT_STEPS - 1
    is_known = node <= newest or node <= next_node
    return min(max(row, 0), KEPT_STEPS - 1), lag, is_known


def _probabilities(output: NetworkOutput) -> Tensor:
    """Convert logits to curves 0..1 and likelihoods of phonemes, concatenated."""
    return torch.cat([output.curves.sigmoid(), output.phonemes.softmax(-1)], -1)


@cache
def _network(weights: Path, device: torch.device) -> Network:
    network = load_network(weights)
    # TF32 would make faces differ between CPU and CUDA by more than rounding.
    torch.backends.cudnn.allow_tf32 = False
    return network.eval().to(device)
