"""Latency: the gateway trace is calibrated, and the arithmetic around it is right."""

import argparse
import asyncio

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.text import Text

from bench import latency
from bench.drift import slope
from bench.latency import Condition, conditions
from bench.probe.arrivals import audio_ahead_ms, decoded_frames
from bench.probe.gateway_trace import (
    TraceMissing,
    TurnTrace,
    by_turn,
    milliseconds,
    read_turns,
)
from bench.probe.listening import Recording
from bench.probe.stack import Stack, running_gateway
from bench.report.figures import Report
from bench.report.page import page
from bench.report.timeline import chart, drawing, timeline
from bench.soak import SoakTurn, decoded_ahead_ms
from lite_gateway.playout import trace as trace_file
from lite_gateway.playout.trace import AudioReceived, AudioSent, FrameSent, TurnHeld
from tests.playout.fixtures import trace_turns
from tests.virtual import run

DELAY_MS = 30
TURNS = 6
STEP = latency.STEP


def medians(stack: Stack) -> dict[str, float]:
    """Return the medians of the figures of a few turns in bursts, by name."""
    condition = Condition("burst", quality="256x256", turns=TURNS, with_timeline=True)
    report = latency.report(condition, asyncio.run(latency.talk(condition, stack)))
    for part in ("received", "frames", "sound"):
        assert report.timeline[part], part
    return {figure.name: figure.at(50) for figure in report.figures}


@pytest.mark.livekit
@pytest.mark.slow
def test_a_delay_in_the_driver_shows_in_the_render_stage_only(livekit, tmp_path):
    results = []
    for name, env in (
        ("as it is", {}),
        ("slow", {"LITE_DRIVER": "tests.fakes:SlowDriver"}),
    ):
        trace = tmp_path / f"{name}.jsonl"
        with running_gateway(
            livekit.url,
            livekit.key,
            livekit.secret,
            tmp_path / name,
            LITE_TRACE=str(trace),
            **env,
        ) as gateway:
            results.append(medians(Stack(livekit, gateway, trace)))
    normal, slow = results
    increase = {name: slow[name] - normal[name] for name in normal}
    stages = [name for name in increase if name.startswith("first frame: ")]
    assert len(stages) == 4
    for name in stages:
        if name.endswith("render requested → rendered"):
            assert DELAY_MS - 10 < increase[name] < DELAY_MS + 25
        else:
            assert abs(increase[name]) < DELAY_MS / 2, name
    # The totals that include the stage grow too, in the gateway and at a subscriber.
    for name in (
        "received → first sample and frame submitted",
        "sent → first frame decoded",
    ):
        assert DELAY_MS - 15 < increase[name] < DELAY_MS + 30


# A turn of 60 ms in three messages: two frames, the second of which is late.
TRACE = TurnTrace(
    [
        AudioReceived(1.00, 1, 480),
        AudioReceived(1.02, 1, 960),
        AudioReceived(1.04, 1, 1440),
    ],
    [
        FrameSent(7, 1, 1.0, 1.001, 1.007, 1.010, 0, 960),
        FrameSent(8, 1, 1.04, 1.041, 1.070, 1.080, 960, 960),
    ],
    [
        AudioSent(1.008, 1, 0, 480, 0.0),
        AudioSent(1.021, 1, 480, 480, 0.0),
        AudioSent(1.045, 1, 960, 480, 0.0),
    ],
)


def test_the_latency_of_a_sample_is_that_of_its_audio_and_frame():
    assert TRACE.samples == 1440
    assert milliseconds(TRACE.audio_latency_s, [0, 480, 960]) == pytest.approx(
        [8, 1, 5]
    )
    assert milliseconds(TRACE.video_latency_s, [0, 480, 960]) == pytest.approx(
        [10, -10, 40]
    )
    assert milliseconds(TRACE.added_latency_s, [0, 480, 960]) == pytest.approx(
        [10, 1, 40]
    )
    assert TRACE.skipped_frames() == 0


