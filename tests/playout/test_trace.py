"""The trace adds up: what it tells of a turn is what went in and what came out."""

import asyncio
import itertools
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lite_gateway.errors import ConfigError
from lite_gateway.playout.schedule import AHEAD_S, STEP_SAMPLES
from lite_gateway.playout.trace import (
    AudioReceived,
    AudioSent,
    Event,
    FadeSent,
    FrameSent,
    TurnCut,
    read,
    recording,
    untraced,
)
from protocol.lite.messages import SAMPLE_RATE
from tests.fakes import tone
from tests.playout.test_playout import FRAME, PlayoutFixture
from tests.virtual import run
from tests.waiting import until

EARLY_S = 0.002  # a loop's timers wake in whole milliseconds

# One turn: its samples, the size of its messages, the wait after each, and whether
# it is cut off half-way.
turns = st.tuples(
    st.integers(1, SAMPLE_RATE),
    st.integers(200, SAMPLE_RATE),
    st.sampled_from([0.0, 0.005, 0.020, 0.100]),
    st.booleans(),
)


async def talk(script: list[tuple[int, int, float, bool]], **options) -> list[Event]:
    told: list[Event] = []
    stand = PlayoutFixture(trace=told.append, **options)
    async with stand.running():
        for number, (samples, size, wait_s, cut) in enumerate(script, 1):
            pcm = tone(samples / SAMPLE_RATE)
            for start in range(0, len(pcm), 2 * size):
                stand.playout.append(number, pcm[start : start + 2 * size])
                await asyncio.sleep(wait_s)
            stand.playout.seal(number)
            await asyncio.sleep(samples / SAMPLE_RATE / 2 if cut else 1.5)
            stand.playout.flush(number)
            await asyncio.sleep(0.1)
    return told


def of(kind: type, told: list[Event], turn: int) -> list:
    return [each for each in told if isinstance(each, kind) and each.turn == turn]


def check_sound(told: list[Event], turn: int, samples: int) -> None:
    """Handed out once, in order, never before it came, and all of it if not cut."""
    received, steps = of(AudioReceived, told, turn), of(AudioSent, told, turn)
    assert received[-1].total == samples
    at = 0
    for step in steps:
        assert step.first == at
        assert 0 < step.samples <= STEP_SAMPLES
        assert 0 <= step.queued_s <= AHEAD_S + EARLY_S
        at += step.samples
        came = next(each for each in received if each.total >= at)
        assert step.at_s >= came.at_s
    cuts = of(TurnCut, told, turn)
    if not cuts:
        assert at == samples
    for cut in cuts:
        assert cut.heard <= at
        assert all(step.at_s <= cut.at_s for step in steps)


def check_pictures(told: list[Event], turn: int) -> None:
    """
    Each stage after the one before, each frame after the one before.

    A turn that runs dry goes on where its sound stopped, which its picture may have
    passed by then.
    """
    frames, steps = of(FrameSent, told, turn), of(AudioSent, told, turn)
    for frame in frames:
        assert frame.due_s - EARLY_S <= frame.begun_s <= frame.drawn_s <= frame.shown_s
        assert frame.samples == FRAME
    for one, next_one in itertools.pairwise(frames):
        assert one.index < next_one.index
        assert one.shown_s <= next_one.begun_s
        played = sum(step.samples for step in steps if step.at_s <= next_one.begun_s)
        assert one.first < next_one.first or next_one.first <= played
    for cut in of(TurnCut, told, turn):
        assert all(frame.shown_s <= cut.at_s for frame in frames)


@settings(max_examples=40, deadline=None)
@given(st.lists(turns, min_size=1, max_size=3), st.sampled_from([0.006, 0.070]))
@example([(601, 200, 0.1, False)], 0.070)  # dry twice, and slowly drawn
def test_every_sample_and_every_frame_is_told_once_and_in_order(script, takes_s):
    told = run(talk(script, takes_s=takes_s))
    for turn, (samples, *_) in enumerate(script, 1):
        check_sound(told, turn, samples)
        check_pictures(told, turn)


def test_frames_and_sound_name_the_same_samples_at_the_same_time():
    told = run(talk([(2 * SAMPLE_RATE, SAMPLE_RATE, 0.0, False)]))
    handed = {step.first: step.at_s + step.queued_s for step in of(AudioSent, told, 1)}
    frames = of(FrameSent, told, 1)
    assert [frame.first for frame in frames] == list(range(0, 36_000, FRAME))[:38]
    for frame in frames:
        assert handed[frame.first] == pytest.approx(frame.shown_s, abs=0.010)


