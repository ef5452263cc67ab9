"""Conversations: a delay shows in its stage alone, and the arithmetic is right."""

import argparse
import io

import numpy as np
import pytest
from rich.console import Console

from bench import conversation
from bench.probe.listening import Recording
from bench.probe.loop_monitor import Wake
from bench.report.figures import Report
from bench.talks.long_run import add_growth, add_wakes
from bench.talks.moments import (
    answer_to,
    answers,
    first_deltas,
    first_loud_s,
    newest,
    sent_events,
    silent_s,
)
from bench.talks.person import LOUD, RATE, Said, sample
from bench.talks.site import ANSWER, SCRIPT, running_site
from lite_gateway.playout.trace import (
    AudioReceived,
    AudioSent,
    FadeSent,
    FrameSent,
    TurnCut,
    TurnHeld,
)
from tests.waiting import best_of, figures

DELAY_MS = 200
DELAYED = {
    "llm_first_token": {"chat": {**ANSWER, "first_s": DELAY_MS / 1000}},
    "tts_first_audio": {"speech": {"first_s": DELAY_MS / 1000}},
}
UNDELAYED = (
    "FULL: text of the user in hand → LLM asked",
    "FULL: sentence sent by the LLM → TTS asked",
    "FULL: first byte sent by the TTS → playout",
)
TOTAL = "FULL: last loud sample heard → first sample and frame"


@pytest.mark.livekit
@pytest.mark.process
@pytest.mark.slow
@best_of(3)
def test_a_delay_of_a_provider_shows_in_its_stage_alone(livekit, tmp_path):
    pytest.importorskip("livekit.agents", reason="needs lite-gateway[agent]")
    args = argparse.Namespace(
        turns=3, conversations=1, avatar="fiducial", quality="256x256"
    )
    best = {}  # of the turns: other work on the machine only adds to a stage
    with running_site(livekit, tmp_path) as site:
        for name, script in {"": {}, **DELAYED}.items():
            site.counterpart.reset()
            site.counterpart.script(**{**SCRIPT, **script})
            report = conversation.measure_answers(
                args, site, Console(file=io.StringIO())
            )
            best[name] = {it.name: it.at(0) for it in report.figures}
    for delayed in DELAYED:
        added = {name: best[delayed][name] - best[""][name] for name in best[""]}
        stages = {name: ms for name, ms in added.items() if "FULL, stage" in name}
        assert len(stages) == 7
        in_stage = stages.pop(f"FULL, stage {delayed}")
        others = [*stages.values(), *(added[name] for name in UNDELAYED)]
        # What other work on the machine adds falls on any stage, so each is compared
        # with the delayed one. The way of the voice to the agent, which the total has
        # before its stages, varies most.
        with figures():
            assert in_stage / DELAY_MS == pytest.approx(1, abs=0.5)
            assert in_stage > 2 * max(map(abs, others)), added
            assert added[TOTAL] / in_stage == pytest.approx(1, abs=0.75)


def heard_turn(turn: int, at_s: float) -> list:
    """Return the trace of a turn: received, 10 ms later sent, 15 ms later shown."""
    return [
        AudioReceived(at_s, turn, 4800),
        AudioSent(at_s + 0.010, turn, 0, 480, 0.0),
        FrameSent(turn, turn, at_s, at_s, at_s, at_s + 0.015, 0, 960),
    ]


STAGES = {
    "turn_end": 350.0,
    "stt": 20.0,
    "llm_first_token": 30.0,
    "first_sentence": 5.0,
    "tts_first_audio": 40.0,
    "link": 1.0,
    "avatar": 15.0,
    "total": 461.0,
}
EVENTS = [
    {"event_type": "avatar.speak_started", "at_s": 10.02},
    {"event_type": "latency", "at_s": 10.02, "stages": STAGES},
    {"event_type": "latency", "at_s": 20.02, "stages": {**STAGES, "total": 500.0}},
]


def test_an_answer_is_the_first_turn_after_what_was_said():
    trace = heard_turn(1, 5.0) + heard_turn(2, 10.0) + heard_turn(3, 20.0)
    found = answers(trace, EVENTS)
    assert [answer.shown_s for answer in found] == pytest.approx(
        [5.015, 10.015, 20.015]
    )
    assert answer_to(Said(8.0, 9.0), found) is found[1]
    assert answer_to(Said(30.0, 31.0), found) is None
    assert found[0].stages == {}
    assert np.isnan(found[0].moment_s("stt"))


