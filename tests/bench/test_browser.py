"""The browser's recording has every turn that was sent, in order and once."""

import argparse
import asyncio
import importlib.util
from pathlib import Path

import numpy as np
import pytest

from bench import browser
from bench.interrupt import last_loud
from bench.probe.arrivals import first_frame_s
from bench.probe.listening import MIN_MATCH, speech
from bench.probe.stack import Stack, running_gateway

TURNS, CUTS = 3, 2
ARGS = argparse.Namespace(turns=TURNS, cuts=CUTS, avatar="fiducial", quality="512x512")


@pytest.mark.livekit
@pytest.mark.browser
@pytest.mark.skipif(
    importlib.util.find_spec("playwright") is None, reason="needs Playwright"
)
@pytest.mark.slow
def test_turns_and_interrupts_are_found_in_the_browsers_recording(
    livekit, chromium: Path, tmp_path: Path
) -> None:
    with running_gateway(
        livekit.url, livekit.key, livekit.secret, tmp_path / "log"
    ) as gateway:
        recording, turns, cuts_s = asyncio.run(
            browser.talk(ARGS, Stack(livekit, gateway), chromium)
        )
    heard, pcm = recording.heard, speech(browser.SPEECH_S)
    seen_s, index, number = heard.frames[:, :3].T

    assert (index >= 0).mean() > 0.8  # most markers are readable
    assert np.all(np.diff(index[index >= 0]) > 0)
    # Turn 0 is idle. Of the two buffered turns of the second interrupt one started.
    assert set(number) - {-1} == set(range(TURNS + CUTS + 1))
    assert 5 < heard.frame_rate(turns[0].sent_s, turns[-1].ended_s) < 30

    for turn, start in zip(turns, browser.starts(heard, turns), strict=True):
        first_s, ended_s = first_frame_s(heard, turn.number), turn.ended_s + 0.5
        assert turn.sent_s < first_s < turn.ended_s
        spoken_s = seen_s[number == turn.number]
        assert turn.sent_s < spoken_s.min() <= spoken_s.max() < ended_s
        correlation, arrival_s = heard.match(pcm, turn.sent_s, ended_s)
        assert correlation > MIN_MATCH
        assert arrival_s == pytest.approx(heard.arrival_s(start))
        assert turn.sent_s < arrival_s < turn.ended_s

    for at_s in cuts_s:
        assert heard.rms(at_s + 0.5, at_s + 0.7) < 50  # though the tone lasts 4 s
        # A busy browser may play the first of the tone after the interrupt was sent.
        end_s = last_loud(heard, at_s)
        assert at_s < end_s < at_s + 0.5
        assert heard.rms(at_s - 0.1, end_s) > 1000  # there was a tone to end
        assert at_s <= browser.first_resting(heard, at_s) < at_s + 0.7

    assert (seen_s > recording.received_s).mean() > 0.9
    assert min(len(waits) for waits in recording.jitter_ms.values()) > 5
    report = browser.report(ARGS, recording, turns, cuts_s)
    counts = {figure.name: len(figure.samples) for figure in report.figures}
    assert counts["sent → first sample heard"] == TURNS
    assert counts["interrupt → first resting frame presented"] == CUTS
    assert not any(np.isnan(figure.samples).any() for figure in report.figures)


def test_a_pages_clock_is_fitted_by_round_trips():
    clock, rng = browser.PageClock(), np.random.default_rng(3)
    started_s = 5000.0  # of the host, when the page's clock was 0
    for now_s in np.cumsum(rng.uniform(0.01, 0.2, 30)):
        there_s, back_s = rng.exponential(0.003, 2) + 0.0005
        page_ms = np.floor(10 * 1000 * now_s) / 10  # browsers round to 0.1 ms
        at_s = started_s + now_s
        clock.round_trip(at_s - there_s, page_ms, at_s + back_s)
    assert 0.0005 <= clock.error_s < 0.003
    [converted_s] = clock.monotonic(np.array([1234.0]))
    assert abs(converted_s - (started_s + 1.234)) <= clock.error_s


def test_a_pages_clock_of_another_rate_is_refused():
    clock = browser.PageClock()
    clock.round_trip(100.0, 0.0, 100.002)
    with pytest.raises(ValueError, match=r"off by 7\.\d\d ms"):
        clock.round_trip(110.0, 9990.0, 110.002)


def test_missing_programs_are_named_with_their_installation(tmp_path: Path) -> None:
    assert "make chromium" in browser.missing("", tmp_path)
    assert "make setup" in browser.missing("/usr/bin/chromium", tmp_path)
    (tmp_path / browser.CLIENT).touch()
    if importlib.util.find_spec("playwright"):
        assert browser.missing("/usr/bin/chromium", tmp_path) == ""
