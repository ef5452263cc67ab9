"""From timed phones to weights: what is asked of the network, and going on later."""

import argparse
import itertools
import json
import subprocess
import sys
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from renderer.frames import SAMPLE_RATE
from renderer.speech.mel import BANDS
from renderer.speech.network import (
    CURVES,
    LAGS,
    STEP,
    STEP_S,
    NetworkOutput,
    load_network,
)
from renderer.speech.phonemes import PHONEMES
from training import features, train
from training.augmentation import augment
from training.revoice import Source, hold_vowels, revoice
from training.sounds import VOWELS, Phone
from training.speech import Utterance, load
from training.targets import mouth_curves

SHARD_S = 8.0
SYLLABLES = ("P", "AA", "S", "UW", "M", "IY", "F", "OW")


def laid(*sounds: tuple[str, float]) -> list[Phone]:
    """Sounds of so many seconds, one after the other."""
    edges = itertools.accumulate((seconds for _, seconds in sounds), initial=0.0)
    return [
        Phone(sound, start, end, None)
        for (sound, _), (start, end) in zip(
            sounds, itertools.pairwise(edges), strict=True
        )
    ]


@pytest.fixture(scope="module")
def utterances(tmp_path_factory: pytest.TempPathFactory) -> list[Utterance]:
    """A tone for each phone, as the corpus has it on disk; nothing is said in it."""
    folder, chance = tmp_path_factory.mktemp("speech"), np.random.default_rng(4)
    for number, source in enumerate(("espeak", "flite", "festival")):
        sounds = [("SIL", 0.2), *((str(s), 0.1) for s in chance.permutation(SYLLABLES))]
        phones = laid(*sounds, ("SIL", 0.2))
        t = np.arange(round(phones[-1].end_s * SAMPLE_RATE)) / SAMPLE_RATE
        hz = 200 + 100 * np.searchsorted([phone.end_s for phone in phones], t)
        sound = 0.3 * np.sin(2 * np.pi * hz * t) + chance.normal(0, 0.01, len(t))
        write(folder / source / f"{number:05d}", sound, phones, source)
    return load(folder)


