"""Training: targets, augmentation, shards, the loss, and resuming from a checkpoint."""

import argparse
import itertools
import json
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
from renderer.speech.network import NetworkOutput, load_network
from renderer.speech.network_shape import CURVES, LAGS, STEP, STEP_S
from renderer.speech.phonemes import PHONEMES
from training import features, train
from training.augmentation import MIXES, augment
from training.phones import VOWELS, Phone
from training.revoice import Source, hold_vowels, revoice
from training.speech import Utterance, load
from training.targets import mouth_curves

SHARD_S = 8.0
SYLLABLES = ("P", "AA", "S", "UW", "M", "IY", "F", "OW")


def phones_of(*phonemes: tuple[str, float]) -> list[Phone]:
    """Return consecutive phones with the given durations in seconds."""
    edges = itertools.accumulate((seconds for _, seconds in phonemes), initial=0.0)
    return [
        Phone(phoneme, start, end, None)
        for (phoneme, _), (start, end) in zip(
            phonemes, itertools.pairwise(edges), strict=True
        )
    ]


@pytest.fixture(scope="module")
def utterances(tmp_path_factory: pytest.TempPathFactory) -> list[Utterance]:
    """Utterances in the format of the corpus, with a tone for each phone."""
    folder, rng = tmp_path_factory.mktemp("speech"), np.random.default_rng(4)
    for number, source in enumerate(("espeak", "flite", "festival")):
        phonemes = [
            ("SIL", 0.2),
            *((str(s), 0.1) for s in rng.permutation(SYLLABLES)),
        ]
        phones = phones_of(*phonemes, ("SIL", 0.2))
        t = np.arange(round(phones[-1].end_s * SAMPLE_RATE)) / SAMPLE_RATE
        hz = 200 + 100 * np.searchsorted([phone.end_s for phone in phones], t)
        audio = 0.3 * np.sin(2 * np.pi * hz * t) + rng.normal(0, 0.01, len(t))
        write(folder / source / f"{number:05d}", audio, phones, source)
    return load(folder)


