"""The GPU's bench, on a CPU: its arithmetic, its checks, and what it imports."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from bench import gpu
from bench.drawing import Easel, Laps, difference, sessions, without_graphs
from lite_gateway.config import Config
from renderer.engine import STAGES

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "bench" / "gpu.sh"


def findings():
    return gpu.Findings({}, {})


def test_a_pass_keeps_up_with_as_many_sessions_as_it_has_time_for():
    assert sessions(1, 40.0) == 1
    assert sessions(8, 20.0) == 16
    assert sessions(1, 41.0) == 0


def test_the_best_is_of_passes_in_time_only():
    def row(batch, pass_ms):
        ms = dict.fromkeys(STAGES, 0.0)
        many = sessions(batch, pass_ms)
        args = (pass_ms, pass_ms / batch, ms, many, pass_ms <= 40, None, None, None)
        return gpu.Row("ada", "512x512", batch, False, 9, pass_ms, *args)

    found = findings()
    found.rows = [row(8, 10.0), row(64, 39.0), row(128, 60.0)]
    assert found.best() == {"ada 512x512": 65}


@pytest.mark.parametrize(("shift", "fails"), [(0, 0), (4, 1), (9, 1)])
def test_pixels_too_far_apart_are_a_failure(shift, fails):
    found = findings()
    right = torch.full((2, 600), 100, dtype=torch.uint8)
    gpu.judge("picture", right + shift, right, found)
    assert found.pixels["picture"] == (shift, float(shift))
    assert len(found.failures) == fails


def test_one_pixel_far_off_is_a_failure_and_one_a_little_off_is_not():
    right = torch.full((2, 600), 100, dtype=torch.uint8)
    for code, fails in ((100 + gpu.MOST_APART, 0), (101 + gpu.MOST_APART, 1)):
        found, drawn = findings(), right.clone()
        drawn[1, 77] = code
        gpu.judge("picture", drawn, right, found)
        assert len(found.failures) == fails


def test_recordings_give_the_same_pictures_pass_after_pass():
    found = findings()
    gpu.compare(Easel("cpu", graphs=True), ("ada", "128x128", True), found)
    assert found.pixels == {"ada 128x128, graphs": (0, 0.0)}
    pictures = Easel("cpu", graphs=False).speaking("ada", 128, 128, 2)
    most, _ = difference(pictures[0], pictures[1])
    assert most > 20  # faces that differ: the comparison has something to see


def test_a_portrait_is_left_out_where_pillow_is_not():
    code = (
        "import sys; sys.modules['PIL'] = None; from bench import drawing, gpu; "
        "print([drawing.missing(name) for name in gpu.AVATARS])"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True
    )
    assert told.returncode == 0, told.stderr
    drawn, portrait = ast.literal_eval(told.stdout)
    assert not drawn
    assert portrait


def test_whom_most_people_see_is_among_those_measured():
    assert Config().default_avatar in gpu.AVATARS


def test_a_rig_without_graphs_is_named():
    easel = Easel("cpu", graphs=False)
    assert "cannot" in without_graphs(easel.open_sessions("ada", 128, 128, 2))
    recorded = Easel("cpu", graphs=True)
    stages = recorded.open_sessions("ada", 128, 128, 1)
    assert without_graphs(stages) == ""
    stages[0].rig.capture_error = "batch 1: not permitted"
    assert "not permitted" in without_graphs(stages)


def test_laps_add_up_to_the_pass():
    laps = Laps()
    laps.start()
    for stage in STAGES:
        laps(stage)
    assert set(laps.spent_ms) == set(STAGES)
    spent = Easel("cpu", graphs=False).draw(
        Easel("cpu", graphs=False).open_sessions("ada", 128, 128, 2), 3
    )
    assert len(spent.passes) == 3
    assert spent.passes[0] == pytest.approx(sum(ms[0] for ms in spent.stages.values()))
    assert sum(spent.stages["draw"]) > sum(spent.stages["read-back"])


def test_it_imports_nothing_but_torch_numpy_and_the_renderer():
    code = (
        "import sys, bench.gpu; print(*{m.split('.')[0] for m in sys.modules "
        "if getattr(sys.modules[m], '__file__', None)})"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True
    )
    assert told.returncode == 0, told.stderr
    imported = set(told.stdout.split())
    ours = {"lite_gateway", "protocol", "rich", "livekit", "httpx", "orjson", "av"}
    assert {"bench", "renderer", "torch", "numpy"} <= imported
    assert not ours & imported


def test_the_script_runs_on_a_machine_without_cuda(tmp_path):
    sizes = ["--sizes", "128x128", "--batches", "1,2", "--frames", "3"]
    done = subprocess.run(
        ["sh", str(SCRIPT), *sizes, "--device", "cpu"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={
            "PATH": "/usr/bin:/bin",
            "PYTHON": sys.executable,
            "OUT": str(tmp_path),
            "OMP_NUM_THREADS": "1",
        },
    )
    assert done.returncode == 0, done.stderr
    assert "no CUDA" in done.stdout
    found = json.loads((tmp_path / "gpu.json").read_text())
    batches = [row["batch"] for row in found["rows"] if row["avatar"] == "ada"]
    assert batches == [1, 2]
    assert found["sessions"]["ada 128x128"] >= 1
    # Every avatar was measured, or it says why not.
    drawn = {row["avatar"] for row in found["rows"]}
    assert drawn | set(found["left_out"]) == set(gpu.AVATARS)
    for name, why in found["left_out"].items():
        assert f"left out {name}: {why}" in done.stdout
    assert not found["failures"]
