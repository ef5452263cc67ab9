"""The instruments are calibrated: a known delay is seen where it was put."""

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
    """Sent until speak_started was read, by the bench."""
    condition = latency.Condition("burst", quality="256x256", turns=TURNS)
    talked = asyncio.run(latency.talk(condition, stack))
    assert len(talked.heard.frames) > 0
    return [1000 * (turn.started_s - turn.sent_s) for turn in talked.turns]


@pytest.mark.slow
@pytest.mark.livekit
def test_a_delay_in_the_renderer_is_reported_and_the_gateway_agrees(livekit, tmp_path):
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
        # The client's view holds the socket both ways, and nothing else.
        over_ms = np.mean(outside) - 1000 * total / TURNS
        assert 0 <= over_ms < 40
        medians.append(np.median(outside))
        own.append(metrics["lite_render_seconds_sum"])
    quick, slow = medians
    assert DELAY_MS / 2 < slow - quick < DELAY_MS + 40
    assert own[1] > own[0]


@pytest.mark.livekit
@pytest.mark.slow
def test_the_gateways_interrupt_time_agrees_with_what_a_subscriber_hears(
    livekit, tmp_path
):
    """Within 50 ms: on a busy machine a jitter buffer moves by as much."""
    given = argparse.Namespace(cuts=9, quality="256x256")
    with running_gateway(
        livekit.url, livekit.key, livekit.secret, tmp_path / "log"
    ) as gateway:
        heard, cuts, _ = asyncio.run(interrupt._talk(given, Stack(livekit, gateway)))
        metrics = gateway.metrics()

    assert metrics["lite_interrupt_seconds_count"] == len(cuts) == 6
    own_ms = 1000 * metrics["lite_interrupt_seconds_sum"] / len(cuts)
    # Of each turn: how much longer its end took than its beginning on the way.
    over = [
        (interrupt.last_loud(heard, cut.at_s) - cut.at_s) - on_the_way(heard, cut)
        for cut in cuts
    ]
    assert abs(1000 * np.median(over) - own_ms) < 50
    told = [cut.told_s - cut.at_s for cut in cuts]
    assert abs(1000 * np.median(told) - own_ms) < 40


def on_the_way(heard: Recording, cut: interrupt.Cut) -> float:
    """From the turn's first sample handed over until it was decoded, in s."""
    started_s = cut.at_s - cut.due_ms / 1000
    within = heard.places(started_s - 0.05, cut.at_s + 0.3)
    loud = np.flatnonzero(np.abs(heard.sound[within].astype(int)) > 800)
    return heard.arrived(within.start + int(loud[0])) - started_s


def test_the_same_samples_are_no_worse_and_slower_ones_are():
    chance = np.random.default_rng(5)
    before = list(chance.normal(10, 1, 40))
    low, high = compare.interval(before, list(chance.normal(10, 1, 40)))
    assert low < 1 < high
    low, _ = compare.interval(before, list(chance.normal(14, 1, 40)))
    assert low > 1.2


def test_few_samples_prove_nothing():
    assert compare.interval([1.0], [100.0]) == (0.0, float("inf"))


@pytest.mark.parametrize(("after", "status"), [(10.0, 0), (20.0, 1)])
def test_compare_exits_with_one_when_something_got_worse(tmp_path, after, status):
    paths = []
    for name, middle in (("before", 10.0), ("after", after)):
        report = Report("latency")
        report.add("wait", "ms", np.random.default_rng(1).normal(middle, 1, 30))
        paths.append(tmp_path / f"{name}.json")
        write(paths[-1], [report])
    given = argparse.Namespace(before=paths[0], after=paths[1])
    assert compare.run(given, Console(quiet=True)) == status


def saved(path, name, samples, budget="", peer=""):
    report = Report("latency")
    report.add(name, "ms", samples, budget, peer=peer)
    write(path, [report])
    return path


def compared(before, after):
    """The table, as text, and the exit status."""
    console = Console(width=160, record=True, file=io.StringIO())
    given = argparse.Namespace(before=before, after=after)
    return compare.run(given, console), console.export_text()


def test_compare_shows_what_only_one_side_has(tmp_path):
    before = saved(tmp_path / "a", "old one", [1.0] * 9)
    after = saved(tmp_path / "b", "new one", [1.0] * 9)
    status, text = compared(before, after)
    assert status == 0
    [old] = [line for line in text.splitlines() if "old one" in line]
    [new] = [line for line in text.splitlines() if "new one" in line]
    assert "only before" in old
    assert "only after" in new


def test_compare_fails_when_a_budget_that_was_met_is_missed(tmp_path):
    # 3 % slower is no regression beyond doubt, but it crosses the line.
    before = saved(tmp_path / "a", "wait", [14.8] * 20, "L1 p50 ≤ 15")
    after = saved(tmp_path / "b", "wait", [15.2] * 20, "L1 p50 ≤ 15")
    status, text = compared(before, after)
    assert status == 1
    assert "budget missed" in text
    assert compared(after, after)[0] == 0
    assert compared(after, before)[0] == 0


def test_a_peer_that_got_slower_is_not_our_regression(tmp_path):
    before = saved(tmp_path / "a", "wait", [10.0] * 20, peer="other")
    after = saved(tmp_path / "b", "wait", [20.0] * 20, peer="other")
    status, text = compared(before, after)
    assert status == 0
    assert "wait, other" in text


def test_a_report_keeps_its_samples_and_its_conditions(tmp_path):
    given = argparse.Namespace(times=20)
    reports = protocol.run(given, None, Console(quiet=True))
    write(tmp_path / "out.json", reports)
    [saved] = json.loads((tmp_path / "out.json").read_text())["reports"]
    assert saved["machine"]["cores"] >= 1
    assert saved["machine"]["commit"]
    for figure in saved["figures"]:
        assert figure["n"] == len(figure["samples"]) == 20
        assert figure["p50"] <= figure["p95"] <= figure["p99"]


def test_the_page_shows_every_figure_and_needs_nothing_from_outside():
    report = Report("latency <burst>", {"pace": "burst"})
    report.add("wait & see", "ms", [1.0, 2.0, 3.0, 4.0], "≤ 15")
    report.add("one", "ms", [5.0])
    text = page([report.as_json()])
    assert "wait &amp; see" in text
    assert "latency &lt;burst&gt;" in text
    assert text.count("<svg") == 1
    assert "http" not in text


def test_render_measures_every_size_and_batch():
    given = argparse.Namespace(
        frames=3, device="cpu", threads=1, sizes="128x128", batches="1,2"
    )
    [report] = render.run(given, None, Console(quiet=True))
    names = [figure.name for figure in report.figures]
    for avatar in {"ada", Config().default_avatar}:
        assert f"{avatar} 128x128, batch 2, a frame" in names
        assert f"{avatar} 128x128, batch 2: draw" in names
    assert "fiducial 128x128, batch 2: draw" not in names
    assert all(min(figure.samples) > 0 for figure in report.figures)


def test_peers_without_a_place_to_be_are_missing(tmp_path):
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "peers"
    with pytest.raises(environment.Unavailable, match="venv"):
        environment.interpreter(folder, stock_runner.REQUIREMENTS, print)
