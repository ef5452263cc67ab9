"""Training shards: augmented conversations as log-mels and targets.

    python -m training.features --speech DIR --folder DIR [--hours 45]

A shard is some minutes of conversation: utterances of many voices with pauses between
them, revoiced and augmented. The seed and the number of a shard determine its content,
so the command can be stopped and called again.
"""

import argparse
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soxr
import torch

from renderer.frames import SAMPLE_RATE
from renderer.speech.gain import SOFT_POWER, frame_gains
from renderer.speech.mel import HOP, WINDOW, log_mel
from renderer.speech.network_shape import STEP
from training.augmentation import (
    MIXES,
    Mix,
    augment,
    background_noise,
    breath,
    coloured_noise,
    distant_talk,
    music_or_tones,
    smack,
)
from training.phones import Phone
from training.progress import Progress
from training.revoice import Source, hold_vowels, revoice
from training.speech import Utterance, load
from training.targets import mouth_curves, phoneme_indices

Array = npt.NDArray[Any]
Rng = np.random.Generator

PLANNED_HOURS = 45.0
SHARD_S = 600.0
_STREAM_S = (12.0, 24.0)  # range of one stream's duration
_NON_SPEECH_SHARE = 0.08  # of the streams, in which nobody speaks to the microphone
_LATE_SHARE = 0.25  # of the streams, which begin with a long pause
_LONG_PAUSE_S = 3.0
_RMS = 0.1  # of a voice before augmentation
# Share of each synthesiser in the utterances. Voices made from recordings of people
# have natural spectra, so they get more.
_SOURCE_SHARES = {
    **{"espeak": 0.28, "flite": 0.2, "festival": 0.2},
    **{"hibari": 0.16, "kokoro": 0.16},
}


@dataclass(slots=True)
class LabelledAudio:
    """Audio with its phones and its loudness, silence where phones are missing."""

    audio: Array  # [n]
    phones: list[Phone]
    loudness: Array  # [steps] of 20 ms


def read_levelled(utterance: Utterance) -> Array:
    """Return the utterance's audio ``[n]`` float32 at 24 kHz with an even level."""
    x = utterance.audio()
    return x * (_RMS / (_voice_rms(x) + 1e-6))


