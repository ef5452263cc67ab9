"""
``python -m training.features``: hard conditions, log-mels and targets, in shards.

A shard is some minutes of conversation: utterances of many voices with pauses between,
made other people's, sent through rooms and lines.  Each is made from its number alone,
so the command can be ended and called again.
"""

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soxr
import torch

from renderer.frames import SAMPLE_RATE
from renderer.speech.gain import SOFT, frame_gains
from renderer.speech.mel import HOP, WINDOW, log_mel
from renderer.speech.network import STEP
from training.augmentation import (
    augment,
    background_noise,
    breath,
    coloured_noise,
    hiss,
    music_or_tones,
)
from training.revoice import Source, drawn_out, revoice
from training.sounds import Phone
from training.speech import Utterance, load
from training.targets import curves, sounds

Array = npt.NDArray[Any]
Chance = np.random.Generator

PLANNED_HOURS = 34.0
SHARD_S = 600.0
_STREAM_S = (12.0, 24.0)
_UNSPOKEN = 0.06  # of the streams hold no voice
_DRAWN_OUT = 0.35  # of the other throats hold some vowels
_LEVEL = 0.1  # rms of a voice before anything happens to it
# Share of the utterances: the voices that people lent their spectra to come first.
_WEIGHT = {"espeak": 0.28, "flite": 0.36, "festival": 0.36}


@dataclass(slots=True)
class Piece:
    """Sound and what is spoken in it."""

    sound: Array
    phones: list[Phone]
    loudness: Array  # [steps] of 20 ms


def read(utterance: Utterance) -> Array:
    """``[n]`` float32 of 24 kHz at an even level."""
    x = utterance.sound()
    return x * (_LEVEL / (_voice_level(x) + 1e-6))


