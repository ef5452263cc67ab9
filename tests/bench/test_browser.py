"""The browser's view: what was sent is found in it, in order, and once."""

import argparse
import asyncio
import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench import browser
from bench.interrupt import last_loud
from bench.latency import first_seen
from bench.probe.listening import Recording, speech
from bench.probe.stack import Stack, running_gateway

TURNS, CUTS = 3, 2
GIVEN = argparse.Namespace(turns=TURNS, cuts=CUTS, avatar="fiducial", quality="512x512")


def during(heard: Recording, since: float, until: float) -> Recording:
    """Only the sound of that time."""
    kept = (heard.sound_at >= since) & (heard.sound_at < until)
    return replace(
        heard,
        sound=heard.sound[heard.places(since, until)],
        sound_at=heard.sound_at[kept],
        sizes=heard.sizes[kept],
    )


@pytest.mark.livekit
@pytest.mark.browser
@pytest.mark.skipif(
    importlib.util.find_spec("playwright") is None, reason="needs Playwright"
)
@pytest.mark.slow
def test_turns_and_cuts_are_found_in_what_the_browser_shows_and_plays(
    livekit, chromium: Path, tmp_path: Path
) -> None:
    with running_gateway(
        livekit.url, livekit.key, livekit.secret, tmp_path / "log"
    ) as gateway:
        visit, turns, cuts = asyncio.run(
            browser.talk(GIVEN, Stack(livekit, gateway), chromium)
        )
    heard, pcm = visit.heard, speech(browser.SPEECH_S)
    seen_s, index, number = heard.frames[:, :3].T

    assert (index >= 0).mean() > 0.8  # most marks are read
    assert np.all(np.diff(index[index >= 0]) > 0)
    # Whole turns, the cut ones, and the one of the second cut's two that was begun.
    assert set(number) - {-1} == set(range(TURNS + CUTS + 1))
    assert 5 < heard.frames_a_second(turns[0].sent_s, turns[-1].over_s) < 30

    for turn, start in zip(turns, browser.starts(heard, turns), strict=True):
        first_s, over_s = first_seen(heard, turn.number), turn.over_s + 0.5
        assert turn.sent_s < first_s < turn.over_s
        spoken = seen_s[number == turn.number]
        assert turn.sent_s < spoken.min() <= spoken.max() < over_s
        alike, arrived_s = during(heard, turn.sent_s, over_s).match(pcm)
        assert alike > 0.8
        assert arrived_s == pytest.approx(heard.arrived(start))
        assert turn.sent_s < arrived_s < turn.over_s

    for at_s in cuts:
        assert heard.loudness(at_s - 0.1, at_s) > 1000  # there was a tone to end
        assert heard.loudness(at_s + 0.5, at_s + 0.7) < 50  # of 4 s and more
        assert at_s < last_loud(heard, at_s) < at_s + 0.5
        assert at_s <= browser.first_resting(heard, at_s) < at_s + 0.7

    assert (seen_s > visit.received).mean() > 0.9
    assert min(len(waits) for waits in visit.buffered.values()) > 5
    report = browser.report(GIVEN, visit, turns, cuts)
    counts = {figure.name: len(figure.samples) for figure in report.figures}
    assert counts["sent → first sample heard"] == TURNS
    assert counts["interrupt → first resting frame presented"] == CUTS
    assert not any(np.isnan(figure.samples).any() for figure in report.figures)


def test_a_page_s_clock_is_found_between_asking_and_reading():
    clock, chance = browser.Clock(), np.random.default_rng(3)
    began_s = 5000.0  # of the host, when the page's clock began
    for now_s in np.cumsum(chance.uniform(0.01, 0.2, 30)):
        there_s, back_s = chance.exponential(0.003, 2) + 0.0005
        page_ms = np.floor(10 * 1000 * now_s) / 10  # a tenth, as browsers tell it
        at_s = began_s + now_s
        clock.round_trip(at_s - there_s, page_ms, at_s + back_s)
    assert 0.0005 <= clock.error_s < 0.003
    [found_s] = clock.monotonic(np.array([1234.0]))
    assert abs(found_s - (began_s + 1.234)) <= clock.error_s


def test_a_page_s_clock_that_runs_away_is_refused():
    clock = browser.Clock()
    clock.round_trip(100.0, 0.0, 100.002)
    with pytest.raises(ValueError, match=r"off by 7\.\d\d ms"):
        clock.round_trip(110.0, 9990.0, 110.002)


def test_what_is_missing_is_named_with_what_brings_it(tmp_path: Path) -> None:
    assert "make chromium" in browser.missing("", tmp_path)
    assert "make setup" in browser.missing("/usr/bin/chromium", tmp_path)
    (tmp_path / browser.CLIENT).touch()
    if importlib.util.find_spec("playwright"):
        assert browser.missing("/usr/bin/chromium", tmp_path) == ""