def _power(x: Array) -> Array:
    """Return the mean square of each whole step."""
    steps: Array = np.square(x[: len(x) // STEP * STEP]).reshape(-1, STEP).mean(1)
    return steps


def _voice_rms(x: Array) -> float:
    """Return the root mean square of the louder half of the steps."""
    power = _power(x)
    return float(np.sqrt(power[power >= np.median(power)].mean()))


def varied_utterance(utterance: Utterance, rng: Rng, mix: Mix) -> LabelledAudio:
    """Return an utterance, perhaps revoiced, with held vowels or at another speed."""
    x, phones = read_levelled(utterance), list(utterance.phones)
    loudness = _loudness(x)
    if rng.random() < 0.4:
        if rng.random() < mix.held_vowels:
            x, phones, positions = hold_vowels(x, phones, random_source(rng), rng)
            steps = (positions[::STEP] / STEP).astype(int)
            loudness = loudness[steps.clip(0, len(loudness) - 1)]
        else:
            x = revoice(x, phones, random_source(rng), rng)
        x = x * (_RMS / (_voice_rms(x) + 1e-6))
    if rng.random() < 0.65:
        speed = rng.uniform(0.84, 1.2)
        x = soxr.resample(x, SAMPLE_RATE * speed, SAMPLE_RATE, quality="MQ")
        phones = [Phone(s, a / speed, b / speed, stress) for s, a, b, stress in phones]
        places = np.linspace(0, len(loudness) - 1, max(1, len(x) // STEP))
        loudness = np.interp(places, np.arange(len(loudness)), loudness)
    return LabelledAudio(x, phones, loudness.astype(np.float32))


def _loudness(x: Array) -> Array:
    """Return each step's loudness relative to the voice's usual level, compressed."""
    smooth = np.convolve(_power(x), np.hanning(11) / 5, "same")
    loudness: Array = (np.sqrt(smooth + 1e-8) / _RMS) ** 0.3
    return loudness


def random_source(rng: Rng) -> Source:
    """Return the source of a random speaker, whisperer, singer or shouter."""
    # Most of the synthesisers' voices are male, so the vocal tract is shortened more
    # often than lengthened.
    tract = float(np.exp(rng.normal(-0.06, 0.11)))
    pitch_hz = float(rng.uniform(75, 330))
    match rng.choice(4, p=(0.66, 0.1, 0.11, 0.13)):
        case 0:
            breath = float(rng.uniform(0, 0.15))
            return Source(pitch_hz, 0.12, tract=tract, breath=breath)
        case 1:
            return Source(0.0, 0.0, tract=tract, tilt_db=4)
        case 2:
            return Source(pitch_hz * 1.3, 0.3, notes=True, tract=tract)
        case _:
            return Source(pitch_hz * 1.5, 0.25, tract=tract, tilt_db=9, breath=0.1)


def conversation(utterances: Sequence[LabelledAudio], rng: Rng) -> LabelledAudio:
    """Join utterances at random gains, with pauses that may hold breaths or noises."""
    parts: list[Array] = []
    loudness: list[Array] = []
    phones: list[Phone] = []
    steps = 0

    def append(audio: Array, levels: Array, labels: Sequence[Phone] = ()) -> None:
        nonlocal steps
        count = -(-len(audio) // STEP)
        padded = np.zeros(count * STEP, np.float32)
        padded[: len(audio)] = audio
        parts.append(padded)
        loudness.append(np.resize(np.append(levels, np.ones(count)), count))
        at_s = steps * STEP / SAMPLE_RATE
        phones.extend(
            Phone(s, a + at_s, b + at_s, stress) for s, a, b, stress in labels
        )
        steps += count

    # Before the first word the gain is highest, and a voice elsewhere in the room is
    # taken most easily for the speaker's.
    late = rng.random() < _LATE_SHARE
    for number, utterance in enumerate(utterances):
        first = late and not number
        append(_pause(rng, _LONG_PAUSE_S if first else None), np.ones(1))
        gain = 10 ** (rng.uniform(-5, 5) / 20)
        append(utterance.audio * gain, utterance.loudness, utterance.phones)
    append(_pause(rng), np.ones(1))
    levels = np.concatenate(loudness).astype(np.float32)
    return LabelledAudio(np.concatenate(parts), phones, levels)


def _pause(rng: Rng, seconds: float | None = None) -> Array:
    """Return a pause of 0.07 to 4.2 s, perhaps with a breath, a noise or music.

    Its duration is 0.6 to 1.4 times ``seconds``, which are random by default.
    """
    if seconds is None:
        lengths = (0.12, 0.45, 0.9, _LONG_PAUSE_S)
        seconds = float(rng.choice(lengths, p=(0.3, 0.33, 0.24, 0.13)))
    length = round(seconds * rng.uniform(0.6, 1.4) * SAMPLE_RATE)
    audio = np.zeros(length, np.float32)
    if seconds > 0.4 and rng.random() < 0.45:
        count = min(length - 2400, round(rng.uniform(0.15, 0.6) * SAMPLE_RATE))
        at = rng.integers(1200, length - count)
        audio[at : at + count] = breath(count, rng) * rng.uniform(0.002, 0.03)
    if seconds > 0.3 and rng.random() < 0.15:
        click = smack(rng)[: length // 2]
        at = rng.integers(0, length - len(click))
        audio[at : at + len(click)] += click * rng.uniform(0.005, 0.08)
    if seconds > 2 and rng.random() < 0.3:  # A thump, as of a fall or a cough.
        count = round(rng.uniform(0.05, 0.4) * SAMPLE_RATE)
        at = rng.integers(0, length - count)
        thump = coloured_noise(count, rng, rng.uniform(0, 1))
        audio[at : at + count] += thump * np.hanning(2 * count)[count:] * 0.08
    if seconds > 2 and rng.random() < 0.35:
        gain = _RMS * 10 ** (rng.uniform(-25, 0) / 20)
        audio += (music_or_tones(length, rng) * gain).astype(np.float32)
    return audio


def non_speech(
    other_voices: Sequence[Array], rng: Rng, mix: Mix = MIXES[0]
) -> LabelledAudio:
    """Return 4 to 12 s of music, noise or distant talk without phones: the mouth rests.

    A distant voice is no louder than the quietest speakers of `augment`, so its room
    tells it from them, and not its level.
    """
    steps = round(rng.uniform(4.0, 12.0) * SAMPLE_RATE / STEP)
    length = steps * STEP
    loudest_db = 6.0
    match rng.choice(3, p=(0.5, 0.2, 0.3)):
        case 0:
            audio = music_or_tones(length, rng)
        case 1:
            audio = background_noise(length, other_voices, rng, mix)
        case _:
            audio, loudest_db = distant_talk(length, other_voices, rng), -15.0
    audio = audio * (_RMS * 10 ** (rng.uniform(-45, loudest_db) / 20))
    return LabelledAudio(audio.astype(np.float32), [], np.ones(steps, np.float32))


def make_shard(
    utterances: Sequence[Utterance], rng: Rng, seconds: float, mix: Mix
) -> dict[str, np.ndarray]:
    """Return the arrays of one shard: streams of ``seconds`` or a little more in all.

    ``mel`` ``[2 * steps, BANDS]`` float16, ``curves`` ``[steps, CURVES]`` uint8 (255 is
    1), ``sounds`` ``[steps]`` uint8, and ``lengths`` ``[streams]``, the steps of each.
    """
    weights = _weights(utterances)
    mels, targets, classes, lengths = [], [], [], []
    other_voices = [read_levelled(u) for u in _draw(utterances, weights, rng, 6)]
    total_s = 0.0
    while total_s < seconds:
        if rng.random() < _NON_SPEECH_SHARE:
            stream = non_speech(other_voices, rng, mix)
            x = np.clip(stream.audio, -1, 1)
        else:
            varied = _varied_utterances(utterances, weights, rng, mix)
            stream = conversation(varied, rng)
            x = augment(stream.audio, other_voices, rng, mix)
        steps = len(x) // STEP
        mels.append(log_mel_of(x[: steps * STEP]).astype(np.float16))
        curves = mouth_curves(stream.phones, steps, stream.loudness[:steps])
        targets.append((curves * 255).round().astype(np.uint8))
        classes.append(phoneme_indices(stream.phones, steps))
        lengths.append(steps)
        total_s += steps * STEP / SAMPLE_RATE
    return {
        "mel": np.concatenate(mels),
        "curves": np.concatenate(targets),
        "sounds": np.concatenate(classes),
        "lengths": np.array(lengths),
    }


def _varied_utterances(
    utterances: Sequence[Utterance], weights: Array, rng: Rng, mix: Mix
) -> list[LabelledAudio]:
    """Return random utterances that fill one stream."""
    until_s, total_s, chosen = rng.uniform(*_STREAM_S), 0.0, []
    while total_s < until_s:
        [utterance] = _draw(utterances, weights, rng, 1)
        chosen.append(varied_utterance(utterance, rng, mix))
        total_s += len(chosen[-1].audio) / SAMPLE_RATE
    return chosen


def log_mel_of(x: Array) -> Array:
    """Return log-mels ``[n / HOP, BANDS]`` of ``x``, with the driver's gain control."""
    audio = x.astype(np.float32)
    padded = torch.from_numpy(np.pad(audio, (WINDOW - HOP, 0)))
    gains, _ = frame_gains(audio, SOFT_POWER)
    return log_mel(padded[None], torch.from_numpy(gains)[None])[0].numpy()


def _weights(utterances: Sequence[Utterance]) -> Array:
    counts = Counter(utterance.source for utterance in utterances)
    by_source = {source: _SOURCE_SHARES[source] / counts[source] for source in counts}
    weights = np.array([by_source[utterance.source] for utterance in utterances])
    shares: Array = weights / weights.sum()
    return shares


def _draw(
    utterances: Sequence[Utterance], weights: Array, rng: Rng, count: int
) -> list[Utterance]:
    return [utterances[i] for i in rng.choice(len(utterances), count, p=weights)]


def write_shard(
    utterances: Sequence[Utterance],
    folder: Path,
    number: int,
    seed: int,
    seconds: float = SHARD_S,
    mix: Mix = MIXES[0],
) -> None:
    """Write one shard to disk, unless it exists."""
    path = folder / f"{number:04d}.npz"
    if path.exists():
        return
    rng = np.random.default_rng((seed, number))
    arrays = make_shard(utterances, rng, seconds, mix)
    partial = path.with_suffix(f".{os.getpid()}.part.npz")
    np.savez(partial, **arrays)  # type: ignore[arg-type] # its stubs lack the keywords
    partial.rename(path)


def _check_seed(folder: Path, seed: int) -> None:
    """Raise SystemExit if ``folder`` holds shards of another seed."""
    folder.mkdir(parents=True, exist_ok=True)
    seed_file = folder / "seed"
    if not seed_file.exists():
        seed_file.write_text(f"{seed}\n")
    if (first := seed_file.read_text().strip()) != str(seed):
        raise SystemExit(
            f"features: {folder} holds shards of --seed {first}, not of --seed {seed}. "
            "Use that seed or another folder."
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m training.features",
        description="Make training shards from the speech corpus.",
    )
    parser.add_argument(
        "--speech", type=Path, required=True, help="folder of the corpus"
    )
    parser.add_argument("--folder", type=Path, required=True, help="folder for shards")
    parser.add_argument(
        "--hours", type=float, default=PLANNED_HOURS, help="hours of audio, in all"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--stage",
        type=int,
        choices=range(1, len(MIXES) + 1),
        default=1,
        help="of the training, whose conditions the examples have (default: 1)",
    )
    parser.add_argument(
        "--first", type=int, default=0, help="number of the first shard of this process"
    )
    parser.add_argument(
        "--every",
        type=int,
        default=1,
        help="distance between the shards of this process",
    )
    args = parser.parse_args()
    torch.set_num_threads(1)
    _check_seed(args.folder, args.seed)
    count = round(args.hours * 3600 / SHARD_S)
    utterances = [u for u in load(args.speech) if not u.held_out]
    numbers = range(args.first, count, args.every)
    mix = MIXES[args.stage - 1]
    progress = Progress(len(numbers))
    for number in numbers:
        write_shard(utterances, args.folder, number, args.seed, mix=mix)
        text = f"features: shard {number + 1} of {count}; {progress.add(1)}"
        print(text, flush=True)


if __name__ == "__main__":
    main()
