"""Trace of playout: it accounts for every sample and frame of a turn."""

import itertools
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lite_gateway.errors import ConfigError
from lite_gateway.playout.frame_schedule import VIDEO_DELAY_S
from lite_gateway.playout.schedule import AHEAD_S, STEP_SAMPLES
from lite_gateway.playout.trace import (
    AudioReceived,
    AudioSent,
    Event,
    FadeSent,
    FrameSent,
    TurnCut,
    TurnHeld,
    TurnReleased,
    read,
    recording,
    untraced,
)
from protocol.lite.messages import SAMPLE_RATE
from tests.playout.fixtures import FRAME_SAMPLES, trace_turns
from tests.virtual import run
from tests.waiting import until

EARLY_S = 0.002  # a loop's timers wake in whole milliseconds

turns = st.tuples(
    st.integers(1, SAMPLE_RATE),
    st.integers(200, SAMPLE_RATE),
    st.sampled_from([0.0, 0.005, 0.020, 0.100]),
    st.booleans(),
)


def of(kind: type, events: list[Event], turn: int) -> list:
    return [it for it in events if isinstance(it, kind) and it.turn == turn]


def check_audio(events: list[Event], turn: int, samples: int) -> None:
    """Assert that each sample is sent once, in order, and not before it arrived."""
    received, steps = of(AudioReceived, events, turn), of(AudioSent, events, turn)
    assert received[-1].total == samples
    position = 0
    for step in steps:
        assert step.first == position
        assert 0 < step.samples <= STEP_SAMPLES
        assert 0 <= step.queued_s <= AHEAD_S + EARLY_S
        position += step.samples
        arrived = next(it for it in received if it.total >= position)
        assert step.at_s >= arrived.at_s
    cuts = of(TurnCut, events, turn)
    if not cuts:
        assert position == samples
    for cut in cuts:
        assert cut.heard <= position
        assert all(step.at_s <= cut.at_s for step in steps)


def check_frames(events: list[Event], turn: int) -> None:
    """
    Assert that the stages of each frame, and the frames, follow each other.

    After an underrun a turn goes on where its audio stopped; its frames may have passed
    that position.
    """
    frames, steps = of(FrameSent, events, turn), of(AudioSent, events, turn)
    for frame in frames:
        assert frame.due_s - EARLY_S <= frame.begun_s <= frame.drawn_s <= frame.shown_s
        assert frame.samples == FRAME_SAMPLES
    for frame, following in itertools.pairwise(frames):
        assert frame.index < following.index
        assert frame.shown_s <= following.begun_s
        submitted = sum(
            step.samples for step in steps if step.at_s <= following.begun_s
        )
        assert frame.first < following.first or following.first <= submitted
    for cut in of(TurnCut, events, turn):
        assert all(frame.shown_s <= cut.at_s for frame in frames)


@settings(max_examples=40, deadline=None)
@given(st.lists(turns, min_size=1, max_size=3), st.sampled_from([0.006, 0.070]))
@example([(601, 200, 0.1, False)], 0.070)  # two underruns, and a slow renderer
def test_every_sample_and_every_frame_is_traced_once_and_in_order(script, takes_s):
    events = run(trace_turns(script, takes_s=takes_s), debug=False)
    for turn, (samples, *_) in enumerate(script, 1):
        check_audio(events, turn, samples)
        check_frames(events, turn)


def test_a_frame_follows_the_audio_of_its_samples_after_20_ms_and_the_first_at_once():
    events = run(trace_turns([(2 * SAMPLE_RATE, SAMPLE_RATE, 0.0, False)]))
    heard_s = {
        step.first: step.at_s + step.queued_s for step in of(AudioSent, events, 1)
    }
    first, *rest = of(FrameSent, events, 1)
    starts = [first.first, *(frame.first for frame in rest)]
    assert starts == list(range(0, 37 * FRAME_SAMPLES, FRAME_SAMPLES))
    assert first.due_s == pytest.approx(heard_s[0], abs=0.001)
    for frame in rest:
        due_s = heard_s[frame.first] + VIDEO_DELAY_S
        assert frame.due_s == pytest.approx(due_s, abs=0.001)


