"""Sound and lips together: frames keep step with the audio, whatever is late."""

import itertools

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lite_gateway.playout.schedule import AHEAD_S, STEP_S, TIMER_TOLERANCE_S
from lite_gateway.playout.trace import AudioSent, FrameSent
from protocol.lite.messages import SAMPLE_RATE
from tests.playout.scripts import (
    Append,
    Block,
    Outcome,
    Pause,
    Seal,
    perform,
    renderers,
    steps,
)

FRAME_S = 1 / 25
# Messages of a second, and a machine that stops for a while.
SPEECH = Append(SAMPLE_RATE, 1, 0.0)
blocks = st.builds(Block, st.floats(0.0, 0.3))
scripts = given(st.lists(steps | blocks, max_size=12), renderers)


def sent(outcome: Outcome, kind: type) -> list:
    return [event for event, _ in outcome.events if isinstance(event, kind)]


def heard_s(outcome: Outcome, frame: FrameSent) -> float | None:
    """
    Return when the room plays the start of a frame, by the audio of it sent so far.

    Where there is a gap within the frame, it is the audio after it that counts. None if
    nothing of it was sent when the frame was begun.
    """
    start_s = None
    for step in sent(outcome, AudioSent):
        end = step.first + step.samples
        if step.turn != frame.turn or step.at_s > frame.begun_s:
            continue
        if step.first < frame.first + frame.samples and end > frame.first:
            ahead_s = (step.first - frame.first) / SAMPLE_RATE
            start_s = step.at_s + step.queued_s - ahead_s
    return start_s


@settings(max_examples=60, deadline=None)
@example([SPEECH, Seal(), Pause(0.21), Block(0.25)], [0.006])
@example([SPEECH, Seal(), Block(0.11), Pause(0.1), Block(0.11)], [0.03, 0.12, 0.03])
@scripts
def test_a_frame_is_due_when_it_is_heard(script, renderer):
    outcome = perform(script, renderer, stop=False)
    for frame in sent(outcome, FrameSent):
        at_s = heard_s(outcome, frame)
        if frame.samples and at_s is not None:
            assert frame.due_s == pytest.approx(at_s, abs=0.002)


@settings(max_examples=60, deadline=None)
@example([SPEECH, Seal()], [0.05, 0.006])
@scripts
def test_lips_are_never_begun_later_than_half_a_frame(script, renderer):
    outcome = perform(script, renderer, stop=False)
    for frame in sent(outcome, FrameSent):
        if frame.samples:
            late_s = frame.begun_s - frame.due_s
            assert -TIMER_TOLERANCE_S <= late_s <= FRAME_S / 2 + 1e-6


@settings(max_examples=40, deadline=None)
@given(st.lists(steps | blocks, max_size=12), renderers, renderers)
def test_the_audio_is_the_same_with_any_renderer(script, renderer, other):
    def audio(renderer: list[float | None]) -> list[AudioSent]:
        return sent(perform(script, renderer, stop=False), AudioSent)

    steps, others = audio(renderer), audio(other)
    positions = [
        [(it.turn, it.first, it.samples) for it in each] for each in (steps, others)
    ]
    assert positions[0] == positions[1]
    times_s = [step.at_s for step in others]
    assert [step.at_s for step in steps] == pytest.approx(times_s, abs=0.001)


def test_lips_that_were_late_are_in_time_with_the_next_frame():
    renderer = [0.006] * 5 + [0.065] + [0.006] * 100
    outcome = perform([Append(3 * SAMPLE_RATE, 1, 0.0), Seal()], renderer, stop=False)
    frames = [frame for frame in sent(outcome, FrameSent) if frame.samples]
    late_s = [frame.shown_s - frame.due_s for frame in frames]
    assert sum(late > FRAME_S / 2 for late in late_s) == 1
    assert len(frames) == 74  # one of three seconds is skipped


@pytest.mark.parametrize("takes_s", [0.004, 0.015, 0.025, 0.030, 0.038, 0.045])
def test_a_slow_renderer_shows_the_same_lips_at_the_same_time(takes_s):
    script = [Pause(1.0), Append(4 * SAMPLE_RATE, 1, 0.0), Seal()]
    outcome = perform(script, [takes_s], stop=False)
    first = sent(outcome, AudioSent)[0]
    moments, consumed = {}, 0
    for request, _ in outcome.requests:
        consumed += len(request.pcm) // 2
        moments[request.index] = consumed - request.lookahead_samples
    frames = [frame for frame in sent(outcome, FrameSent)[10:] if frame.samples]
    behind_s = [
        # A frame is seen until the next one.
        (frame.shown_s + after.shown_s) / 2
        - (first.at_s + moments[frame.index] / SAMPLE_RATE)
        for frame, after in itertools.pairwise(frames)
    ]
    assert np.median(behind_s) == pytest.approx(0.028, abs=0.010)


def test_the_listener_hears_no_gap_while_the_event_loop_is_late_by_less_than_60_ms():
    script = [SPEECH, Seal(), Pause(0.3), Block(AHEAD_S), Pause(0.2), Block(AHEAD_S)]
    audio = sent(perform(script, [0.006], stop=False), AudioSent)
    ends = [step.at_s + step.queued_s + step.samples / SAMPLE_RATE for step in audio]
    assert ends == pytest.approx([ends[0] + STEP_S * count for count in range(25)])
