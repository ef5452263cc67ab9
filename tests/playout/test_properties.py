"""Properties of playout for any script and any renderer, in virtual time."""

from hypothesis import given, settings
from hypothesis import strategies as st

from lite_gateway.playout.frame_schedule import LOOKAHEAD_SAMPLES
from lite_gateway.playout.lateness import MAX_S, USUAL_S
from lite_gateway.playout.schedule import (
    AHEAD_S,
    STEP_S,
    STEP_SAMPLES,
    TIMER_TOLERANCE_S,
)
from lite_gateway.playout.trace import AudioSent, FrameSent, TurnCut, TurnHeld
from protocol.lite.messages import SAMPLE_RATE
from tests.playout.scripts import holds, perform, renderers, steps

FRAME = SAMPLE_RATE // 25
# Of the moment of a face, on a late machine and with half the frame rate.
MAX_SHIFT = round((MAX_S - USUAL_S) * SAMPLE_RATE) + FRAME // 2

scripts = given(st.lists(steps | holds, max_size=10), renderers, st.booleans())


@settings(max_examples=60, deadline=None)
@scripts
def test_every_turn_ends_exactly_once(script, renderer, stop):
    outcome = perform(script, renderer, stop=stop, debug=True)
    finished = [turn for kind, turn in outcome.calls if kind == "finished"]
    assert sorted(finished + outcome.cut) == sorted(outcome.received)
    started = [turn for kind, turn in outcome.calls if kind == "started"]
    assert started == sorted(set(started))
    for turn in started:
        assert turn in finished or turn in outcome.cut
    for turn in finished:
        assert bool(outcome.received[turn]) == (turn in started)
    # The metric counts the turns of which audio was submitted.
    spoken = [turn for turn in outcome.received if outcome.of(AudioSent, turn)]
    assert sum(outcome.counted.values()) == len(spoken)


@settings(max_examples=40, deadline=None)
@scripts
def test_submitted_samples_are_those_of_the_turn_in_order_until_its_cut(
    script, renderer, stop
):
    outcome = perform(script, renderer, stop=stop)
    submitted = dict.fromkeys(outcome.received, b"")
    for event, pcm in outcome.events:
        if isinstance(event, AudioSent):
            assert event.first == len(submitted[event.turn]) // 2
            assert len(pcm) == 2 * event.samples
            submitted[event.turn] += pcm
        elif isinstance(event, TurnHeld):
            submitted[event.turn] = submitted[event.turn][: 2 * event.heard]
    for turn, received in outcome.received.items():
        assert received.startswith(submitted[turn])
        if turn not in outcome.cut:
            assert submitted[turn] == received
        for cut in outcome.of(TurnCut, turn):
            assert cut.heard <= len(submitted[turn]) // 2
            assert all(step.at_s <= cut.at_s for step in outcome.of(AudioSent, turn))
            assert all(it.shown_s <= cut.at_s for it in outcome.of(FrameSent, turn))


@settings(max_examples=40, deadline=None)
@scripts
def test_the_driver_is_given_all_audio_up_to_the_frame_that_has_arrived(
    script, renderer, stop
):
    outcome = perform(script, renderer, stop=stop)
    consumed = dict.fromkeys(outcome.received, b"")
    for request, received in outcome.requests:
        if not request.turn:
            continue
        consumed[request.turn] += request.pcm
        position = len(consumed[request.turn]) // 2
        moment = position - request.lookahead_samples
        assert position >= min(received, moment)
        end = moment + FRAME // 2 - MAX_SHIFT
        assert min(received, end + LOOKAHEAD_SAMPLES) <= position <= received
    for turn, pcm in consumed.items():
        assert outcome.received[turn].startswith(pcm)


@settings(max_examples=40, deadline=None)
@scripts
def test_at_most_80_ms_are_queued_with_any_renderer(script, renderer, stop):
    outcome = perform(script, renderer, stop=stop)
    assert outcome.max_queued_s <= AHEAD_S + STEP_S + 2 * TIMER_TOLERANCE_S
    for turn in outcome.received:
        for step in outcome.of(AudioSent, turn):
            assert 0 < step.samples <= STEP_SAMPLES
            assert step.queued_s <= AHEAD_S + TIMER_TOLERANCE_S