def test_render_time_lies_between_begun_and_drawn():
    events = run(trace_turns([(SAMPLE_RATE, SAMPLE_RATE, 0.0, False)], takes_s=0.031))
    for frame in of(FrameSent, events, 1):
        assert frame.drawn_s - frame.begun_s == pytest.approx(0.031, abs=1e-6)
        assert frame.shown_s == frame.drawn_s


def test_a_cut_is_followed_by_its_fade():
    events = run(trace_turns([(2 * SAMPLE_RATE, SAMPLE_RATE, 0.0, True)]))
    [cut], [faded] = of(TurnCut, events, 1), of(FadeSent, events, 1)
    assert cut.at_s <= faded.at_s <= cut.at_s + 0.010
    assert cut.heard == pytest.approx(SAMPLE_RATE, abs=SAMPLE_RATE // 50)


EVENTS = [
    AudioReceived(1.25, 1, 480),
    FrameSent(7, 1, 1.25, 1.26, 1.27, 1.28, 0, 960),
    AudioSent(1.29, 1, 0, 480, 0.0),
    TurnHeld(1.4, 1, 120),
    TurnReleased(1.45, 1),
    TurnCut(1.5, 1, 240),
    FadeSent(1.51, 1),
]


def test_events_are_read_back_in_their_order(tmp_path):
    path = tmp_path / "trace.jsonl"
    with recording(str(path)) as traces:
        trace, other = traces("one", "websocket"), traces("other", "websocket")
        for event in EVENTS:
            trace(event)
            other(event)
    assert read(path) == [(name, e) for e in EVENTS for name in ("one", "other")]
    with recording(str(path)) as traces:  # a restarted gateway appends
        traces("one", "websocket")(EVENTS[0])
    assert len(read(path)) == 2 * len(EVENTS) + 1


def test_a_trace_can_be_read_while_the_gateway_runs(tmp_path, monkeypatch):
    monkeypatch.setattr("lite_gateway.playout.trace.PERIOD_S", 0.05)
    path = tmp_path / "trace.jsonl"
    with recording(str(path)) as traces:
        traces("one", "websocket")(EVENTS[0])
        assert until(lambda: read(path), 600) == [("one", EVENTS[0])]


def test_an_incomplete_last_line_is_not_read(tmp_path):
    path = tmp_path / "trace.jsonl"
    with recording(str(path)) as traces:
        traces("one", "websocket")(EVENTS[0])
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:-1])
    assert read(path) == [("one", EVENTS[0])]


def test_without_a_path_no_event_is_kept():
    with recording("") as traces:
        assert traces("one", "websocket") is untraced


def test_a_file_that_cannot_be_written_is_a_config_error(tmp_path):
    with (
        pytest.raises(ConfigError, match="LITE_TRACE"),
        recording(str(tmp_path / "away" / "trace.jsonl")),
    ):
        pass


def test_a_torn_line_is_skipped(tmp_path):
    path = tmp_path / "trace.jsonl"
    with recording(str(path)) as traces:
        for event in EVENTS:
            traces("one", "websocket")(event)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], lines[2][:20], b"\n", *lines[3:]]))
    assert read(path) == [("one", event) for event in EVENTS if event != EVENTS[2]]


WRITE_TO_A_FULL_DISK = """
import os, resource, sys, time
from lite_gateway.playout import trace as module
from lite_gateway.playout.trace import AudioReceived, recording
module.PERIOD_S = 0.1
with recording(sys.argv[1]) as traces:
    trace = traces("one", "websocket")
    _, hard_limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard_limit))
    for total in range(100):
        trace(AudioReceived(0.0, 1, total))
    while os.path.getsize(sys.argv[1]) < 900:  # the disk fills
        time.sleep(0.02)
    time.sleep(3 * module.PERIOD_S)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard_limit, hard_limit))
    for total in range(100, 200):
        trace(AudioReceived(0.0, 1, total))
"""


@pytest.mark.process  # it sleeps until a thread has run: not at the lowest priority
def test_a_full_disk_loses_only_the_events_that_did_not_fit(tmp_path):
    path = tmp_path / "trace.jsonl"
    command = [sys.executable, "-c", WRITE_TO_A_FULL_DISK, str(path)]
    subprocess.run(command, cwd=Path(__file__).parents[2], check=True)
    totals = [
        event.total for _, event in read(path) if isinstance(event, AudioReceived)
    ]
    fitted = len(totals) - 100
    assert 5 < fitted < 50
    assert totals == [*range(fitted), *range(100, 200)]
