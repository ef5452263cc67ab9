"""The inside view is calibrated, and the arithmetic around it is right."""

import argparse
import asyncio
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import latency
from bench.drift import slope
from bench.latency import Condition, conditions, decoded_frames
from bench.probe.gateway_trace import (
    GatewayTrace,
    TraceMissing,
    inside,
    milliseconds,
    turns,
)
from bench.probe.listening import Recording
from bench.probe.stack import Stack, running_gateway
from bench.report.figures import Report
from bench.report.page import page
from bench.report.timeline import drawing, timeline
from bench.soak import Said, turn_leads
from lite_gateway.playout.trace import AudioReceived, AudioSent, FrameSent, recording
from tests.playout.test_trace import talk
from tests.virtual import run

DELAY_MS = 30
TURNS = 6
STEP = latency.STEP


def medians(stack: Stack) -> dict[str, float]:
    """The figures of a few turns in bursts, by name."""
    condition = Condition("burst", quality="256x256", turns=TURNS, drawn=True)
    report = latency.report(condition, asyncio.run(latency.talk(condition, stack)))
    for part in ("received", "frames", "sound"):
        assert report.timeline[part], part
    return {figure.name: figure.at(50) for figure in report.figures}


@pytest.mark.livekit
@pytest.mark.slow
def test_a_delay_in_the_driver_is_seen_while_drawing_and_in_no_other_stage(
    livekit, tmp_path
):
    found = []
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
            found.append(medians(Stack(livekit, gateway, trace)))
    quick, slow = found
    grown = {name: slow[name] - quick[name] for name in quick}
    stages = [name for name in grown if name.startswith("first frame: ")]
    assert len(stages) == 4
    for name in stages:
        if name.endswith("begun → drawn"):
            assert DELAY_MS - 10 < grown[name] < DELAY_MS + 25
        else:
            assert abs(grown[name]) < DELAY_MS / 2, name
    # What lies around the stage holds it too: in the gateway, and at a subscriber.
    for name in (
        "received → sample and frame handed over",
        "sent → first frame decoded",
    ):
        assert DELAY_MS - 15 < grown[name] < DELAY_MS + 30


