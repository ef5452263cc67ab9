import itertools

from hypothesis import given
from hypothesis import strategies as st

from protocol.lite.machine import (
    NEXT,
    Append,
    Cause,
    Flush,
    Machine,
    Pose,
    Seal,
    Send,
    State,
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
            "starved",
            "expired",
        ]
    ),
    max_size=60,
)


class Talk:
    """A machine with the smallest playout that keeps playout's promises."""

    def __init__(self) -> None:
        counted = itertools.count(1)
        self.machine = Machine(new_id=lambda: f"id-{next(counted)}")
        self.said = []
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
                    self.said.append(event)

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


def talk(script) -> Talk:
    made = Talk()
    for step in script:
        made.step(step)
    return made


@given(steps)
def test_every_turn_that_starts_ends_once(script):
    made = talk([*script, Interrupt()])
    started = [e.task for e in made.said if isinstance(e, SpeakStarted)]
    over = [e.task for e in made.said if isinstance(e, SpeakEnded | SpeakInterrupted)]
    assert started == over
    assert len(set(started)) == len(started)


@given(steps)
def test_talking_lasts_exactly_from_started_to_over(script):
    talking = False
    for event in talk(script).said:
        match event:
            case AgentState(_, new):
                talking = new == "talking"
            case SpeakStarted():
                assert talking  # the state comes first
            case SpeakEnded() | SpeakInterrupted():
                assert talking  # leaving comes last


@given(steps)
def test_every_state_event_continues_the_one_before(script):
    pose = "idle"
    for event in talk(script).said:
        if isinstance(event, AgentState):
            assert event.previous == pose
            assert event.new != pose
            pose = event.new


@given(steps)
def test_cleared_comes_before_interrupted_and_both_before_the_pose(script):
    said = talk(script).said
    for place, event in enumerate(said):
        if isinstance(event, SpeakInterrupted):
            assert isinstance(said[place - 1], Ack)
            assert said[place - 1].kind.value == "agent.audio_buffer_cleared"
            assert isinstance(said[place + 1], AgentState)


@given(steps)
def test_every_command_with_an_ack_gets_one_with_a_fresh_id(script):
    acks = [event for event in talk(script).said if isinstance(event, Ack)]
    asking = [
        step
        for step in script
        if isinstance(step, SpeakEnd | Interrupt)
        or (isinstance(step, Speak) and step.audio)
    ]
    assert len(acks) == len(asking)
    assert len({ack.event_id for ack in acks}) == len(acks)


@given(steps)
def test_a_session_may_end_at_any_time(script):
    made = talk(script)
    made.perform(made.machine.stopped(EndReason.USER_CLOSED, "bye", 0.1))
    started = [e.task for e in made.said if isinstance(e, SpeakStarted)]
    over = [e.task for e in made.said if isinstance(e, SpeakEnded | SpeakInterrupted)]
    assert started == over


@given(steps, st.integers(0, 5), st.sampled_from(["started", "finished", "expired"]))
def test_news_of_a_turn_that_is_over_changes_nothing(script, back, news):
    made = talk([*script, Interrupt()])
    before = made.machine.state
    assert getattr(made.machine, news)(max(0, made.machine.turn - back)) == []
    assert made.machine.state is before


@given(steps)
def test_the_face_shows_the_pose_that_is_told_and_thinks_only_after_listening(script):
    shown = ["idle"]
    made = Talk()
    perform = made.perform

    def watched(effects):
        shown.extend(effect.name for effect in effects if isinstance(effect, Pose))
        perform(effects)

    made.perform = watched
    for step in script:
        made.step(step)
        pose = made.machine.state.pose
        assert shown[-1] in (pose, "thinking" if pose == "idle" else pose)
    for before, name in itertools.pairwise(shown):
        assert name != "thinking" or before == "listening"


def test_the_table_is_total():
    assert set(NEXT) == set(itertools.product(State, Cause))
