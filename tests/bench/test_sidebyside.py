"""Side by side: what is slower by a known time is reported as slower by that time."""

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
    """A voice that does everything a while after it was asked to."""

    async def say(self, pcm: bytes) -> float:
        at_s = asyncio.get_running_loop().time()
        await asyncio.sleep(LATE_S)
        await super().say(pcm)
        return at_s


def measured(system: System, turns: int) -> Measured:
    kept = Measured()
    asyncio.run(measure(system, kept, turns, 0, seed=1))
    return kept


@pytest.mark.slow
def test_a_delay_is_found_in_both_figures_and_as_it_was(livekit, stack):
    prompt = measured(System("prompt", lambda: voice.sounding(voice.Voice(), stack)), 4)
    late = measured(System("late", lambda: voice.sounding(Late(), stack)), 4)
    for of in (lambda each: each.waits, lambda each: each.tails):
        assert len(of(prompt)) == len(of(late)) == 4
        # The least of each: a busy machine only adds.
        over_ms = min(of(late)) - min(of(prompt))
        assert 1000 * LATE_S - 60 < over_ms < 1000 * LATE_S + 100


@pytest.mark.slow
def test_ours_and_peers_say_the_same_and_a_batch_costs_its_length(stack):
    given = argparse.Namespace(
        rounds=1, turns=2, queued=1, peers="voice,batching", quality="256x256"
    )
    [report] = sidebyside.run(given, stack, QUIET)
    found = {(figure.name, figure.peer): figure for figure in report.figures}
    for name in ("given → first sample decoded", "cut → last loud sample decoded"):
        ours, alone, batched = (
            found[name, peer] for peer in ("", "voice alone", "model of batching")
        )
        assert len(ours.samples) == len(alone.samples) == len(batched.samples) == 2
        assert 0 < alone.at(50) < batched.at(50)
        # A batch and its context are 840 ms of waiting or of tail.
        assert batched.at(50) - ours.at(50) > 400
    again = found["two queued, cut → first sample of the next decoded", ""]
    over = found["two queued, cut → told that both are over", ""]
    assert 0 < over.at(100) < again.at(100)
    assert ("two queued, cut → told that both are over", "voice alone") not in found


@pytest.mark.slow
def test_the_stock_runner_stalls_where_ours_goes_on(stack):
    if not environment.found("peers", stock_runner.REQUIREMENTS):
        pytest.skip("the peers' environment is made by `python -m bench stock-runner`")
    given = argparse.Namespace(
        rounds=1, turns=1, queued=1, peers="data-stream,stock-runner", quality="256x256"
    )
    [report] = sidebyside.run(given, stack, QUIET)
    found = {(figure.name, figure.peer): figure for figure in report.figures}
    for name in (
        "two queued, cut → told that both are over",
        "two queued, cut → first sample of the next decoded",
    ):
        theirs = found[name, "stock runner"]
        for ours in (found[name, ""], found[name, data_stream.NAME]):
            assert len(ours.samples) == len(theirs.samples) == 1
            assert ours.at(50) < theirs.at(50)


def test_an_unknown_peer_is_refused_by_name(livekit, gateway):
    given = argparse.Namespace(
        rounds=1, turns=1, queued=0, peers="nobody", quality="256x256"
    )
    with pytest.raises(SystemExit, match="not 'nobody'"):
        sidebyside.run(given, Stack(livekit, gateway), QUIET)


@pytest.mark.slow
def test_interrupts_of_three_situations_are_told_apart(stack):
    [report] = run(argparse.Namespace(cuts=6, quality="256x256"), stack, QUIET)
    found = {figure.name: figure for figure in report.figures}
    told = "sent → speak_interrupted read by the client"
    counts = [len(found[name].samples) for name in (told, f"one turn playing: {told}")]
    assert counts == [4, 2]
    assert len(found["all situations: sent → answer read"].samples) == 6
    assert len(found[f"{BETWEEN}: sent → answer read"].samples) == 2
    assert list(found[f"{BETWEEN}: answers without a cause"].samples) == [0, 0]
    nexts = found[f"{BETWEEN}: next turn sent → first sample decoded"]
    assert all(0 < each < 1000 for each in nexts.samples)
    # The tone would have gone on for seconds.
    assert found["sent → last loud sample decoded"].at(100) < 700
