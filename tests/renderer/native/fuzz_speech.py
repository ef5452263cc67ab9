"""
Fuzzing of the native lip-sync driver: any audio, look-aheads, batches and weights. The
analysis of voices gets audio too.

Whatever it is given, it makes no wrong access to memory, which `tools.sanitized`
notices, and its faces are weights 0..1.

Usage: python -m tests.renderer.native.fuzz_speech [CALLS [SEED]]
"""

import random
import sys
import tempfile
from pathlib import Path

import torch

from renderer.life.native_voice import NativeVoice, VoiceLibrary
from renderer.native.library import library_for
from renderer.speech.driver import AudioChunk
from renderer.speech.native_driver import NativeLipsDriver
from renderer.speech.network import Network, save_network
from renderer.speech.network_shape import WEIGHTS

_CALLS_PER_DRIVER = 40
_COUNTS = (0, 1, 239, 240, 479, 480, 481, 960, 7679, 7680, 7681, 30_000)
_LOOKAHEADS = (0, 1, -1, 480, 960, 2880, -480, 10**9, -(10**9), 2**63 - 1, -(2**63))
_LEVELS = (0.0, 1e-30, 1e-4, 0.1, 1.0, 15.9, 1e5, 1e38)
_ODD = (float("nan"), float("inf"), -float("inf"), 3e38, -1e-42)
_SPREADS = (0.01, 0.1, 1.0, 100.0, 9_900.0)  # largest weight, of at most 10000


def fuzz(calls: int, seed: int) -> None:
    """Call drivers of random weights ``calls`` times."""
    rng, generator = random.Random(seed), torch.Generator().manual_seed(seed)
    library = library_for("cpu", native=True)
    assert library is not None
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "random.npz"
        for first in range(0, calls, _CALLS_PER_DRIVER):
            _write_weights(weights, rng, generator)
            path = WEIGHTS if rng.random() < 0.2 else weights
            driver = NativeLipsDriver(library, path)
            _analyse(NativeVoice(VoiceLibrary(library)), rng)
            _call(driver, min(_CALLS_PER_DRIVER, calls - first), rng, generator)


def _write_weights(path: Path, rng: random.Random, generator: torch.Generator) -> None:
    network = Network()
    for weight in network.state_dict().values():
        spread = rng.choice(_SPREADS)
        weight.uniform_(-spread, spread, generator=generator)
    save_network(network, path)


def _call(
    driver: NativeLipsDriver, calls: int, rng: random.Random, generator: torch.Generator
) -> None:
    states = [driver.begin() for _ in range(40)]
    for _ in range(calls):
        chosen = rng.sample(states, rng.randrange(len(states)))
        if chosen and rng.random() < 0.05:
            chosen.append(chosen[0])  # the same turn twice in a batch
        chunks = [_chunk(rng, generator) for _ in chosen]
        faces = driver.drive(chosen, chunks)
        assert faces.shape == (len(chosen), 57)
        assert bool(((faces >= 0) & (faces <= 1)).all()), faces
        if rng.random() < 0.2:
            states[rng.randrange(len(states))] = driver.begin()


def _analyse(voice: NativeVoice, rng: random.Random) -> None:
    for _ in range(_CALLS_PER_DRIVER):
        pcm = rng.randbytes(rng.choice(_COUNTS) if rng.random() < 0.2 else 1920)
        steps = voice.feed(rng.choice((pcm, bytes(len(pcm)), b"\xff\x7f" * len(pcm))))
        assert all(-120 < step.level < 20 for step in steps)


def _chunk(rng: random.Random, generator: torch.Generator) -> AudioChunk:
    count = rng.choice(_COUNTS) if rng.random() < 0.2 else rng.randrange(2000)
    pcm = torch.empty(count).uniform_(-1, 1, generator=generator) * rng.choice(_LEVELS)
    if count and rng.random() < 0.2:
        pcm[rng.randrange(count)] = rng.choice(_ODD)
    if rng.random() < 0.3:
        return AudioChunk(pcm, rng.choice(_LOOKAHEADS))
    return AudioChunk(pcm, rng.randrange(-1000, 4000))


def main() -> None:
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(2**32)
    print(f"{calls} calls, seed {seed}", flush=True)
    fuzz(calls, seed)
    print("no fault")


if __name__ == "__main__":
    main()
