"""Tests of the LITE machine: rules for all sequences of messages and reports."""

import dataclasses
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.lite.machine import Machine, Pose, Send
from protocol.lite.messages import (
    Ack,
    AgentState,
    EndReason,
    Error,
    Interrupt,
    KeepAlive,
    Speak,
    SpeakEnd,
    SpeakEnded,
    SpeakInterrupted,
    SpeakStarted,
    StartListening,
    StopListening,
    Warned,
)
from protocol.lite.poses import NEXT_POSE, PoseCause, PoseState
from protocol.lite.stale_ids import MAX_STALE_IDS
from protocol.turns import Append, Flush, Open, Seal

steps = st.lists(
    st.sampled_from(
        [
            Speak(b"ab"),
            Speak(b""),
            Speak(b"ab", "u1"),
            Speak(b"ab", "u2"),
            SpeakEnd("u1"),
            SpeakEnd(),
            SpeakEnd(audio=b"cd"),
            Interrupt(),
            StartListening(),
            StartListening(emotion="sad"),
            Speak(b"ab", emotion="happy"),
            StopListening(),
            KeepAlive(),
            "started",
            "finished",
            "long_underrun",
            "missing_end",
        ]
    ),
    max_size=60,
)


class Conversation:
    """A machine with the smallest playout that keeps playout's contract."""

    def __init__(self) -> None:
        counter = itertools.count(1)
        self.machine = Machine(new_id=lambda: f"id-{next(counter)}")
        self.sent = []
        self.waiting: list[int] = []  # turns, in order
        self.begun: list[int] = []  # turns, in order
        self.sealed: set[int] = set()
        self.started: set[int] = set()

    def perform(self, effects) -> None:
        for effect in effects:
            match effect:
                case Append(turn) | Open(turn):
                    assert turn not in self.sealed
                    if turn not in self.begun:
                        self.begun.append(turn)
                        self.waiting.append(turn)
                case Seal(turn):
                    self.sealed.add(turn)
                case Flush(turn):
                    self.waiting = [t for t in self.waiting if t > turn]
                    self.perform(self.machine.flushed(effect, 0.25))
                case Send(event):
                    self.sent.append(event)

    def step(self, step) -> None:
        if not isinstance(step, str):
            self.perform(self.machine.receive(step))
            return
        turn = self.waiting[0] if self.waiting else 0
        if step == "finished":
            if turn not in self.sealed:
                return
            self.waiting.pop(0)
        elif step == "started":
            self.started.add(turn)
        self.perform(getattr(self.machine, step)(turn))


def converse(script) -> Conversation:
    conversation = Conversation()
    for step in script:
        conversation.step(step)
    return conversation


def check_each_turn_is_over_once(conversation: Conversation) -> None:
    """Check that the client knows of one end for each turn, in order."""
    sent = conversation.sent
    started = [e.task for e in sent if isinstance(e, SpeakStarted)]
    over = [e.task for e in sent if isinstance(e, SpeakEnded | SpeakInterrupted)]
    assert len(over) == len(set(over)) == len(conversation.begun)
    assert [task for task in over if task in started] == started
    acked = [e.task for e in sent if isinstance(e, Ack)]
    known = [task for task in dict.fromkeys(acked) if task in over]
    assert known == [task for task in over if task in acked]


@given(steps)
def test_every_turn_is_over_once_heard_or_not(script):
    check_each_turn_is_over_once(converse([*script, Interrupt()]))


@given(steps)
def test_the_pose_is_talking_from_the_start_of_a_turn_to_its_end(script):
    talking, speaking = False, ""
    for event in converse(script).sent:
        match event:
            case AgentState(_, new):
                talking = new == "talking"
            case SpeakStarted(_, task):
                assert talking  # agent.state_updated comes first
                speaking = task
            case SpeakEnded(_, task) | SpeakInterrupted(_, task):
                assert talking or task != speaking  # agent.state_updated comes last


