"""The plan of a training run: its division among processes, its size, its progress."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from renderer.speech.network import Network, save_network
from renderer.speech.network_shape import CURVES, LAGS
from training import __main__ as command
from training import train, voices
from training.progress import Progress
from training.spectra import fft_size


@pytest.mark.parametrize("count", [1, 2, 4])
def test_processes_share_the_voices_and_take_equally_long(count: int) -> None:
    parts = voices.plan()
    divided = voices.shares(parts, count)
    names = sorted(part.voice for share in divided for part in share)
    assert names == sorted(part.voice for part in parts)
    costs = [sum(part.cost for part in share) for share in divided]
    longest = max(part.cost for part in parts)
    assert max(costs) <= max(1.05 * min(costs), longest)


def test_planned_hours_are_those_of_the_voices() -> None:
    minutes = sum(part.minutes for part in voices.plan())
    assert minutes / 60 == pytest.approx(voices.PLANNED_HOURS, abs=0.05)


def test_minutes_scale_all_parts_of_both_stages() -> None:
    whole = command.scaled_plan(None)
    assert list(whole.values()) == list(command.STAGES)
    planned = command.planned_minutes(whole)
    half = command.scaled_plan(planned / 2)
    assert command.planned_minutes(half) == pytest.approx(planned / 2, rel=0.01)
    for number, stage in half.items():
        assert stage.speech_hours == pytest.approx(whole[number].speech_hours / 2)
        assert stage.shard_hours == pytest.approx(whole[number].shard_hours / 2)
        assert stage.steps == round(whole[number].steps / 2)
        assert stage.max_rate == whole[number].max_rate
    assert [stage.steps for stage in command.scaled_plan(1e-3).values()] == [1, 1]


def calls_of(
    monkeypatch: pytest.MonkeyPatch, *arguments: object
) -> list[tuple[str, dict[str, str]]]:
    """Return the modules that the command starts on one core, and their options."""
    calls = []

    def start(module: str, *options: object) -> subprocess.Popen[bytes]:
        names, values = map(str, options[::2]), map(str, options[1::2])
        calls.append((module, dict(zip(names, values, strict=True))))
        if module == "train":
            folder = Path(calls[-1][1]["--folder"])
            folder.mkdir(parents=True, exist_ok=True)
            save_network(Network(), folder / "lips.npz")
        return subprocess.Popen(["true"])

    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    monkeypatch.setattr(command, "_start", start)
    monkeypatch.setattr(command, "exit_on_signals", lambda: None)
    monkeypatch.setattr(sys, "argv", ["training", *map(str, arguments)])
    command.main()
    return calls


def test_second_stage_begins_with_the_weights_of_the_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls = calls_of(monkeypatch, "--work", tmp_path, "--seed", 5)
    assert [module for module, _ in calls] == 2 * ["speech", "features", "train"]
    first, second = (
        [options for _, options in part] for part in (calls[:3], calls[3:])
    )
    assert [options["--seed"] for options in first + second] == 3 * ["5"] + 3 * ["6"]
    folders = [options["--folder"] for options in first + second]
    assert len(set(folders)) == 6
    assert "--begin-with" not in first[2]
    assert second[2]["--begin-with"] == str(Path(first[2]["--folder"]) / "lips.npz")
    assert float(second[2]["--rate"]) < float(first[2]["--rate"])
    assert [first[1]["--stage"], second[1]["--stage"]] == ["1", "2"]


def test_result_is_a_mean_of_both_stages(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls_of(monkeypatch, "--work", tmp_path)
    shut = CURVES.index("shut")
    with (
        np.load(tmp_path / "stage1" / "fit" / "lips.npz") as first,
        np.load(tmp_path / "stage2" / "fit" / "lips.npz") as second,
        np.load(tmp_path / "lips.npz") as result,
    ):
        for name in first:
            expected = 0.8 * first[name] + 0.2 * second[name]
            if name == "_curves.bias":  # lips shut more readily at each look-ahead
                expected = expected.reshape(LAGS, -1)
                expected[:, shut] += 0.1
                expected = expected.reshape(-1)
            assert result[name] == pytest.approx(expected, abs=1e-6)


def test_run_from_given_weights_does_the_second_stage_only(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = calls_of(monkeypatch, "--work", tmp_path)
    given = tmp_path / "given.npz"
    save_network(Network(), given)
    calls = calls_of(monkeypatch, "--work", tmp_path, "--begin-with", given)
    assert calls[-1][1].pop("--begin-with") == str(given)
    assert whole[-1][1].pop("--begin-with") != str(given)
    assert calls == whole[3:]


@pytest.mark.parametrize("minutes", ["0", "-5", "soon"])
def test_minutes_are_positive(minutes: str) -> None:
    with pytest.raises((argparse.ArgumentTypeError, ValueError)):
        command.positive(minutes)


def test_remaining_time_comes_from_the_time_of_the_work_done() -> None:
    now_s = [100.0]
    progress = Progress(10, lambda: now_s[0])
    now_s[0] += 120
    assert progress.add(2) == "about 8 min left"
    now_s[0] += 480
    assert progress.add(8) == "about 0 min left"


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("flags : fma avx2 avx512f", torch.float32),
        ("flags : fma avx512_bf16 avx512f", torch.bfloat16),
        ("flags : avx2 amx_bf16", torch.bfloat16),
        ("Features : asimd bf16 i8mm", torch.bfloat16),
    ],
)
def test_products_are_rounded_where_the_processor_multiplies_bfloat16(
    flags: str, expected: torch.dtype, tmp_path: Path
) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text(f"processor : 0\n{flags}\n")
    assert train.product_type(torch.device("cpu"), file) is expected


def test_products_are_exact_where_nothing_is_known_of_the_processor(
    tmp_path: Path,
) -> None:
    cpu = torch.device("cpu")
    assert train.product_type(cpu, tmp_path / "none") is torch.float32
    assert train.product_type(torch.device("cuda")) is torch.bfloat16


@given(st.integers(1, 10**7))
def test_size_of_a_transform_has_small_factors_and_is_little_larger(
    length: int,
) -> None:
    size = fft_size(length)
    assert length <= size <= max(8, 1.25 * length + 1)
    rest = size
    for factor in (2, 3, 5, 7):
        while rest % factor == 0:
            rest //= factor
    assert rest == 1
