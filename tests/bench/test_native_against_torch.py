"""Comparison of the renderer's paths: turns, clocks, pixels, memory and the tables."""

import argparse
import io
import json
import time
from itertools import pairwise

import numpy as np
import pytest
import torch
from rich.console import Console

from bench import native_against_torch, render
from bench.engine_timing import WARM_UP, StageTimer
from bench.native_against_torch import (
    Difference,
    FaceRecorder,
    held_bytes,
    time_in_turns,
)
from bench.report.figures import write
from renderer.engine import STAGES
from renderer.frames import VideoFrame
from tests.renderer.native.test_library import require_builds

VOICE = [bytes([n]) * 1920 for n in range(4)]


def options(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    render.add_options(parser)
    return parser.parse_args(["--against=torch", *arguments])


@pytest.fixture(scope="module")
def report(portrait):
    require_builds()
    sizes = ["--sizes=160x128,128x128", "--batches=1,2", "--frames=4"]
    args = options(f"--avatar={portrait}", *sizes)
    [report] = render.run(args, None, Console(quiet=True))
    return report


def found(report, name, peer=""):
    [figure] = [f for f in report.figures if (f.name, f.peer) == (name, peer)]
    return figure


def test_both_paths_have_every_stage_of_every_size_and_batch(report, portrait):
    for size in ("160x128", "128x128"):
        for batch in (1, 2):
            for stage in ("a frame", *STAGES):
                for clock in ("cpu", "wall"):
                    name = f"{portrait} {size}, batch {batch}: {stage}, {clock}"
                    for peer in ("", "torch"):
                        figure = found(report, name, peer)
                        assert len(figure.samples) == 4
                        assert min(figure.samples) >= 0


def test_the_ratio_is_that_of_the_medians(report, portrait):
    title = f"{portrait} 160x128, batch 2"
    for stage in ("a frame", "draw"):
        ours, reference = (
            found(report, f"{title}: {stage}, cpu", peer).at(50)
            for peer in ("", "torch")
        )
        ratio = found(report, f"{title}: torch / native, {stage}").at(50)
        assert ratio == pytest.approx(reference / ours)


def test_stages_add_up_to_the_frame(report, portrait):
    for peer in ("", "torch"):
        whole, *stages = (
            found(report, f"{portrait} 128x128, batch 2: {stage}, cpu", peer).samples
            for stage in ("a frame", *STAGES)
        )
        assert whole == pytest.approx(np.sum(stages, 0).tolist())


def test_both_paths_draw_almost_the_same_pixels(report, portrait):
    for kind in ("same faces", "same speech"):
        title = f"{portrait} 160x128: {kind}"
        assert found(report, f"{title}, mean difference").at(50) < 0.2
        assert found(report, f"{title}, bytes beyond 2 codes").at(50) < 0.5


def test_the_tables_show_both_paths_and_the_file_every_sample(
    report, portrait, tmp_path
):
    shown = io.StringIO()
    report.show(Console(file=shown, width=150))
    text = shown.getvalue()
    for word in (
        "native",
        "torch",
        "160x128",
        "128x128",
        "read-back",
        "beyond 2",
        "MB",
    ):
        assert word in text
    assert text.count("native") >= 4  # a line for each size and batch
    write(tmp_path / "report.json", [report])
    [saved] = json.loads((tmp_path / "report.json").read_text())["reports"]
    assert len(saved["figures"]) == len(report.figures)
    assert saved["conditions"]["avatar"] == str(portrait)


def test_without_a_native_build_it_says_what_to_do(monkeypatch):
    monkeypatch.setattr(native_against_torch, "load_native", lambda: None)
    with pytest.raises(SystemExit, match="`make setup` builds"):
        render.run(options(), None, Console(quiet=True))


class FakeBench:
    """Stand-in for `EngineBench` that notes who renders which audio."""

    def __init__(self, name, log, code):
        self.name, self.log, self.code = name, log, code
        self.wall, self.cpu = StageTimer(), StageTimer(time.thread_time)

    def render(self, jobs):
        self.log.append((self.name, [job.request.pcm[0] for job in jobs]))
        for timer in (self.wall, self.cpu):
            timer.start()
            for stage in STAGES:
                timer(stage)
        return [VideoFrame(2, 2, np.full(6, self.code, np.uint8)) for _ in jobs]


def test_paths_render_the_same_audio_in_turns_and_take_turns_to_be_first():
    log, difference = [], Difference()
    benches = {
        "native": FakeBench("native", log, 7),
        "torch": FakeBench("torch", log, 4),
    }
    sessions = {name: [object(), object()] for name in benches}
    times = time_in_turns(benches, sessions, VOICE, 6, difference)
    pairs = list(zip(log[::2], log[1::2], strict=True))
    assert len(pairs) == WARM_UP + 6
    for (first, audio), (second, other_audio) in pairs:
        assert {first, second} == set(benches)
        assert audio == other_audio
        assert len(set(audio)) == 2  # the sessions of a batch say different things
    firsts = [first for (first, _), _ in pairs]
    assert all(a != b for a, b in pairwise(firsts))
    assert all(len(kept.cpu.passes) == 6 for kept in times.values())
    assert (difference.largest, difference.mean) == (3, 3.0)
    assert difference.bytes == 6 * 6


def test_processor_time_leaves_out_waits():
    wall, cpu = StageTimer(), StageTimer(time.thread_time)
    for timer in (wall, cpu):
        timer.start()
    time.sleep(0.05)
    for timer in (wall, cpu):
        timer("draw")
    assert wall.spent_ms["draw"] >= 50 > cpu.spent_ms["draw"]


def test_a_difference_counts_every_byte():
    difference = Difference()
    difference.add(np.array([0, 255], np.uint8), np.array([255, 253], np.uint8))
    difference.add(np.array([10, 10], np.uint8), np.array([13, 10], np.uint8))
    assert difference.largest == 255
    assert difference.mean == (255 + 2 + 3) / 4
    assert difference.percent_beyond_2 == 50


def test_memory_that_is_shared_counts_once():
    tensor, array = torch.zeros(1000), np.zeros(500, np.float64)

    class Holder:
        __slots__ = ("inner",)

        def __init__(self, inner):
            self.inner = inner

    held = Holder({"a": [tensor, tensor[5:], array[::2]], "b": (array, Holder(tensor))})
    assert held_bytes(held) == 4000 + 4000
    assert held_bytes(FaceRecorder()) == 0