@given(steps)
def test_every_state_event_continues_the_one_before(script):
    pose = "idle"
    for event in converse(script).sent:
        if isinstance(event, AgentState):
            assert event.previous == pose
            assert event.new != pose
            pose = event.new


@given(steps)
def test_cleared_comes_before_interrupted_and_both_before_the_pose(script):
    sent = converse(script).sent
    for index, event in enumerate(sent):
        if isinstance(event, SpeakInterrupted):
            while isinstance(sent[index - 1], SpeakInterrupted):
                index -= 1
            assert isinstance(sent[index - 1], Ack)
            assert sent[index - 1].kind.value == "agent.audio_buffer_cleared"
        if isinstance(event, AgentState) and event.previous == "talking":
            assert isinstance(sent[index - 1], SpeakEnded | SpeakInterrupted)


@given(steps)
def test_every_command_with_an_ack_gets_one_with_a_fresh_id(script):
    # No id: audio with the id of a turn that was cut is dropped without an ack.
    script = [
        dataclasses.replace(step, event_id=None) if isinstance(step, Speak) else step
        for step in script
    ]
    acks = [event for event in converse(script).sent if isinstance(event, Ack)]
    commands = [
        step
        for step in script
        if isinstance(step, SpeakEnd | Interrupt)
        or (isinstance(step, Speak) and step.audio)
    ]
    assert len(acks) == len(commands)
    assert len({ack.event_id for ack in acks}) == len(acks)


def test_ids_are_unique_by_default():
    effects = [Machine().receive(Speak(b"ab", "u1")) for _ in range(2)]
    acks = [effect.event for pair in effects for effect in pair if type(effect) is Send]
    ids = {text for ack in acks for text in (ack.event_id, ack.task)}
    assert len(acks) == 2
    assert len(ids) == 4


@given(steps)
def test_a_session_may_end_at_any_time(script):
    conversation = converse(script)
    stopped = conversation.machine.stopped(EndReason.USER_CLOSED, "bye", 0.1)
    conversation.perform(stopped)
    check_each_turn_is_over_once(conversation)
    sent = len(conversation.sent)
    for step in script:
        conversation.step(step)
    assert len(conversation.sent) == sent  # nothing follows the end


def test_reports_that_cross_an_interrupt_are_ignored():
    conversation = converse([Speak(b"ab"), "started", Interrupt()])
    machine, sent = conversation.machine, len(conversation.sent)
    for report in ("started", "long_underrun", "missing_end", "finished"):
        assert getattr(machine, report)(1) == []
    assert len(conversation.sent) == sent


def test_turns_that_are_not_heard_are_interrupted_one_by_one():
    script = [Speak(b"ab", "u1"), SpeakEnd(), Speak(b"ab", "u2"), SpeakEnd()]
    sent = converse([*script, "started", Speak(b"ab", "u3"), Interrupt()]).sent
    over = [(e.event_id, e.played_ms) for e in sent if isinstance(e, SpeakInterrupted)]
    assert over == [("u1", 250), ("u2", 0), ("u3", 0)]
    assert isinstance(sent[-2], AgentState)


def test_an_empty_turn_ends_without_a_start():
    sent = converse([Speak(b"", "u1"), SpeakEnd("u1"), "finished"]).sent
    assert [e.event_id for e in sent if isinstance(e, SpeakEnded)] == ["u1"]
    assert not [e for e in sent if isinstance(e, SpeakStarted | AgentState)]


def warnings(sent) -> list[str]:
    return [event.kind for event in sent if isinstance(event, Warned)]


def test_late_audio_of_a_cut_turn_is_dropped_and_another_id_opens_a_turn():
    cut = [Speak(b"ab", "old"), "started", Interrupt()]
    late = [Speak(b"ab", "old"), Speak(b"ab", "old"), Speak(b"ab", "new")]
    mixed = [Speak(b"ab", "old"), SpeakEnd("old"), SpeakEnd("new")]
    conversation = converse([*cut, *late, *mixed, "started", "finished"])
    ended = [e.event_id for e in conversation.sent if isinstance(e, SpeakEnded)]
    assert ended == ["new"]
    assert conversation.begun == [1, 2]
    assert warnings(conversation.sent) == ["stale_audio"]


