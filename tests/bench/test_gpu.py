"""Tests of `bench.gpu` on a CPU: its arithmetic, its checks, and its imports."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from bench import gpu
from bench.engine_timing import (
    EngineBench,
    PixelDifference,
    StageTimer,
    difference,
    max_sessions,
    without_graphs,
)
from lite_gateway.config import Config
from renderer.engine import STAGES
from tests.test_layers import imports
from tests.waiting import best_of, figures

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "bench" / "gpu.sh"


def empty_result():
    return gpu.Result({}, {})


def test_a_pass_serves_as_many_sessions_as_its_time_allows():
    assert max_sessions(1, 40.0) == 1
    assert max_sessions(8, 20.0) == 16
    assert max_sessions(1, 41.0) == 0


def test_only_passes_in_time_count_for_the_best():
    def row(batch, pass_ms):
        ms = dict.fromkeys(STAGES, 0.0)
        count = max_sessions(batch, pass_ms)
        args = (pass_ms, pass_ms / batch, ms, count, pass_ms <= 40, None, None, None)
        return gpu.Row("mira", "512x512", batch, False, 9, pass_ms, *args)

    result = empty_result()
    result.rows = [row(8, 10.0), row(64, 39.0), row(128, 60.0)]
    assert result.best() == {"mira 512x512": 65}


@pytest.mark.parametrize(("shift", "fails"), [(0, 0), (4, 1), (9, 1)])
def test_pixels_beyond_the_tolerance_are_a_failure(shift, fails):
    result = empty_result()
    expected = torch.full((2, 600), 100, dtype=torch.uint8)
    gpu.judge("picture", expected + shift, expected, result)
    beyond = float(shift > 2)
    assert result.pixels["picture"] == PixelDifference(shift, float(shift), beyond)
    assert len(result.failures) == fails


@pytest.mark.parametrize(("count", "code", "fails"), [(12, 140, 0), (13, 140, 1),
                                                      (5000, 102, 0)])  # fmt: skip
def test_one_byte_in_ten_thousand_may_be_apart(count, code, fails):
    result = empty_result()
    expected = torch.full((200, 600), 100, dtype=torch.uint8)
    frames = expected.clone()
    frames.view(-1)[:count] = code
    gpu.judge("picture", frames, expected, result)
    assert len(result.failures) == fails


def test_graphs_render_the_same_frames_in_every_pass(portrait):
    result, avatar = empty_result(), str(portrait)
    graphed = EngineBench("cpu", graphs=True, native=False)
    gpu.compare(graphed, (avatar, "128x128", True), result)
    assert result.pixels == {f"{avatar} 128x128, graphs": PixelDifference(0, 0.0, 0.0)}
    frames = EngineBench("cpu", graphs=False).render_speech(avatar, 128, 128, 2)
    # The faces differ, so a wrong frame would be noticed.
    assert difference(frames[0], frames[1]).most > 20


def imported_libraries(path: Path, seen: set[Path]) -> set[str]:
    """Return the libraries that a module imports, itself or through modules of ours."""
    seen.add(path)
    libraries = set()
    for name in imports(path):
        root, *below = name.split(".")
        if root not in ("bench", "renderer", "lite_gateway", "protocol"):
            libraries.add(root)
            continue
        for depth in range(len(below) + 1):  # a package, its modules, their names
            part = ROOT.joinpath(root, *below[:depth])
            for file in (part / "__init__.py", part.with_suffix(".py")):
                if file.is_file() and file not in seen:
                    libraries |= imported_libraries(file, seen)
    return libraries


def test_it_imports_only_torch_numpy_and_pillow_and_nvml_if_it_is_installed():
    seen: set[Path] = set()
    libraries = imported_libraries(ROOT / "bench" / "gpu.py", seen)
    assert ROOT / "renderer" / "portrait" / "rig.py" in seen
    libraries -= sys.stdlib_module_names
    assert libraries == {"torch", "numpy", "PIL", "pynvml"}
    assert not {path.relative_to(ROOT).parts[0] for path in seen} - {
        "bench",
        "renderer",
    }


def test_the_default_avatar_is_measured():
    assert Config().default_avatar in gpu.AVATARS


def test_a_rig_without_graphs_is_named(portrait):
    engine = EngineBench("cpu", graphs=False)
    assert "cannot" in without_graphs(engine.open_sessions("fiducial", 128, 128, 2))
    captured = EngineBench("cpu", graphs=True, native=False)
    sessions = captured.open_sessions(str(portrait), 128, 128, 1)
    assert without_graphs(sessions) == ""
    sessions[0].rig.capture_error = "batch 1: not permitted"
    assert "not permitted" in without_graphs(sessions)


@best_of(3)
def test_stages_add_up_to_the_pass(portrait):
    timer = StageTimer()
    timer.start()
    for stage in STAGES:
        timer(stage)
    assert set(timer.spent_ms) == set(STAGES)
    engine = EngineBench("cpu", graphs=False)
    times = engine.time_passes(engine.open_sessions(str(portrait), 128, 128, 2), 3)
    assert len(times.passes) == 3
    assert times.passes[0] == pytest.approx(sum(ms[0] for ms in times.stages.values()))
    with figures():
        assert sum(times.stages["draw"]) > sum(times.stages["read-back"])


def run_script(folder, *arguments, **env):
    env = {"PATH": "/usr/bin:/bin", "PYTHON": sys.executable, **env}
    return subprocess.run(
        ["sh", str(SCRIPT), *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**env, "OUT": str(folder), "OMP_NUM_THREADS": "1"},
    )


@pytest.mark.process
def test_the_script_runs_without_cuda(portrait, tmp_path):
    sizes = ["--sizes", "128x128", "--batches", "1,2", "--frames", "3"]
    avatars = ["--avatars", f"{portrait},fiducial,nobody"]
    done = run_script(tmp_path, *sizes, *avatars, "--device", "cpu")
    assert done.returncode == 1
    assert "no CUDA" in done.stdout
    result = json.loads((tmp_path / "gpu.json").read_text())
    for avatar in (str(portrait), "fiducial"):
        batches = [row["batch"] for row in result["rows"] if row["avatar"] == avatar]
        assert batches == [1, 2]
        assert result["sessions"][f"{avatar} 128x128"] >= 1
    [failure] = result["failures"]
    assert failure.startswith("nobody cannot be loaded: ")
    assert f"FAILED: {failure}" in done.stdout


def test_the_script_names_each_library_that_is_missing(tmp_path):
    bare = tmp_path / "python"  # without the installed libraries
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    bare.chmod(0o755)
    (tmp_path / "numpy.py").touch()
    done = run_script(tmp_path, PYTHON=str(bare), PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert "lacks torch, Pillow: install it with pip, or set PYTHON" in done.stderr
