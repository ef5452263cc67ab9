"""Tests of the LITE machine: rules for all sequences of messages and reports."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from protocol.lite.machine import (
    NEXT_POSE,
    Machine,
    Pose,
    PoseCause,
    PoseState,
    Send,
)
from protocol.lite.messages import (
    Ack,
    AgentState,
    EndReason,
    Interrupt,
    KeepAlive,
    Speak,
    SpeakEnd,
    SpeakEnded,
    SpeakInterrupted,
    SpeakStarted,
    StartListening,
    StopListening,
)
from protocol.turns import Append, Flush, Seal

steps = st.lists(
    st.sampled_from(
        [
            Speak(b"ab"),
            Speak(b""),
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
        self.sealed: set[int] = set()
        self.started: set[int] = set()

    def perform(self, effects) -> None:
        for effect in effects:
            match effect:
                case Append(turn):
                    assert turn not in self.sealed
                    if turn not in self.waiting:
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


def check_each_start_has_one_end(sent) -> None:
    started = [e.task for e in sent if isinstance(e, SpeakStarted)]
    over = [e.task for e in sent if isinstance(e, SpeakEnded | SpeakInterrupted)]
    assert started == over
    assert len(set(started)) == len(started)


@given(steps)
def test_every_turn_that_starts_ends_once(script):
    check_each_start_has_one_end(converse([*script, Interrupt()]).sent)


@given(steps)
def test_the_pose_is_talking_from_the_start_of_a_turn_to_its_end(script):
    talking = False
    for event in converse(script).sent:
        match event:
            case AgentState(_, new):
                talking = new == "talking"
            case SpeakStarted():
                assert talking  # agent.state_updated comes first
            case SpeakEnded() | SpeakInterrupted():
                assert talking  # agent.state_updated comes last


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
            assert isinstance(sent[index - 1], Ack)
            assert sent[index - 1].kind.value == "agent.audio_buffer_cleared"
            assert isinstance(sent[index + 1], AgentState)


@given(steps)
def test_every_command_with_an_ack_gets_one_with_a_fresh_id(script):
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
    check_each_start_has_one_end(conversation.sent)


def test_reports_that_cross_an_interrupt_are_ignored():
    conversation = converse([Speak(b"ab"), "started", Interrupt()])
    machine, sent = conversation.machine, len(conversation.sent)
    for report in ("started", "long_underrun", "missing_end", "finished"):
        assert getattr(machine, report)(1) == []
    assert len(conversation.sent) == sent


def test_a_turn_that_never_started_is_flushed_without_an_event():
    sent = converse([Speak(b"ab"), Interrupt(), SpeakEnd(audio=b"cd")]).sent
    assert not [e for e in sent if isinstance(e, SpeakInterrupted | AgentState)]


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