def test_a_slow_renderer_is_seen_between_begun_and_drawn():
    told = run(talk([(SAMPLE_RATE, SAMPLE_RATE, 0.0, False)], takes_s=0.031))
    for frame in of(FrameSent, told, 1):
        assert frame.drawn_s - frame.begun_s == pytest.approx(0.031, abs=1e-6)
        assert frame.shown_s == frame.drawn_s


def test_a_cut_is_followed_by_its_fade():
    told = run(talk([(2 * SAMPLE_RATE, SAMPLE_RATE, 0.0, True)]))
    [cut], [faded] = of(TurnCut, told, 1), of(FadeSent, told, 1)
    assert cut.at_s <= faded.at_s <= cut.at_s + 0.010
    assert cut.heard == pytest.approx(SAMPLE_RATE, abs=SAMPLE_RATE // 50)


EVENTS = [
    AudioReceived(1.25, 1, 480),
    FrameSent(7, 1, 1.25, 1.26, 1.27, 1.28, 0, 960),
    AudioSent(1.29, 1, 0, 480, 0.0),
    TurnCut(1.5, 1, 240),
    FadeSent(1.51, 1),
]


def test_what_is_told_is_read_back_in_its_order(tmp_path):
    path = tmp_path / "trace.jsonl"
    with recording(str(path)) as traces:
        one, other = traces("one"), traces("other")
        for event in EVENTS:
            one(event)
            other(event)
    assert read(path) == [(name, e) for e in EVENTS for name in ("one", "other")]
    with recording(str(path)) as traces:  # a gateway that starts again appends
        traces("one")(EVENTS[0])
    assert len(read(path)) == 2 * len(EVENTS) + 1


def test_a_trace_can_be_read_while_the_gateway_runs(tmp_path):
    path = tmp_path / "trace.jsonl"
    with recording(str(path)) as traces:
        traces("one")(EVENTS[0])
        assert until(lambda: read(path)) == [("one", EVENTS[0])]


def test_a_line_that_is_being_written_is_not_read_yet(tmp_path):
    path = tmp_path / "trace.jsonl"
    with recording(str(path)) as traces:
        traces("one")(EVENTS[0])
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:-1])
    assert read(path) == [("one", EVENTS[0])]


def test_without_a_path_nothing_is_kept():
    with recording("") as traces:
        assert traces("one") is untraced


def test_a_file_that_cannot_be_written_is_refused_by_name(tmp_path):
    with (
        pytest.raises(ConfigError, match="LITE_TRACE"),
        recording(str(tmp_path / "away" / "trace.jsonl")),
    ):
        pass


def test_a_line_that_was_cut_is_not_read_and_those_around_it_are(tmp_path):
    path = tmp_path / "trace.jsonl"
    with recording(str(path)) as traces:
        for event in EVENTS:
            traces("one")(event)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], lines[2][:20], b"\n", *lines[3:]]))
    assert read(path) == [("one", event) for event in EVENTS if event != EVENTS[2]]


FULL_FOR_A_WHILE = """
import os, resource, sys, time
from lite_gateway.playout.trace import PERIOD_S, AudioReceived, recording
with recording(sys.argv[1]) as traces:
    tell = traces("one")
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, most))
    for total in range(100):
        tell(AudioReceived(0.0, 1, total))
    while os.path.getsize(sys.argv[1]) < 900:  # the disk fills
        time.sleep(0.05)
    time.sleep(PERIOD_S)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    for total in range(100, 200):
        tell(AudioReceived(0.0, 1, total))
"""


def test_a_disk_that_was_full_costs_what_did_not_fit_and_nothing_else(tmp_path):
    path = tmp_path / "trace.jsonl"
    command = [sys.executable, "-c", FULL_FOR_A_WHILE, str(path)]
    subprocess.run(command, cwd=Path(__file__).parents[2], check=True)
    totals = [
        event.total for _, event in read(path) if isinstance(event, AudioReceived)
    ]
    fitted = len(totals) - 100
    assert 5 < fitted < 50
    assert totals == [*range(fitted), *range(100, 200)]
