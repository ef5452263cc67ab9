"""The instruments are calibrated: they report a known delay where it was injected."""

import argparse
import asyncio
import io
import json

import numpy as np
import pytest
from rich.console import Console

from bench import environment, interrupt, latency, protocol, render
from bench.peers import stock_runner
from bench.probe.listening import Recording
from bench.probe.stack import Stack, running_gateway
from bench.report import compare
from bench.report.figures import Report, write
from bench.report.page import page
from lite_gateway.config import Config

DELAY_MS = 30
TURNS = 6


def started_ms(stack: Stack) -> list[float]:
    """Return the times from sent to speak_started read, in ms."""
    condition = latency.Condition("burst", quality="256x256", turns=TURNS)
    conversation = asyncio.run(latency.talk(condition, stack))
    assert len(conversation.heard.frames) > 0
    return [1000 * (turn.started_s - turn.sent_s) for turn in conversation.turns]


@pytest.mark.slow
@pytest.mark.livekit
def test_a_delay_in_the_renderer_is_reported_by_client_and_gateway(livekit, tmp_path):
    medians, own = [], []
    for name, env in (
        ("as it is", {}),
        ("slow", {"LITE_DRIVER": "tests.fakes:SlowDriver"}),
    ):
        with running_gateway(
            livekit.url, livekit.key, livekit.secret, tmp_path / name, **env
        ) as gateway:
            outside = started_ms(Stack(livekit, gateway))
            metrics = gateway.metrics()
        labels = '{source="websocket"}'
        total = metrics[f"lite_added_latency_seconds_sum{labels}"]
        assert metrics[f"lite_added_latency_seconds_count{labels}"] == TURNS
        # The client measures the socket both ways in addition, and nothing else.
        over_ms = np.mean(outside) - 1000 * total / TURNS
        assert 0 <= over_ms < 40
        medians.append(np.median(outside))
        own.append(metrics["lite_render_seconds_sum"])
    normal, slow = medians
    assert DELAY_MS / 2 < slow - normal < DELAY_MS + 40
    assert own[1] > own[0]


@pytest.mark.livekit
@pytest.mark.slow
def test_the_gateways_interrupt_time_agrees_with_the_subscribers(livekit, tmp_path):
    """They agree within 50 ms: a jitter buffer moves by as much on a busy machine."""
    args = argparse.Namespace(cuts=9, quality="256x256")
    with running_gateway(
        livekit.url, livekit.key, livekit.secret, tmp_path / "log"
    ) as gateway:
        stack = Stack(livekit, gateway)
        heard, turns, _ = asyncio.run(interrupt.interrupt_all(args, stack))
        metrics = gateway.metrics()

    assert metrics["lite_interrupt_seconds_count"] == len(turns) == 6
    own_ms = 1000 * metrics["lite_interrupt_seconds_sum"] / len(turns)
    # For each turn: how much longer its end took to the subscriber than its start.
    over = [
        (interrupt.last_loud(heard, turn.at_s) - turn.at_s) - network_s(heard, turn)
        for turn in turns
    ]
    assert abs(1000 * np.median(over) - own_ms) < 50
    answers = [turn.answered_s - turn.at_s for turn in turns]
    assert abs(1000 * np.median(answers) - own_ms) < 40


def network_s(heard: Recording, turn: interrupt.InterruptedTurn) -> float:
    """Return the time from submitting the first sample of a turn to decoding it."""
    started_s = turn.at_s - turn.expected_ms / 1000
    within = heard.sample_range(started_s - 0.05, turn.at_s + 0.3)
    loud = np.flatnonzero(np.abs(heard.audio[within].astype(int)) > 800)
    return heard.arrival_s(within.start + int(loud[0])) - started_s


def test_the_interval_of_a_ratio_tells_equal_from_slower_samples():
    rng = np.random.default_rng(5)
    before = list(rng.normal(10, 1, 40))
    low, high = compare.interval(before, list(rng.normal(10, 1, 40)))
    assert low < 1 < high
    low, _ = compare.interval(before, list(rng.normal(14, 1, 40)))
    assert low > 1.2


def test_few_samples_have_an_infinite_interval():
    assert compare.interval([1.0], [100.0]) == (0.0, float("inf"))


def test_the_interval_is_that_of_a_plain_bootstrap_of_medians():
    rng = np.random.default_rng(7)
    old, new = rng.normal(50, 5, 30), rng.normal(90, 20, 30)
    medians = [
        np.median(rng.choice(side, (4000, len(side))), axis=1) for side in (old, new)
    ]
    expected = np.percentile(medians[1] / medians[0], [2.5, 97.5])
    assert compare.interval(old, new) == pytest.approx(expected, rel=0.03)


