"""The plan of a training run: its division among processes, its size, its progress."""

import argparse
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from training import __main__ as command
from training import features, train, voices
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


def plan_of(**changes: float) -> argparse.Namespace:
    hours = {
        "speech_hours": voices.PLANNED_HOURS,
        "shard_hours": features.PLANNED_HOURS,
        "steps": train.PLANNED_STEPS,
        "minutes": None,
    }
    return argparse.Namespace(**hours | changes)


def test_minutes_scale_all_parts_of_the_plan() -> None:
    whole = plan_of()
    planned = command.planned_minutes(whole)
    half = command.scaled_plan(plan_of(minutes=planned / 2))
    assert half.speech_hours == pytest.approx(whole.speech_hours / 2)
    assert half.shard_hours == pytest.approx(whole.shard_hours / 2)
    assert half.steps == round(whole.steps / 2)
    assert command.planned_minutes(half) == pytest.approx(planned / 2, rel=0.01)
    assert command.scaled_plan(plan_of(minutes=1e-3)).steps == 1


def test_plan_without_minutes_is_kept() -> None:
    assert command.scaled_plan(plan_of()) == plan_of()


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