def write(path: Path, sound: np.ndarray, phones: list[Phone], source: str) -> None:
    path.parent.mkdir()
    with wave.open(str(path.with_suffix(".wav")), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((sound * 32767).astype("<i2").tobytes())
    known = {"voice": source, "source": source, "language": "en", "text": ""}
    told = json.dumps({**known, "held": False, "phones": phones})
    path.with_suffix(".json").write_text(told)


@pytest.fixture(scope="module")
def shards(
    utterances: list[Utterance], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    features.write_shard(utterances, folder, 0, 1, SHARD_S)
    return folder


def test_a_shard_made_again_is_the_same_and_another_one_is_not(
    utterances: list[Utterance], shards: Path, tmp_path: Path
) -> None:
    for number in (0, 1):
        features.write_shard(utterances, tmp_path, number, 1, SHARD_S)
    first = (shards / "0000.npz").read_bytes()
    assert (tmp_path / "0000.npz").read_bytes() == first
    assert (tmp_path / "0001.npz").read_bytes() != first
    with np.load(shards / "0000.npz") as made:
        steps = made["lengths"].sum()
        assert steps * STEP_S >= SHARD_S
        assert made["mel"].shape == (2 * steps, BANDS)
        assert made["curves"].shape == (steps, len(CURVES))
        assert made["sounds"].shape == (steps,)
        assert np.isfinite(made["mel"]).all()


def test_where_nobody_speaks_the_mouth_is_asked_to_rest(
    utterances: list[Utterance], tmp_path: Path
) -> None:
    """Some streams hold no voice, and they are as loud as those that do."""
    others = [features.read_levelled(utterance) for utterance in utterances]
    for seed in range(12):
        piece = features.non_speech(others, np.random.default_rng(seed))
        steps = len(piece.audio) // STEP
        aims = mouth_curves(piece.phones, steps, piece.loudness)
        assert np.isfinite(piece.audio).all()
        assert aims[:, CURVES.index("rest")].min() == 1
        assert aims[:, CURVES.index("jaw")].max() == 0


def test_shards_of_two_seeds_do_not_meet_in_a_folder(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "training.features", "--hours", "0"]
    command += ["--speech", str(tmp_path), "--folder", str(tmp_path / "shards")]
    for seed in ("1", "1", "2"):
        done = subprocess.run(
            [*command, "--seed", seed], capture_output=True, text=True, check=False
        )
        assert (done.returncode == 0) == (seed == "1")
    assert "holds shards of --seed 1" in done.stderr


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Beside other work, threads would wait for each other most of the time."""
    usual = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(usual)


def learning(
    shards: Path, folder: Path, begin_with: Path | None = None, seed: int = 1
) -> Iterator[dict[str, float]]:
    """Four steps, two at a time; what is kept after each two is all that is kept."""
    numbers = {"steps": 4, "batch": 2, "seed": seed, "report": 2, "rate": train.RATE}
    paths = {"shards": shards, "folder": folder, "begin_with": begin_with}
    return train.run(argparse.Namespace(**paths, **numbers))


@pytest.mark.usefixtures("one_thread")
def test_learning_that_was_ended_goes_on_as_if_it_had_not_been(
    shards: Path, tmp_path: Path
) -> None:
    begun = learning(shards, tmp_path / "ended")
    assert next(begun)["step"] == 2
    begun.close()  # type: ignore[attr-defined] # it is a generator
    half = load_network(tmp_path / "ended" / "lips.npz").state_dict()
    assert [line["step"] for line in learning(shards, tmp_path / "ended")] == [4]
    assert [line["step"] for line in learning(shards, tmp_path / "whole")] == [2, 4]
    ended, whole = (
        load_network(tmp_path / name / "lips.npz").state_dict()
        for name in ("ended", "whole")
    )
    assert all(torch.isfinite(weight).all() for weight in ended.values())
    assert any(not torch.equal(ended[name], half[name]) for name in half)
    assert all(torch.equal(ended[name], whole[name]) for name in whole)


@pytest.mark.usefixtures("one_thread")
def test_a_checkpoint_without_the_state_of_chance_is_gone_on_from(
    shards: Path, tmp_path: Path
) -> None:
    begun = learning(shards, tmp_path)
    next(begun)
    begun.close()  # type: ignore[attr-defined] # it is a generator
    kept = torch.load(tmp_path / "checkpoint.pt")
    old = {n: kept[n] for n in ("network", "mean", "optimizer", "step")}
    torch.save(old, tmp_path / "checkpoint.pt")
    assert [line["step"] for line in learning(shards, tmp_path)] == [4]


@pytest.mark.usefixtures("one_thread")
def test_learning_begins_with_the_weights_it_is_given(
    shards: Path, tmp_path: Path
) -> None:
    first = tmp_path / "first" / "lips.npz"
    next(learning(shards, first.parent))
    next(learning(shards, tmp_path / "on", begin_with=first, seed=2))
    next(learning(shards, tmp_path / "anew", seed=2))
    given, on, anew = (
        load_network(tmp_path / name / first.name).state_dict()
        for name in ("first", "on", "anew")
    )

    def apart(weights: dict[str, torch.Tensor]) -> float:
        return sum(float((weights[n] - given[n]).abs().sum()) for n in given)

    assert apart(on) < 0.1 * apart(anew)


def test_without_shards_it_says_what_makes_them(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"training\.features"):
        next(learning(tmp_path / "none", tmp_path / "fit"))


def test_each_read_out_is_asked_for_its_own_moment() -> None:
    """
    A stream's log-mels tell their own number, and its curves and sounds jump at random
    between two levels, so that only the right moments fit.
    """
    chance = np.random.default_rng(2)
    lengths = (500, 100)  # longer than an example, and shorter
    levels = [chance.integers(0, 2, n).astype(np.uint8) for n in lengths]
    examples = train.Examples(
        mel=[
            np.repeat(np.arange(2 * n, dtype=np.float16)[:, None], BANDS, 1)
            for n in lengths
        ],
        curves=[255 * np.repeat(level[:, None], len(CURVES), 1) for level in levels],
        sounds=levels,
        seen=set(),
    )
    batch = examples.batch(8, chance)
    assert {int(row) for row in batch.sure[:, -1]} == {0, 1}  # of both lengths

    def wrong(curves_by: int, sounds_by: int) -> float:
        """Of a network that says what was so many steps later than it should."""
        return float(train.loss(knowing(batch, levels, curves_by, sounds_by), batch))

    right = wrong(0, 0)
    for off in (-2, -1, 1, 2):
        assert wrong(off, 0) > right + 0.1
        assert wrong(0, off) > right + 0.01


def knowing(
    batch: train.Batch, levels: list[np.ndarray], curves_by: int, sounds_by: int
) -> NetworkOutput:
    """What a network says that knows the streams, so many steps late."""
    rows = len(batch.mel)
    said = torch.full((rows, train.STEPS, LAGS, len(CURVES)), -12.0)
    named = torch.zeros(rows, train.STEPS, LAGS, len(PHONEMES))
    rest = CURVES.index("rest")
    lags = np.arange(LAGS)
    for row, mel in enumerate(batch.mel[:, :, 0].numpy()):
        level = levels[0 if batch.sure[row, -1] else 1]
        heard = mel[1::2].astype(int) // 2  # the last step whose sound is in
        # It ends where the next step begins: read-out 0 is asked what is then.
        moments = heard[:, None] + 1 - lags  # [STEPS, LAGS]
        value = of_the_stream(level, moments + curves_by)
        said[row] = torch.from_numpy(np.where(value, 12.0, -12.0))[..., None]
        said[row, ..., rest][torch.from_numpy(moments + curves_by < 0)] = 12.0
        value = of_the_stream(level, moments + sounds_by)
        places = torch.from_numpy(value.astype(np.int64))[..., None]
        named[row].scatter_(2, places, 12.0)
    return NetworkOutput(said, named)


def of_the_stream(level: np.ndarray, at: np.ndarray) -> np.ndarray:
    """What it is at each moment; 0 outside of it, which is silence."""
    inside = (at >= 0) & (at < len(level))
    return np.where(inside, level[at.clip(0, len(level) - 1)], 0)


def shown(sound: str, seconds: float = 0.12) -> dict[str, float]:
    """The curves in the middle of a sound between two open vowels."""
    phones = laid(("SIL", 0.3), ("AA", 0.15), (sound, seconds), ("AA", 0.15))
    made = mouth_curves(phones, 60)
    middle = made[round((0.45 + seconds / 2) / STEP_S)]
    return dict(zip(CURVES, map(float, middle), strict=True))


@pytest.mark.parametrize("sound", ["P", "B", "M"])
def test_lips_are_shut_in_the_middle_of_a_closure(sound: str) -> None:
    made = shown(sound, 0.08)
    assert made["shut"] > 0.95
    assert made["jaw"] < 0.2


@pytest.mark.parametrize("sound", ["F", "V"])
def test_teeth_are_on_the_lip_of_an_f(sound: str) -> None:
    made = shown(sound)
    assert made["bite"] > 0.95
    assert made["shut"] == 0


def test_an_oo_is_round_and_an_ee_is_spread() -> None:
    oo, ee, ah = shown("UW"), shown("IY"), shown("AA")
    assert oo["round"] > 0.5 > ee["round"] + 0.3
    assert ee["spread"] > oo["spread"] + 0.3
    assert ah["jaw"] > max(oo["jaw"], ee["jaw"]) + 0.2
    assert oo["shut"] == ee["shut"] == ah["shut"] == 0


def test_silence_rests_and_speech_does_not() -> None:
    phones = laid(("SIL", 0.6), ("AA", 0.3), ("SIL", 0.6))
    rest = mouth_curves(phones, 75)[:, CURVES.index("rest")]
    assert rest[15] > 0.95
    assert rest[60] > 0.95
    assert not rest[30:45].any()


strings = st.lists(
    st.tuples(st.sampled_from(PHONEMES), st.floats(0.005, 0.5)), max_size=20
)


@settings(deadline=None, max_examples=60)
@given(strings, st.integers(1, 200), st.floats(0, 10))
def test_whatever_is_said_curves_stay_within_their_bounds(
    sounds: list[tuple[str, float]], steps: int, loud: float
) -> None:
    made = mouth_curves(laid(*sounds), steps, np.full(steps, loud, np.float32))
    assert made.shape == (steps, len(CURVES))
    assert (made >= 0).all()
    assert (made <= 1).all()  # and none is NaN


@pytest.mark.parametrize("seed", range(6))
def test_vowels_that_are_held_are_longer_and_nothing_else_is(seed: int) -> None:
    chance = np.random.default_rng(seed)
    phones = laid(*[(sound, 0.08) for sound in SYLLABLES * 3])
    voice = chance.normal(0, 0.1, round(phones[-1].end_s * SAMPLE_RATE))
    source = Source(200, 0.2, notes=True)
    sung, held, places = hold_vowels(voice.astype(np.float32), phones, source, chance)
    assert len(sung) == len(places) == round(held[-1].end_s * SAMPLE_RATE)
    assert [phone.sound for phone in held] == [phone.sound for phone in phones]
    longer = [
        after.end_s - after.start_s > before.end_s - before.start_s + 1e-6
        for before, after in zip(phones, held, strict=True)
    ]
    assert any(longer)
    assert all(p.sound in VOWELS for p, more in zip(held, longer, strict=True) if more)
    for before, after in zip(phones, held, strict=True):  # each where it was said
        middle = round((after.start_s + after.end_s) / 2 * SAMPLE_RATE)
        assert before.start_s < places[middle] / SAMPLE_RATE < before.end_s


@pytest.mark.parametrize("seed", range(12))
def test_hard_conditions_keep_the_time_and_give_numbers(seed: int) -> None:
    chance = np.random.default_rng(seed)
    length = int(chance.integers(STEP, 2 * SAMPLE_RATE))
    voice = chance.normal(0, 0.1, length).astype(np.float32)
    phones = laid(("SIL", 0.01), ("AA", length / SAMPLE_RATE))
    kinds = (Source(120, 0.1), Source(0, 0, tract=1.1), Source(300, 0.3, notes=True))
    others = [revoice(voice, phones, kind, chance) for kind in kinds]
    made = augment(voice, others, chance)
    for each in (*others, made):
        assert each.shape == voice.shape
        assert np.isfinite(each).all()
    assert np.abs(made).max() <= 1