def test_samples_that_are_no_numbers_are_left_out_of_the_interval():
    samples = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    low, high = compare.interval(samples, [*samples, float("nan")])
    assert 0.2 < low < 1 < high < 4
    assert not np.isfinite(compare.interval([0.0] * 6, samples)).any()


@pytest.mark.parametrize(("after", "status"), [(10.0, 0), (20.0, 1)])
def test_compare_exits_with_1_if_a_figure_got_worse(tmp_path, after, status):
    paths = []
    for name, middle in (("before", 10.0), ("after", after)):
        report = Report("latency")
        report.add("wait", "ms", np.random.default_rng(1).normal(middle, 1, 30))
        paths.append(tmp_path / f"{name}.json")
        write(paths[-1], [report])
    args = argparse.Namespace(before=paths[0], after=paths[1])
    assert compare.run(args, Console(quiet=True)) == status


def saved(path, name, samples, budget="", peer=""):
    report = Report("latency")
    report.add(name, "ms", samples, budget, peer=peer)
    write(path, [report])
    return path


def compared(before, after):
    """Return the exit status and the table as text."""
    console = Console(width=160, record=True, file=io.StringIO())
    args = argparse.Namespace(before=before, after=after)
    return compare.run(args, console), console.export_text()


def test_compare_shows_figures_that_only_one_run_has(tmp_path):
    before = saved(tmp_path / "a", "old one", [1.0] * 9)
    after = saved(tmp_path / "b", "new one", [1.0] * 9)
    status, text = compared(before, after)
    assert status == 0
    [old] = [line for line in text.splitlines() if "old one" in line]
    [new] = [line for line in text.splitlines() if "new one" in line]
    assert "only before" in old
    assert "only after" in new


def test_compare_fails_if_a_met_budget_is_missed_now(tmp_path):
    # 3 % slower is within the tolerance, but it crosses the budget.
    before = saved(tmp_path / "a", "wait", [14.8] * 20, "L1 p50 ≤ 15")
    after = saved(tmp_path / "b", "wait", [15.2] * 20, "L1 p50 ≤ 15")
    status, text = compared(before, after)
    assert status == 1
    assert "budget missed" in text
    assert compared(after, after)[0] == 0
    assert compared(after, before)[0] == 0


def test_a_slower_peer_is_no_regression(tmp_path):
    before = saved(tmp_path / "a", "wait", [10.0] * 20, peer="other")
    after = saved(tmp_path / "b", "wait", [20.0] * 20, peer="other")
    status, text = compared(before, after)
    assert status == 0
    assert "wait, other" in text


def test_a_report_keeps_samples_and_conditions(tmp_path):
    args = argparse.Namespace(times=20)
    reports = protocol.run(args, None, Console(quiet=True))
    write(tmp_path / "out.json", reports)
    [saved] = json.loads((tmp_path / "out.json").read_text())["reports"]
    assert saved["machine"]["cores"] >= 1
    assert saved["machine"]["commit"]
    for figure in saved["figures"]:
        assert figure["n"] == len(figure["samples"]) == 20
        assert figure["p50"] <= figure["p95"] <= figure["p99"]


def test_the_page_shows_every_figure_and_loads_nothing():
    report = Report("latency <burst>", {"pace": "burst"})
    report.add("wait & see", "ms", [1.0, 2.0, 3.0, 4.0], "≤ 15")
    report.add("one", "ms", [5.0])
    text = page([report.as_json()])
    assert "wait &amp; see" in text
    assert "latency &lt;burst&gt;" in text
    assert text.count("<img src='data:image/svg+xml;base64,") == 1
    assert "http" not in text


def test_render_measures_every_size_and_batch():
    parser = argparse.ArgumentParser()
    render.add_options(parser)
    args = ["--frames=3", "--device=cpu", "--sizes=128x128", "--batches=1,2"]
    [report] = render.run(parser.parse_args(args), None, Console(quiet=True))
    names = [figure.name for figure in report.figures]
    avatar = Config().default_avatar
    assert f"{avatar} 128x128, batch 2, a frame" in names
    assert f"{avatar} 128x128, batch 2: draw" in names
    assert "fiducial 128x128, batch 2: draw" not in names
    assert all(min(figure.samples) > 0 for figure in report.figures)


def test_an_environment_that_cannot_be_made_is_unavailable(tmp_path):
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "peers"
    with pytest.raises(environment.Unavailable, match="venv"):
        environment.interpreter(folder, stock_runner.REQUIREMENTS, print)


def test_an_environment_of_the_same_versions_is_used_again(tmp_path):
    folder = tmp_path / "peers"
    folder.mkdir()
    (folder / "some.lock").write_text("one==1.0\n")
    requirements = tmp_path / "some.lock"
    requirements.write_text("one==1.0 \\\n    --hash=sha256:00\n")
    python = environment.interpreter(folder, requirements, pytest.fail)
    assert python == folder / "bin" / "python"