def test_moments_of_stages_are_counted_back_from_the_arrival_on_the_link():
    _, answer, _ = answers(
        heard_turn(1, 5.0) + heard_turn(2, 10.0) + heard_turn(3, 20.0), EVENTS
    )
    assert answer.moment_s("link") == pytest.approx(10.0)
    assert answer.moment_s("tts_first_audio") == pytest.approx(9.999)
    assert answer.moment_s("stt") == pytest.approx(10.0 - 0.076)


def test_stages_that_do_not_sum_to_their_total_are_noticed():
    right, wrong = answers(heard_turn(2, 10.0) + heard_turn(3, 20.0), EVENTS)
    assert right.uncounted_ms == pytest.approx(0)
    assert wrong.uncounted_ms == pytest.approx(39)


def test_silence_begins_with_the_end_of_the_fade_of_the_cut_turn():
    trace = [
        TurnHeld(1.0, 1, 100),
        FadeSent(1.01, 1),
        TurnCut(2.0, 1, 200),
        TurnCut(3.0, 2, 300),
        FadeSent(3.005, 2),
    ]
    assert silent_s(trace, 0.5, held=True) == 1.01
    assert silent_s(trace, 0.5) == 2.0  # it was held: nothing is left to fade
    assert silent_s(trace, 2.5) == 3.005
    assert np.isnan(silent_s(trace, 3.5))


def test_requests_and_events_of_the_counterpart_are_found_by_their_time():
    requests = [
        {"part": "chat", "arrived_s": 1.0},
        {"part": "speech", "arrived_s": 1.2},
        {"part": "chat", "arrived_s": 2.0},
    ]
    assert newest(requests, "chat", 1.9) is requests[0]
    assert newest(requests, "speech", 1.1) is None
    delta = "response.output_audio.delta"
    sent = [
        {"type": delta, "response_id": "a", "at_s": 1.0},
        {"type": delta, "response_id": "a", "at_s": 1.1},
        {"type": delta, "response_id": "b", "at_s": 2.0},
    ]
    assert first_deltas([{"sent": sent}]) == [1.0, 2.0]
    assert sent_events([{"sent": sent}], delta) == [1.0, 1.1, 2.0]


def test_an_answer_is_heard_from_its_first_loud_sample_on():
    audio = np.zeros(48_000, np.int16)
    audio[24_000:] = 5000
    recording = Recording(
        frames=np.zeros((0, 4)),
        thumbnails=np.zeros((0, 0, 0)),
        audio=audio,
        audio_at_s=7.0 + np.arange(1, 101) / 100,
        block_sizes=np.full(100, 480),
        left_at_s=0.0,
    )
    assert first_loud_s(recording, 7.1) == pytest.approx(7.5)
    assert np.isnan(first_loud_s(recording, 9.0))


@pytest.mark.parametrize("since_s", [0.0, conversation.BRIEF_S])
def test_the_recordings_begin_and_end_with_speech(since_s):
    pcm = sample("hello", since_s)
    blocks = pcm[: len(pcm) // 480 * 480].reshape(-1, 480).astype(float)
    loud = np.flatnonzero(np.sqrt(np.square(blocks).mean(axis=1)) > LOUD)
    assert len(pcm) > RATE  # longer than LITE_BARGE_IN_S
    assert loud[0] < 5
    assert len(blocks) - loud[-1] < 10


def test_the_longest_block_of_each_second_is_reported():
    wakes = [
        Wake(1.1, 0.009, 0.008, 0.0),
        Wake(1.2, 0.004, 0.001, 0.002),
        Wake(2.5, 0.0, 0.0, 0.0),
    ]
    report = Report("long")
    add_wakes(report, wakes, 1.0, 3.0)
    blocked, late, work = (figure.samples for figure in report.figures)
    assert blocked == [3.0, 0.0]
    assert late == [4.0, 0.0]
    assert work == [2.0, 0.0]


@pytest.mark.parametrize(("step", "met"), [(0.0, True), (1.0, False)])
def test_memory_that_grows_on_is_noticed(step, met):
    memory = [50.0, 80.0, 95.0] + [100.0 + step * n for n in range(18)]
    report = Report("long")
    add_growth(report, memory)
    [growth] = report.figures
    assert growth.budget.met(growth.samples) is met