# A turn of 60 ms in three messages: two frames, the second of which is late.
SEEN = GatewayTrace(
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


def test_a_sample_has_arrived_in_the_room_when_its_sound_and_its_picture_have():
    assert SEEN.samples == 1440
    assert milliseconds(SEEN.sound_s, [0, 480, 960]) == pytest.approx([8, 1, 5])
    assert milliseconds(SEEN.picture_s, [0, 480, 960]) == pytest.approx([10, -10, 40])
    assert milliseconds(SEEN.added_s, [0, 480, 960]) == pytest.approx([10, 1, 40])
    assert SEEN.skipped() == 0


def test_a_sample_whose_frame_was_skipped_is_shown_with_the_next_one():
    first, second = SEEN.frames
    late = FrameSent(10, 1, 1.12, 1.121, 1.127, 1.130, 2880, 960)
    seen = GatewayTrace(
        [*SEEN.received, AudioReceived(1.05, 1, 4000)], [first, late], SEEN.steps
    )
    assert seen.frame(959) == first
    assert seen.frame(960) == late
    assert seen.frame(3999) is None
    assert seen.skipped() == 2
    assert milliseconds(seen.added_s, [0, 960, 3999]) == pytest.approx([10, 90])
    # A frame that ran dry is followed by one that begins within it.
    again = FrameSent(9, 1, 1.10, 1.101, 1.107, 1.110, 1200, 960)
    dry = GatewayTrace(SEEN.received, [first, second, again], SEEN.steps)
    assert dry.frame(1199) == second
    assert dry.frame(1200) == again


def test_a_real_turn_is_taken_apart_without_a_remainder():
    told = run(talk([(24_000, 480, 0.020, False), (12_345, 24_000, 0.0, False)]))
    found = turns(told)
    assert set(found) == {1, 2}
    for seen, samples in zip(found.values(), (24_000, 12_345), strict=True):
        assert seen.samples == samples
        steps = range(0, samples, STEP)
        assert len(milliseconds(seen.added_s, steps)) == len(steps)
        assert sum(step.samples for step in seen.steps) == samples
        assert min(milliseconds(seen.sound_s, steps)) >= 0
    [burst_ms] = milliseconds(found[2].added_s, [0])
    assert 5.999 < burst_ms < 13  # a frame takes 6 ms there, and one may be under way


def test_a_session_that_the_trace_does_not_know_is_an_error(tmp_path):
    path = tmp_path / "trace.jsonl"
    with recording(str(path)) as traces:
        for frame in SEEN.frames:
            traces("mine")(frame)
    assert asyncio.run(inside(path, "mine", 1.05))[1].frames == SEEN.frames
    with pytest.raises(TraceMissing, match="nobody"):
        asyncio.run(inside(path, "nobody", 1.05, within_s=0.1))


def heard(**more) -> Recording:
    """Ten seconds of silence that came in time, and the frames 7 and 8."""
    count = 1000
    whole = {
        "frames": np.array([[1.025, 7, 1, 0.0], [1.095, 8, 1, 0.0]]),
        "thumbs": np.zeros((0, 64, 64), np.uint8),
        "sound": np.zeros(480 * count, np.int16),
        "sound_at": 1.0 + 0.010 * np.arange(1, count + 1),
        "sizes": np.full(count, 480),
        "left_at": 0.0,
    }
    return Recording(**{**whole, **more})


def test_the_timeline_of_a_turn_says_when_each_thing_was_where():
    told = timeline([(0.999, 0)], SEEN, heard(), start=960)
    assert [each["at"] for each in told["received"]] == [1, 21, 41]
    assert [each["samples"] for each in told["received"]] == [480, 480, 480]
    assert [each["decoded"] for each in told["frames"]] == [26, 96]
    assert [each["shown"] for each in told["frames"]] == [11, 81]
    # Sample 960 of what was heard came 20 ms after its clock began, at 1.0 s.
    assert [each["decoded"] for each in told["sound"]] == [21, 41, 61]


class Words(HTMLParser):
    """The text of a page, and its elements that need an end and have none."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs) -> None:
        self.open.append(tag)

    def handle_startendtag(self, tag, attrs) -> None:
        pass

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data) -> None:
        self.words += data + " "


def test_the_drawing_of_a_turn_is_whole_and_says_what_was_lost():
    lost = heard(frames=np.zeros((0, 4)), sound=np.zeros(0, np.int16))
    for listener in (heard(), lost):
        told = timeline([(0.999, 0)], SEEN, listener, start=960)
        drawn = Words(drawing(told))
        assert not drawn.open
        words = drawn.words
        assert "pictures handed over" in words
        assert "11 ms" in words
        assert ("26 ms" in words) == (listener is not lost)
        assert ("never" in words) == (listener is lost)


def test_the_page_draws_the_turn_of_a_report_that_has_one():
    report = Report("latency, burst")
    assert "<figure" not in page([report.as_json()])
    report.timeline = timeline([(0.999, 0)], SEEN, heard(), start=960)
    assert page([report.as_json()]).count("<figure") == 1


def test_a_frame_that_was_lost_is_seen_with_the_next_one():
    only_last = heard(frames=np.array([[1.095, 8, 1, 0.0]]))
    assert decoded_frames(only_last, SEEN.frames) == {7: 1.095, 8: 1.095}
    only_first = heard(frames=np.array([[1.025, 7, 1, 0.0]]))
    found = decoded_frames(only_first, SEEN.frames)
    assert found[7] == 1.025
    assert np.isnan(found[8])


def asked(**given) -> list[Condition]:
    nothing = {"turns": None, "avatar": "fiducial", "quality": None, "codec": None}
    return conditions(argparse.Namespace(**{**nothing, **given}))


def test_by_default_larger_pictures_and_the_other_codec_are_measured_too():
    names = [each.name for each in asked()]
    assert names == [
        "latency, burst",
        "latency, plugin",
        "latency, 1x",
        "latency, burst, 1280x720",
        "latency, burst, VP8",
    ]
    assert [each.turns for each in asked()] == [10, 10, 10, 6, 6]
    assert {each.turns for each in asked(turns=3)} == {3}


@pytest.mark.parametrize("given", [{"quality": "640x360"}, {"codec": "VP8"}])
def test_what_is_asked_for_by_name_is_all_that_is_measured(given):
    found = asked(**given)
    assert [each.pace for each in found] == list(latency.PACES)
    for name, value in given.items():
        assert {getattr(each, name) for each in found} == {value}


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(-40, 40))
def test_a_drift_is_found_under_noise(seed, ms_an_hour):
    chance = np.random.default_rng(seed)
    hours = np.sort(chance.uniform(0, 1, 300))
    found = slope(hours, ms_an_hour * hours + chance.normal(-30, 3, 300))
    assert found.middle == pytest.approx(ms_an_hour, abs=4)
    assert found.low <= found.middle <= found.high
    assert found.beyond(5) or abs(ms_an_hour) < 12
    assert not found.beyond(5) or abs(ms_an_hour) > 2


def test_a_jitter_buffer_that_wanders_is_no_drift():
    chance = np.random.default_rng(3)
    hours = np.linspace(0, 0.5, 400)
    wander = np.repeat(chance.choice([0, 15, 30], 20), 20)
    assert not slope(hours, wander + chance.normal(0, 2, 400)).beyond(5)


def test_few_points_have_no_slope():
    assert slope([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]) is None


def test_the_turns_of_a_long_soak_are_told_apart_though_their_numbers_wrap():
    chance = np.random.default_rng(1)
    frames = np.array([[2.03, 50, 2, 0.0], [2.07, 51, 2, 0.0], [9.0, 900, 2, 0.0]])
    noise = chance.integers(-9, 9, 480_000).astype(np.int16)
    found = turn_leads(heard(frames=frames, sound=noise), Said(258, 0.4, 2.0, 2.5))
    assert len(found) == 2
