"""Side by side: a system with a known delay is reported slower by that delay."""

import argparse
import asyncio
from collections.abc import Iterator

import pytest
from rich.console import Console

from bench import environment, sidebyside
from bench.interrupt import BETWEEN, run
from bench.peers import data_stream, stock_runner, voice
from bench.peers.workload import Measured, System, measure
from bench.probe.stack import Stack, running_gateway

pytestmark = pytest.mark.livekit

LATE_S = 0.2
QUIET = Console(quiet=True)


@pytest.fixture
def stack(livekit, tmp_path) -> Iterator[Stack]:
    with running_gateway(
        livekit.url, livekit.key, livekit.secret, tmp_path / "gateway.log"
    ) as gateway:
        yield Stack(livekit, gateway)


class Late(voice.Voice):
    """Voice that starts to speak with a known delay."""

    async def say(self, pcm: bytes) -> float:
        at_s = asyncio.get_running_loop().time()
        await asyncio.sleep(LATE_S)
        await super().say(pcm)
        return at_s


def measured(system: System, turns: int) -> Measured:
    result = Measured()
    asyncio.run(measure(system, result, turns, 0, seed=1))
    return result


@pytest.mark.slow
def test_a_known_delay_is_measured_at_start_and_interrupt(livekit, stack):
    prompt = measured(
        System("prompt", lambda: voice.publishing(voice.Voice(), stack)), 4
    )
    late = measured(System("late", lambda: voice.publishing(Late(), stack)), 4)
    for figure in (lambda result: result.starts, lambda result: result.tails):
        assert len(figure(prompt)) == len(figure(late)) == 4
        # Compare the minimums: a busy machine only adds.
        over_ms = min(figure(late)) - min(figure(prompt))
        assert 1000 * LATE_S - 60 < over_ms < 1000 * LATE_S + 100


@pytest.mark.slow
def test_all_systems_get_the_same_workload_and_a_batch_costs_its_length(stack):
    args = argparse.Namespace(
        rounds=1, turns=2, queued=1, peers="voice,batching", quality="256x256"
    )
    [report] = sidebyside.run(args, stack, QUIET)
    figures = {(figure.name, figure.peer): figure for figure in report.figures}
    for name in ("sent → first sample decoded", "interrupt → last loud sample decoded"):
        ours, alone, batched = (
            figures[name, peer] for peer in ("", "voice alone", "model of batching")
        )
        assert len(ours.samples) == len(alone.samples) == len(batched.samples) == 2
        assert 0 < alone.at(50) < batched.at(50)
        # A batch and its context take 840 ms, before the start or as a tail.
        assert batched.at(50) - ours.at(50) > 400
    next_start = figures[
        "two queued segments, interrupt → first sample of the next decoded", ""
    ]
    ended = figures["two queued segments, interrupt → end of both reported", ""]
    assert 0 < ended.at(100) < next_start.at(100)
    assert (
        "two queued segments, interrupt → end of both reported",
        "voice alone",
    ) not in figures


@pytest.mark.slow
def test_the_stock_runner_stalls_where_this_server_does_not(stack):
    if not environment.find("peers", stock_runner.REQUIREMENTS):
        pytest.skip("the peers' environment is made by `python -m bench stock-runner`")
    args = argparse.Namespace(
        rounds=1, turns=1, queued=1, peers="data-stream,stock-runner", quality="256x256"
    )
    [report] = sidebyside.run(args, stack, QUIET)
    figures = {(figure.name, figure.peer): figure for figure in report.figures}
    for name in (
        "two queued segments, interrupt → end of both reported",
        "two queued segments, interrupt → first sample of the next decoded",
    ):
        theirs = figures[name, "stock runner"]
        for ours in (figures[name, ""], figures[name, data_stream.NAME]):
            assert len(ours.samples) == len(theirs.samples) == 1
            assert ours.at(50) < theirs.at(50)


def test_an_unknown_peer_is_refused_by_name(livekit, gateway):
    args = argparse.Namespace(
        rounds=1, turns=1, queued=0, peers="unknown", quality="256x256"
    )
    with pytest.raises(SystemExit, match="not 'unknown'"):
        sidebyside.run(args, Stack(livekit, gateway), QUIET)


@pytest.mark.slow
def test_interrupts_are_reported_by_situation(stack):
    [report] = run(argparse.Namespace(cuts=6, quality="256x256"), stack, QUIET)
    figures = {figure.name: figure for figure in report.figures}
    answer = "sent → speak_interrupted read by the client"
    counts = [
        len(figures[name].samples) for name in (answer, f"one turn playing: {answer}")
    ]
    assert counts == [4, 2]
    assert len(figures["all situations: sent → answer read"].samples) == 6
    assert len(figures[f"{BETWEEN}: sent → answer read"].samples) == 2
    assert list(
        figures[f"{BETWEEN}: interrupted events although nothing was playing"].samples
    ) == [0, 0]
    nexts = figures[f"{BETWEEN}: next turn sent → first sample decoded"]
    assert all(0 < wait_ms < 1000 for wait_ms in nexts.samples)
    # Without the interrupt the tone lasts for seconds.
    assert figures["sent → last loud sample decoded"].at(100) < 700