def test_the_end_of_a_cut_turn_frees_its_id():
    cut = [Speak(b"ab", "u"), Interrupt(), SpeakEnd("u", b"ab")]
    conversation = converse([*cut, Speak(b"ab", "u"), SpeakEnd("u"), "finished"])
    assert [e.event_id for e in conversation.sent if isinstance(e, SpeakEnded)] == ["u"]
    assert warnings(conversation.sent) == ["stale_audio"]


def test_a_turn_that_was_cut_after_its_end_leaves_its_id_free():
    cut = [Speak(b"ab", "u"), SpeakEnd("u"), Interrupt()]
    assert converse([*cut, Speak(b"ab", "u")]).begun == [1, 2]


def test_audio_without_an_id_opens_a_turn_after_a_cut():
    assert converse([Speak(b"ab"), Interrupt(), Speak(b"ab")]).begun == [1, 2]


def test_ids_of_cut_turns_are_forgotten_the_oldest_first():
    ids = [f"u{number}" for number in range(MAX_STALE_IDS + 1)]
    conversation = converse(
        [step for name in ids for step in (Speak(b"ab", name), Interrupt())]
    )
    conversation.step(Speak(b"ab", ids[1]))
    assert len(conversation.begun) == len(ids)
    conversation.step(Speak(b"ab", ids[0]))
    assert len(conversation.begun) == len(ids) + 1


@pytest.mark.parametrize("before", [[], [Speak(b"ab"), SpeakEnd()]])
def test_a_speak_end_with_nothing_open_is_warned_about(before):
    assert warnings(converse([*before, SpeakEnd()]).sent) == ["nothing_to_end"]


def test_the_speak_end_of_a_turn_that_was_cut_is_no_mistake():
    script = [Speak(b"ab", "u1"), Interrupt(), SpeakEnd("u2")]
    assert warnings(converse(script).sent) == []
    assert warnings(converse([*script, SpeakEnd()]).sent) == ["nothing_to_end"]


@pytest.mark.parametrize(
    "start", [b"RIFF", b"OggS", b"fLaC", b"ID3\4", b"\x1aE\xdf\xa3"]
)
def test_a_file_in_place_of_pcm_is_warned_about_once_in_a_turn(start):
    pieces = [Speak(start + b"ab"), Speak(start + b"ab"), SpeakEnd(audio=start)]
    sent = converse([Speak(b"ab"), *pieces, Speak(start)]).sent
    assert warnings(sent) == ["not_pcm", "not_pcm"]


def test_gaps_of_a_turn_that_is_over_are_not_reported():
    assert Machine().gaps(1, 2, 0.1, 0.1) == []


def test_an_underrun_before_the_first_sample_is_no_starvation():
    sent = converse([Speak(b""), "long_underrun"]).sent
    assert not [event for event in sent if isinstance(event, Error)]


@given(
    steps, st.integers(0, 5), st.sampled_from(["started", "finished", "missing_end"])
)
def test_a_report_of_a_turn_that_is_over_changes_nothing(script, back, report):
    machine = converse([*script, Interrupt()]).machine
    before = machine.state
    assert getattr(machine, report)(max(0, machine.turn - back)) == []
    assert machine.state is before


@given(steps)
def test_the_face_shows_the_told_pose_and_thinks_only_after_listening(script):
    shown = ["idle"]
    conversation = Conversation()
    perform = conversation.perform

    def record(effects):
        shown.extend(effect.name for effect in effects if isinstance(effect, Pose))
        perform(effects)

    conversation.perform = record
    for step in script:
        conversation.step(step)
        pose = conversation.machine.state.pose
        assert shown[-1] in (pose, "thinking" if pose == "idle" else pose)
    for before, name in itertools.pairwise(shown):
        assert name != "thinking" or before == "listening"


def test_the_pose_table_has_every_pair():
    assert set(NEXT_POSE) == set(itertools.product(PoseState, PoseCause))