def write(path: Path, audio: np.ndarray, phones: list[Phone], source: str) -> None:
    path.parent.mkdir()
    with wave.open(str(path.with_suffix(".wav")), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((audio * 32767).astype("<i2").tobytes())
    record = {"voice": source, "source": source, "language": "en", "text": ""}
    text = json.dumps({**record, "held": False, "phones": phones})
    path.with_suffix(".json").write_text(text)


@pytest.fixture(scope="module")
def shards(
    utterances: list[Utterance], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    features.write_shard(utterances, folder, 0, 1, SHARD_S)
    return folder


def test_shard_depends_on_its_number_only(
    utterances: list[Utterance], shards: Path, tmp_path: Path
) -> None:
    for number in (0, 1):
        features.write_shard(utterances, tmp_path, number, 1, SHARD_S)
    first = (shards / "0000.npz").read_bytes()
    assert (tmp_path / "0000.npz").read_bytes() == first
    assert (tmp_path / "0001.npz").read_bytes() != first
    with np.load(shards / "0000.npz") as arrays:
        steps = arrays["lengths"].sum()
        assert steps * STEP_S >= SHARD_S
        assert arrays["mel"].shape == (2 * steps, BANDS)
        assert arrays["curves"].shape == (steps, len(CURVES))
        assert arrays["sounds"].shape == (steps,)
        assert np.isfinite(arrays["mel"]).all()


def test_examples_of_the_second_stage_have_softer_speakers() -> None:
    """Give both mixes the same generators, which make the same changes otherwise."""
    voice = np.random.default_rng(3).normal(0, 0.1, SAMPLE_RATE).astype(np.float32)
    softest_db = []
    for mix in MIXES:
        assert sum(mix.backgrounds) == pytest.approx(1)
        rngs = map(np.random.default_rng, range(40))
        levels = [np.square(augment(voice, [voice], rng, mix)).mean() for rng in rngs]
        softest_db.append(10 * np.log10(min(levels)))
    assert softest_db[1] < softest_db[0] - 5


def test_mouth_rests_in_streams_without_speech(
    utterances: list[Utterance], tmp_path: Path
) -> None:
    """Non-speech streams are as loud as speech, and have no phones."""
    others = [features.read_levelled(utterance) for utterance in utterances]
    for seed in range(12):
        piece = features.non_speech(others, np.random.default_rng(seed))
        steps = len(piece.audio) // STEP
        targets = mouth_curves(piece.phones, steps, piece.loudness)
        assert np.isfinite(piece.audio).all()
        assert targets[:, CURVES.index("rest")].min() == 1
        assert targets[:, CURVES.index("jaw")].max() == 0


@pytest.mark.usefixtures("one_thread")
def test_folder_with_shards_of_another_seed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["training.features", "--hours", "0"]
    command += ["--speech", str(tmp_path), "--folder", str(tmp_path / "shards")]
    for seed in ("1", "1"):
        monkeypatch.setattr(sys, "argv", [*command, "--seed", seed])
        features.main()
    monkeypatch.setattr(sys, "argv", [*command, "--seed", "2"])
    with pytest.raises(SystemExit, match="holds shards of --seed 1"):
        features.main()


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Limit torch to one thread: beside other work, several wait for each other."""
    count = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(count)


def four_steps(
    shards: Path, folder: Path, begin_with: Path | None = None, seed: int = 1
) -> Iterator[dict[str, float]]:
    """Train four steps; checkpoint and log line come after each two."""
    rate = train.MAX_RATE
    numbers = {"steps": 4, "batch": 2, "seed": seed, "report": 2, "rate": rate}
    paths = {"shards": shards, "folder": folder, "begin_with": begin_with}
    weight = train.PHONEME_WEIGHT
    return train.run(argparse.Namespace(**paths, **numbers, phoneme_weight=weight))


@pytest.mark.usefixtures("one_thread")
def test_resumed_training_gives_the_same_weights(shards: Path, tmp_path: Path) -> None:
    run = four_steps(shards, tmp_path / "ended")
    assert next(run)["step"] == 2
    run.close()  # type: ignore[attr-defined] # it is a generator
    early = load_network(tmp_path / "ended" / "lips.npz").state_dict()
    resumed = four_steps(shards, tmp_path / "ended")
    assert [line["step"] for line in resumed] == [4]
    uninterrupted = four_steps(shards, tmp_path / "whole")
    assert [line["step"] for line in uninterrupted] == [2, 4]
    ended, whole = (
        load_network(tmp_path / name / "lips.npz").state_dict()
        for name in ("ended", "whole")
    )
    assert all(torch.isfinite(weight).all() for weight in ended.values())
    assert any(not torch.equal(ended[name], early[name]) for name in early)
    assert all(torch.equal(ended[name], whole[name]) for name in whole)


@pytest.mark.usefixtures("one_thread")
def test_checkpoint_without_random_state_can_be_resumed(
    shards: Path, tmp_path: Path
) -> None:
    run = four_steps(shards, tmp_path)
    next(run)
    run.close()  # type: ignore[attr-defined] # it is a generator
    state = torch.load(tmp_path / "checkpoint.pt")
    old = {n: state[n] for n in ("network", "mean", "optimizer", "step")}
    torch.save(old, tmp_path / "checkpoint.pt")
    assert [line["step"] for line in four_steps(shards, tmp_path)] == [4]


@pytest.mark.usefixtures("one_thread")
def test_saved_weights_are_the_mean_with_lips_that_shut_more_readily(
    shards: Path, tmp_path: Path
) -> None:
    list(four_steps(shards, tmp_path))
    saved = load_network(tmp_path / "lips.npz").state_dict()
    mean = torch.load(tmp_path / "checkpoint.pt")["mean"]
    differences = {n: weights - mean[f"module.{n}"] for n, weights in saved.items()}
    shut = differences["_curves.bias"].view(LAGS, len(CURVES))[:, CURVES.index("shut")]
    assert (shut > 0.1).all()
    shut.zero_()
    assert not any(difference.any() for difference in differences.values())


@pytest.mark.usefixtures("one_thread")
def test_training_starts_from_given_weights(shards: Path, tmp_path: Path) -> None:
    first = tmp_path / "first" / "lips.npz"
    next(four_steps(shards, first.parent))
    next(four_steps(shards, tmp_path / "on", begin_with=first, seed=2))
    next(four_steps(shards, tmp_path / "anew", seed=2))
    first_weights, continued, fresh = (
        load_network(tmp_path / name / first.name).state_dict()
        for name in ("first", "on", "anew")
    )

    def distance(weights: dict[str, torch.Tensor]) -> float:
        return sum(
            float((weights[n] - first_weights[n]).abs().sum()) for n in first_weights
        )

    assert distance(continued) < 0.1 * distance(fresh)


def test_missing_shards_error_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"training\.features"):
        next(four_steps(tmp_path / "none", tmp_path / "fit"))


def test_loss_compares_each_look_ahead_with_its_own_time() -> None:
    """A network that answers for the wrong time has a higher loss.

    The log-mels of the streams encode their own step, and curves and phonemes switch
    between two levels at random, so only the right step fits.
    """
    rng = np.random.default_rng(2)
    lengths = (500, 100)  # longer than an example, and shorter
    levels = [rng.integers(0, 2, n).astype(np.uint8) for n in lengths]
    examples = train.Examples(
        mel=[
            np.repeat(np.arange(2 * n, dtype=np.float16)[:, None], BANDS, 1)
            for n in lengths
        ],
        curves=[255 * np.repeat(level[:, None], len(CURVES), 1) for level in levels],
        phonemes=levels,
        shard_names=set(),
    )
    batch = examples.batch(8, rng)
    # The batch has examples of both lengths.
    assert {int(weight) for weight in batch.step_weights[:, -1]} == {0, 1}

    def loss_of(curves_by: int, phonemes_by: int) -> float:
        """Return the loss of a network that is late by so many steps."""
        output = oracle_output(batch, levels, curves_by, phonemes_by)
        return float(train.loss(output, batch))

    right = loss_of(0, 0)
    for off in (-2, -1, 1, 2):
        assert loss_of(off, 0) > right + 0.1
        assert loss_of(0, off) > right + 0.01


def oracle_output(
    batch: train.Batch, levels: list[np.ndarray], curves_by: int, phonemes_by: int
) -> NetworkOutput:
    """Return the output of a network that knows the streams, some steps late."""
    rows = len(batch.mel)
    curves = torch.full((rows, train.STEPS, LAGS, len(CURVES)), -12.0)
    phonemes = torch.zeros(rows, train.STEPS, LAGS, len(PHONEMES))
    rest = CURVES.index("rest")
    lags = np.arange(LAGS)
    for row, mel in enumerate(batch.mel[:, :, 0].numpy()):
        level = levels[0 if batch.step_weights[row, -1] else 1]
        last = mel[1::2].astype(int) // 2  # the last step whose audio is in
        # Its audio ends where the next step begins, which is the time of output 0.
        moments = last[:, None] + 1 - lags  # [STEPS, LAGS]
        value = level_at(level, moments + curves_by)
        curves[row] = torch.from_numpy(np.where(value, 12.0, -12.0))[..., None]
        curves[row, ..., rest][torch.from_numpy(moments + curves_by < 0)] = 12.0
        value = level_at(level, moments + phonemes_by)
        places = torch.from_numpy(value.astype(np.int64))[..., None]
        phonemes[row].scatter_(2, places, 12.0)
    return NetworkOutput(curves, phonemes)


def level_at(level: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return the level at each step, 0 (silence) outside the stream."""
    inside = (at >= 0) & (at < len(level))
    return np.where(inside, level[at.clip(0, len(level) - 1)], 0)


def middle_of(phoneme: str, seconds: float = 0.12) -> dict[str, float]:
    """Return the curves in the middle of a phoneme between two open vowels."""
    phones = phones_of(("SIL", 0.3), ("AA", 0.15), (phoneme, seconds), ("AA", 0.15))
    curves = mouth_curves(phones, 60)
    middle = curves[round((0.45 + seconds / 2) / STEP_S)]
    return dict(zip(CURVES, map(float, middle), strict=True))


@pytest.mark.parametrize("phoneme", ["P", "B", "M"])
def test_lips_are_shut_in_the_middle_of_a_closure(phoneme: str) -> None:
    middle = middle_of(phoneme, 0.08)
    assert middle["shut"] > 0.95
    assert middle["jaw"] < 0.2


@pytest.mark.parametrize("phoneme", ["F", "V"])
def test_f_and_v_bite_the_lip(phoneme: str) -> None:
    middle = middle_of(phoneme)
    assert middle["bite"] > 0.95
    assert middle["shut"] == 0


def test_oo_is_rounded_and_ee_is_spread() -> None:
    oo, ee, ah = map(middle_of, ("UW", "IY", "AA"))
    assert oo["round"] > 0.5 > ee["round"] + 0.3
    assert ee["spread"] > oo["spread"] + 0.3
    assert ah["jaw"] > max(oo["jaw"], ee["jaw"]) + 0.2
    assert oo["shut"] == ee["shut"] == ah["shut"] == 0


def test_rest_is_on_in_silence_only() -> None:
    phones = phones_of(("SIL", 0.6), ("AA", 0.3), ("SIL", 0.6))
    rest = mouth_curves(phones, 75)[:, CURVES.index("rest")]
    assert rest[15] > 0.95
    assert rest[60] > 0.95
    assert not rest[30:45].any()


phoneme_lists = st.lists(
    st.tuples(st.sampled_from(PHONEMES), st.floats(0.005, 0.5)), max_size=20
)


@settings(deadline=None, max_examples=60)
@given(phoneme_lists, st.integers(1, 200), st.floats(0, 10))
def test_curves_stay_between_0_and_1(
    phonemes: list[tuple[str, float]], steps: int, loud: float
) -> None:
    loudness = np.full(steps, loud, np.float32)
    curves = mouth_curves(phones_of(*phonemes), steps, loudness)
    assert curves.shape == (steps, len(CURVES))
    assert (curves >= 0).all()
    assert (curves <= 1).all()  # which is false for NaN too


@pytest.mark.parametrize("seed", range(6))
def test_holding_lengthens_vowels_only(seed: int) -> None:
    rng = np.random.default_rng(seed)
    phones = phones_of(*[(phoneme, 0.08) for phoneme in SYLLABLES * 3])
    voice = rng.normal(0, 0.1, round(phones[-1].end_s * SAMPLE_RATE))
    source = Source(200, 0.2, notes=True)
    sung, held, places = hold_vowels(voice.astype(np.float32), phones, source, rng)
    assert len(sung) == len(places) == round(held[-1].end_s * SAMPLE_RATE)
    assert [phone.phoneme for phone in held] == [phone.phoneme for phone in phones]
    longer = [
        after.end_s - after.start_s > before.end_s - before.start_s + 1e-6
        for before, after in zip(phones, held, strict=True)
    ]
    assert any(longer)
    assert all(
        p.phoneme in VOWELS for p, more in zip(held, longer, strict=True) if more
    )
    for before, after in zip(phones, held, strict=True):  # the positions match
        middle = round((after.start_s + after.end_s) / 2 * SAMPLE_RATE)
        assert before.start_s < places[middle] / SAMPLE_RATE < before.end_s


@pytest.mark.parametrize("seed", range(12))
def test_augmentation_keeps_the_length_and_finite_values(seed: int) -> None:
    rng = np.random.default_rng(seed)
    length = int(rng.integers(STEP, 2 * SAMPLE_RATE))
    voice = rng.normal(0, 0.1, length).astype(np.float32)
    phones = phones_of(("SIL", 0.01), ("AA", length / SAMPLE_RATE))
    kinds = (Source(120, 0.1), Source(0, 0, tract=1.1), Source(300, 0.3, notes=True))
    others = [revoice(voice, phones, kind, rng) for kind in kinds]
    augmented = augment(voice, others, rng)
    for audio in (*others, augmented):
        assert audio.shape == voice.shape
        assert np.isfinite(audio).all()
    assert np.abs(augmented).max() <= 1