def _power(x: Array) -> Array:
    """The mean of each whole step's squares."""
    steps: Array = np.square(x[: len(x) // STEP * STEP]).reshape(-1, STEP).mean(1)
    return steps


def _voice_level(x: Array) -> float:
    """Root mean square of the louder half."""
    power = _power(x)
    return float(np.sqrt(power[power >= np.median(power)].mean()))


def piece(utterance: Utterance, chance: Chance, *, hard: bool) -> Piece:
    """One utterance, as somebody else may say it, faster or slower."""
    x, phones = read(utterance), list(utterance.phones)
    loud = _loudness(x)
    if hard and chance.random() < 0.4:
        if chance.random() < _DRAWN_OUT:
            x, phones, places = drawn_out(x, phones, source(chance), chance)
            loud = loud[(places[::STEP] / STEP).astype(int).clip(0, len(loud) - 1)]
        else:
            x = revoice(x, phones, source(chance), chance)
        x = x * (_LEVEL / (_voice_level(x) + 1e-6))
    if hard and chance.random() < 0.65:
        speed = chance.uniform(0.84, 1.2)
        x = soxr.resample(x, SAMPLE_RATE * speed, SAMPLE_RATE, quality="MQ")
        phones = [Phone(s, a / speed, b / speed, stress) for s, a, b, stress in phones]
        places = np.linspace(0, len(loud) - 1, max(1, len(x) // STEP))
        loud = np.interp(places, np.arange(len(loud)), loud)
    return Piece(x, phones, loud.astype(np.float32))


def _loudness(x: Array) -> Array:
    """Of each step against the voice's usual level, much flattened."""
    even = np.convolve(_power(x), np.hanning(11) / 5, "same")
    flat: Array = (np.sqrt(even + 1e-8) / _LEVEL) ** 0.3
    return flat


def source(chance: Chance) -> Source:
    """A speaker, a whisperer, a singer or somebody who shouts."""
    # Most of the synthesisers' voices are men's: others are rather shorter.
    tract = float(np.exp(chance.normal(-0.06, 0.11)))
    pitch = float(chance.uniform(75, 330))
    match chance.choice(4, p=(0.66, 0.1, 0.11, 0.13)):
        case 0:
            return Source(
                pitch, 0.12, tract=tract, breath=float(chance.uniform(0, 0.15))
            )
        case 1:
            return Source(0.0, 0.0, tract=tract, tilt_db=4)
        case 2:
            return Source(pitch * 1.3, 0.3, notes=True, tract=tract)
        case _:
            return Source(pitch * 1.5, 0.25, tract=tract, tilt_db=9, breath=0.1)


def stream(chosen: Sequence[Piece], chance: Chance, *, hard: bool) -> Piece:
    """Utterances one after the other, with pauses in which people breathe."""
    parts: list[Array] = []
    loud: list[Array] = []
    phones: list[Phone] = []
    steps = 0

    def put(sound: Array, level: Array, said: Sequence[Phone] = ()) -> None:
        nonlocal steps
        count = -(-len(sound) // STEP)
        padded = np.zeros(count * STEP, np.float32)
        padded[: len(sound)] = sound
        parts.append(padded)
        loud.append(np.resize(np.append(level, np.ones(count)), count))
        at = steps * STEP / SAMPLE_RATE
        phones.extend(Phone(s, a + at, b + at, stress) for s, a, b, stress in said)
        steps += count

    for each in chosen:
        put(_pause(chance), np.ones(1))
        gain = 10 ** (chance.uniform(-5, 5) / 20) if hard else 1.0
        put(each.sound * gain, each.loudness, each.phones)
    put(_pause(chance), np.ones(1))
    sound, level = np.concatenate(parts), np.concatenate(loud)
    return Piece(sound, phones, level.astype(np.float32))


def _pause(chance: Chance) -> Array:
    seconds = chance.choice((0.12, 0.45, 0.9, 3.0), p=(0.3, 0.33, 0.24, 0.13))
    length = round(seconds * chance.uniform(0.6, 1.4) * SAMPLE_RATE)
    made = np.zeros(length, np.float32)
    if seconds > 0.4 and chance.random() < 0.45:
        long = min(length - 2400, round(chance.uniform(0.15, 0.6) * SAMPLE_RATE))
        at = chance.integers(1200, length - long)
        made[at : at + long] = breath(long, chance) * chance.uniform(0.002, 0.03)
    if seconds > 2 and chance.random() < 0.3:  # something falls, somebody coughs
        long = round(chance.uniform(0.05, 0.4) * SAMPLE_RATE)
        at = chance.integers(0, length - long)
        thump = coloured_noise(long, chance, chance.uniform(0, 1))
        made[at : at + long] += thump * np.hanning(2 * long)[long:] * 0.08
    if seconds > 2 and chance.random() < 0.35:  # what is played while nobody speaks
        gain = _LEVEL * 10 ** (chance.uniform(-25, 0) / 20)
        made += (music_or_tones(length, chance) * gain).astype(np.float32)
    return made


def unspoken(others: Sequence[Array], chance: Chance) -> Piece:
    """A while of sound in which nobody speaks, and the mouth rests."""
    steps = round(chance.uniform(4.0, 12.0) * SAMPLE_RATE / STEP)
    length = steps * STEP
    if chance.random() < 0.7:
        sound = music_or_tones(length, chance)
    else:
        sound = background_noise(length, others, chance)
    gain = _LEVEL * 10 ** (chance.uniform(-45, 6) / 20)
    return Piece((sound * gain).astype(np.float32), [], np.ones(steps, np.float32))


def shard(
    utterances: Sequence[Utterance], chance: Chance, seconds: float, *, hard: bool
) -> dict[str, np.ndarray]:
    """Streams until ``seconds`` are full; arrays for `numpy.savez`."""
    weights = _weights(utterances)
    mels, aims, said, lengths = [], [], [], []
    others = [read(u) for u in _draw(utterances, weights, chance, 6)]
    made_s = 0.0
    while made_s < seconds:
        if hard and chance.random() < _UNSPOKEN:
            whole = unspoken(others, chance)
            x = np.clip(whole.sound, -1, 1)
        else:
            whole = stream(_said(utterances, weights, chance, hard), chance, hard=hard)
            x = whole.sound
            x = augment(x, others, chance) if hard else x + hiss(len(x), chance)
        steps = len(x) // STEP
        mels.append(mel_of(x[: steps * STEP]).astype(np.float16))
        aim = curves(whole.phones, steps, whole.loudness[:steps])
        aims.append((aim * 255).round().astype(np.uint8))
        said.append(sounds(whole.phones, steps))
        lengths.append(steps)
        made_s += steps * STEP / SAMPLE_RATE
    return {
        "mel": np.concatenate(mels),
        "curves": np.concatenate(aims),
        "sounds": np.concatenate(said),
        "lengths": np.array(lengths),
    }


def _said(
    utterances: Sequence[Utterance], weights: Array, chance: Chance, hard: bool
) -> list[Piece]:
    """Utterances enough for a stream."""
    until_s, so_far, chosen = chance.uniform(*_STREAM_S), 0.0, []
    while so_far < until_s:
        [utterance] = _draw(utterances, weights, chance, 1)
        chosen.append(piece(utterance, chance, hard=hard))
        so_far += len(chosen[-1].sound) / SAMPLE_RATE
    return chosen


def mel_of(x: Array) -> Array:
    """``[n]`` -> ``[n / HOP, BANDS]``, turned up as the driver does it."""
    sound = x.astype(np.float32)
    padded = torch.from_numpy(np.pad(sound, (WINDOW - HOP, 0)))
    gains, _ = frame_gains(sound, SOFT)
    return log_mel(padded[None], torch.from_numpy(gains)[None])[0].numpy()


def _weights(utterances: Sequence[Utterance]) -> Array:
    kinds = [utterance.source for utterance in utterances]
    weights = np.array([_WEIGHT[kind] / kinds.count(kind) for kind in kinds])
    shares: Array = weights / weights.sum()
    return shares


def _draw(
    utterances: Sequence[Utterance], weights: Array, chance: Chance, count: int
) -> list[Utterance]:
    return [utterances[i] for i in chance.choice(len(utterances), count, p=weights)]


def make(
    utterances: Sequence[Utterance],
    folder: Path,
    number: int,
    seed: int,
    seconds: float = SHARD_S,
) -> None:
    """One shard on disk, unless it is there."""
    path = folder / f"{number:04d}.npz"
    if path.exists():
        return
    chance = np.random.default_rng((seed, number))
    arrays = shard(utterances, chance, seconds, hard=True)
    half = path.with_suffix(f".{os.getpid()}.part.npz")
    np.savez(half, **arrays)  # type: ignore[arg-type] # its stubs know no names
    half.rename(path)


def _claim(folder: Path, seed: int) -> None:
    """Shards of two seeds in one folder would be neither's: SystemExit for a second."""
    folder.mkdir(parents=True, exist_ok=True)
    note = folder / "seed"
    if not note.exists():
        note.write_text(f"{seed}\n")
    if (first := note.read_text().strip()) != str(seed):
        raise SystemExit(
            f"features: {folder} holds shards of --seed {first}; take that, or another "
            "folder"
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.features")
    parser.add_argument("--speech", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--hours", type=float, default=PLANNED_HOURS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="where to begin")
    parser.add_argument("--every", type=int, default=1, help="each n-th: many at once")
    given = parser.parse_args()
    torch.set_num_threads(1)
    _claim(given.folder, given.seed)
    count = round(given.hours * 3600 / SHARD_S)
    spoken = [u for u in load(given.speech) if not u.held]
    for number in range(given.first, count, given.every):
        make(spoken, given.folder, number, given.seed)
        print(f"features: shard {number + 1} of {count}", flush=True)


if __name__ == "__main__":
    main()