def test_a_sample_of_a_skipped_frame_counts_with_the_next_frame():
    first, second = TRACE.frames
    late = FrameSent(10, 1, 1.12, 1.121, 1.127, 1.130, 2880, 960)
    trace = TurnTrace(
        [*TRACE.messages, AudioReceived(1.05, 1, 4000)], [first, late], TRACE.audio
    )
    assert trace.frame(959) == first
    assert trace.frame(960) == late
    assert trace.frame(3999) is None
    assert trace.skipped_frames() == 2
    assert milliseconds(trace.added_latency_s, [0, 960, 3999]) == pytest.approx(
        [10, 90]
    )
    # After an underrun a frame starts within the one before it.
    again = FrameSent(9, 1, 1.10, 1.101, 1.107, 1.110, 1200, 960)
    underrun = TurnTrace(TRACE.messages, [first, second, again], TRACE.audio)
    assert underrun.frame(1199) == second
    assert underrun.frame(1200) == again


def test_every_sample_of_a_real_turn_has_a_latency():
    events = run(
        trace_turns([(24_000, 480, 0.020, False), (12_345, 24_000, 0.0, False)])
    )
    traces = by_turn(events)
    assert set(traces) == {1, 2}
    for trace, samples in zip(traces.values(), (24_000, 12_345), strict=True):
        assert trace.samples == samples
        steps = range(0, samples, STEP)
        assert len(milliseconds(trace.added_latency_s, steps)) == len(steps)
        assert sum(block.samples for block in trace.audio) == samples
        assert min(milliseconds(trace.audio_latency_s, steps)) >= 0
    [burst_ms] = milliseconds(traces[2].added_latency_s, [0])
    assert 5.999 < burst_ms < 13  # a frame takes 6 ms there, and one may be under way


def test_a_session_without_trace_events_is_an_error(tmp_path):
    path = tmp_path / "trace.jsonl"
    with trace_file.recording(str(path)) as traces:
        for frame in TRACE.frames:
            traces("mine", "websocket")(frame)
    assert asyncio.run(read_turns(path, "mine", 1.05))[1].frames == TRACE.frames
    with pytest.raises(TraceMissing, match="unknown"):
        asyncio.run(read_turns(path, "unknown", 1.05, timeout_s=0.1))


def test_audio_that_was_submitted_twice_because_of_a_hold_counts_once():
    events = [
        AudioReceived(1.0, 1, 2880),
        AudioSent(1.0, 1, 0, 960, 0.0),
        AudioSent(1.0, 1, 960, 960, 0.04),
        TurnHeld(1.05, 1, 1200),
        AudioSent(2.0, 1, 1200, 960, 0.0),
    ]
    blocks = by_turn(events)[1].audio
    assert [(it.first, it.samples) for it in blocks] == [
        (0, 960),
        (960, 240),
        (1200, 960),
    ]
    assert by_turn(events)[1].audio_block(1200).at_s == 2.0


def recorded(**fields) -> Recording:
    """Return ten seconds of silence that arrived in time, and the frames 7 and 8."""
    count = 1000
    defaults = {
        "frames": np.array([[1.025, 7, 1, 0.0], [1.095, 8, 1, 0.0]]),
        "thumbnails": np.zeros((0, 64, 64), np.uint8),
        "audio": np.zeros(480 * count, np.int16),
        "audio_at_s": 1.0 + 0.010 * np.arange(1, count + 1),
        "block_sizes": np.full(count, 480),
        "left_at_s": 0.0,
    }
    return Recording(**{**defaults, **fields})


def test_the_timeline_has_the_times_of_messages_frames_and_audio():
    turn = timeline([(0.999, 0)], TRACE, recorded(), start=960)
    assert [row["at"] for row in turn["received"]] == [1, 21, 41]
    assert [row["samples"] for row in turn["received"]] == [480, 480, 480]
    assert [row["decoded"] for row in turn["frames"]] == [26, 96]
    assert [row["shown"] for row in turn["frames"]] == [11, 81]
    # Sample 960 of the recording arrived 20 ms after its start at 1.0 s.
    assert [row["decoded"] for row in turn["sound"]] == [21, 41, 61]


def texts(figure: Figure) -> list[str]:
    """Return every text of a chart that is not empty."""
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def test_the_chart_of_a_turn_names_its_rows_and_shows_what_was_lost():
    lost = recorded(frames=np.zeros((0, 4)), audio=np.zeros(0, np.int16))
    for recording in (recorded(), lost):
        turn = timeline([(0.999, 0)], TRACE, recording, start=960)
        words = texts(chart(turn))
        assert "frames submitted" in words
        assert "11 ms" in words
        assert ("26 ms" in words) == (recording is not lost)
        assert ("never" in drawing(turn)) == (recording is lost)


