"""Sound and lips together: frames keep step with the audio, whatever is late."""

import itertools

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from lite_gateway.playout.frame_schedule import VIDEO_DELAY_S
from lite_gateway.playout.schedule import AHEAD_S, STEP_S, TIMER_TOLERANCE_S
from lite_gateway.playout.trace import AudioSent, FrameSent, TurnHeld
from protocol.lite.messages import SAMPLE_RATE
from tests.playout.fixtures import FRAME_SAMPLES
from tests.playout.scripts import (
    Append,
    Block,
    Outcome,
    Pause,
    Seal,
    holds,
    perform,
    renderers,
    steps,
)

FRAME_S = 1 / 25
# Messages of a second, and a machine that stops for a while.
SPEECH = Append(SAMPLE_RATE, 1, 0.0)
blocks = st.builds(Block, st.floats(0.0, 0.3))
scripts = given(st.lists(steps | holds | blocks, max_size=12), renderers)


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


def gap_s(outcome: Outcome, frame: FrameSent) -> float:
    """Return how long the room is dry at the end of a frame; 0 if it is not."""
    end, heard_to_s = frame.first + frame.samples, None
    for step in sent(outcome, AudioSent):
        if step.turn != frame.turn:
            continue
        start_s = step.at_s + step.queued_s
        if step.first <= end < step.first + step.samples and heard_to_s is not None:
            return max(0.0, start_s - heard_to_s)
        heard_to_s = start_s + step.samples / SAMPLE_RATE
    return 0.0


def first_frames(outcome: Outcome) -> set[int]:
    """
    Return the index of the first frame that was sent after each start of speech.

    Speech starts with a turn, after a hold, and where the room had no audio of it left.
    """
    starts_s, turn = [], 0
    for event, _ in outcome.events:
        match event:
            case TurnHeld():
                turn = 0
            case AudioSent():
                if event.turn != turn or event.queued_s <= TIMER_TOLERANCE_S:
                    starts_s.append(event.at_s)
                turn = event.turn
    frames = [frame for frame in sent(outcome, FrameSent) if frame.samples]
    indices = set()
    for start_s in starts_s:
        after = [frame.index for frame in frames if frame.begun_s >= start_s]
        indices.update(after[:1])
    return indices


@settings(max_examples=60, deadline=None)
@example([SPEECH, Seal(), Pause(0.21), Block(0.25)], [0.006])
@example([SPEECH, Seal(), Block(0.11), Pause(0.1), Block(0.11)], [0.03, 0.12, 0.03])
@scripts
def test_a_frame_is_due_20_ms_after_it_is_heard_and_the_first_one_at_once(
    script, renderer
):
    outcome = perform(script, renderer, stop=False)
    firsts = first_frames(outcome)
    for frame in sent(outcome, FrameSent):
        at_s = heard_s(outcome, frame)
        if frame.samples and at_s is not None:
            delay_s = frame.due_s - at_s
            if frame.index in firsts and delay_s < VIDEO_DELAY_S / 2:
                assert delay_s == pytest.approx(0.0, abs=0.002)
            else:
                # A frame that is due when the room is dry may wait as the audio does.
                assert delay_s >= VIDEO_DELAY_S - 0.002
                assert delay_s <= VIDEO_DELAY_S + gap_s(outcome, frame) + 0.002


@settings(max_examples=60, deadline=None)
@example([SPEECH, Seal()], [0.05, 0.006])
@scripts
def test_lips_are_never_begun_later_than_half_a_frame(script, renderer):
    outcome = perform(script, renderer, stop=False)
    firsts = first_frames(outcome)
    for frame in sent(outcome, FrameSent):
        if frame.samples:
            late_s = frame.begun_s - frame.due_s
            early_s = VIDEO_DELAY_S if frame.index in firsts else 0.0
            assert -TIMER_TOLERANCE_S <= late_s <= early_s + FRAME_S / 2 + 1e-6


@pytest.mark.parametrize("busy_s", [0.0, 0.010, 0.030, 0.039, 0.041, 0.075])
def test_the_first_frame_of_speech_is_begun_as_soon_as_the_renderer_is_free(busy_s):
    # The third idle frame, at 80 ms, takes longer, and speech arrives just after it.
    renderer = [0.006, 0.006, 0.006, busy_s] + [0.006] * 100
    script = [Pause(0.081), SPEECH, Seal(), Pause(1.0)]
    outcome = perform(script, renderer, stop=False)
    first, second, *_ = [it for it in sent(outcome, FrameSent) if it.samples]
    free_s = 0.080 + busy_s
    assert first.begun_s == pytest.approx(max(0.081, free_s), abs=0.002)
    seen_s = heard_s(outcome, first) + VIDEO_DELAY_S
    assert abs(first.begun_s - seen_s) <= FRAME_S / 2 + 0.002
    assert second.due_s - seen_s == pytest.approx(FRAME_S, abs=0.002)


@settings(max_examples=40, deadline=None)
@given(st.lists(steps | blocks, max_size=12), renderers, renderers)
def test_the_audio_is_the_same_with_any_renderer(script, renderer, other):
    def audio(renderer: list[float | None]) -> list[AudioSent]:
        outcome = perform(script, renderer, stop=False)
        # A turn that is shorter than a frame finishes only when it was seen.
        assume(all(len(pcm) >= 2 * FRAME_SAMPLES for pcm in outcome.received.values()))
        return sent(outcome, AudioSent)

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