def test_the_page_has_the_chart_of_a_report_with_a_timeline():
    report = Report("latency, burst")
    assert "<figure" not in page([report.as_json()])
    report.timeline = timeline([(0.999, 0)], TRACE, recorded(), start=960)
    assert page([report.as_json()]).count("<figure") == 1


def test_a_lost_frame_counts_with_the_next_one():
    only_last = recorded(frames=np.array([[1.095, 8, 1, 0.0]]))
    assert decoded_frames(only_last, TRACE.frames) == {7: 1.095, 8: 1.095}
    only_first = recorded(frames=np.array([[1.025, 7, 1, 0.0]]))
    arrivals = decoded_frames(only_first, TRACE.frames)
    assert arrivals[7] == 1.025
    assert np.isnan(arrivals[8])


def selected(**options) -> list[Condition]:
    defaults = {"turns": None, "avatar": "fiducial", "quality": None, "codec": None}
    return conditions(argparse.Namespace(**{**defaults, **options}))


def test_a_larger_size_and_the_other_codec_are_measured_by_default():
    names = [it.name for it in selected()]
    assert names == [
        "latency, burst",
        "latency, plugin",
        "latency, 1x",
        "latency, burst, 1280x720",
        "latency, burst, VP8",
    ]
    assert [it.turns for it in selected()] == [10, 10, 10, 6, 6]
    assert {it.turns for it in selected(turns=3)} == {3}


@pytest.mark.parametrize("options", [{"quality": "640x360"}, {"codec": "VP8"}])
def test_only_the_named_size_or_codec_is_measured(options):
    result = selected(**options)
    assert [it.pace for it in result] == list(latency.PACES)
    for name, value in options.items():
        assert {getattr(it, name) for it in result} == {value}


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(-40, 40))
def test_a_drift_is_measured_under_noise(seed, ms_an_hour):
    rng = np.random.default_rng(seed)
    hours = np.sort(rng.uniform(0, 1, 300))
    result = slope(hours, ms_an_hour * hours + rng.normal(-30, 3, 300))
    assert result.middle == pytest.approx(ms_an_hour, abs=4)
    assert result.low <= result.middle <= result.high
    assert result.exceeds(5) or abs(ms_an_hour) < 12
    assert not result.exceeds(5) or abs(ms_an_hour) > 2


def test_a_wandering_jitter_buffer_is_no_drift():
    rng = np.random.default_rng(3)
    hours = np.linspace(0, 0.5, 400)
    wander = np.repeat(rng.choice([0, 15, 30], 20), 20)
    assert not slope(hours, wander + rng.normal(0, 2, 400)).exceeds(5)


def test_the_slope_and_its_interval_are_those_of_known_data():
    """The median of all pairwise slopes, and a moving-block bootstrap of it."""
    rng = np.random.default_rng(4)
    hours = np.sort(rng.uniform(0, 1, 100))
    values = 12 * hours + rng.normal(-30, 3, 100)
    first, second = np.triu_indices(100, 1)
    steps = values[second] - values[first]
    result = slope(hours, values)
    assert result.middle == pytest.approx(
        np.median(steps / (hours[second] - hours[first]))
    )
    # Means over six seeds of a moving-block bootstrap written without SciPy.
    assert result.low == pytest.approx(8.76, abs=0.5)
    assert result.high == pytest.approx(13.08, abs=0.5)


def test_few_points_have_no_slope():
    assert slope([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]) is None


def test_turns_of_a_long_soak_are_distinct_though_their_numbers_wrap():
    rng = np.random.default_rng(1)
    frames = np.array([[2.03, 50, 2, 0.0], [2.07, 51, 2, 0.0], [9.0, 900, 2, 0.0]])
    noise = rng.integers(-9, 9, 480_000).astype(np.int16)
    heard = recorded(frames=frames, audio=noise)
    ahead = decoded_ahead_ms(heard, SoakTurn(258, 0.4, 2.0, 2.5))
    assert len(ahead) == 2


def test_a_lost_first_frame_changes_no_offset_of_the_others():
    both = recorded(frames=np.array([[1.025, 7, 1, 0.0], [1.095, 8, 1, 0.0]]))
    only_last = recorded(frames=np.array([[1.095, 8, 1, 0.0]]))
    expected = audio_ahead_ms(both, 1, 960, TRACE)
    assert len(expected) == 2
    assert audio_ahead_ms(only_last, 1, 960, TRACE) == expected[1:]
