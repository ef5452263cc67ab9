"""Tests of the data channel's machine: rules for all sequences of messages."""

import itertools

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import BadMessage
from protocol.full.avatar_speech import MAX_KEPT
from protocol.full.codec import encode_event
from protocol.full.effects import CutSpeech, SendEvent, StoreLine, TellAgent
from protocol.full.machine import MAX_WAITING_TEXTS, ChannelMachine
from protocol.full.messages import (
    MAX_EVENT_BYTES,
    MAX_EVENT_ID_CHARS,
    ChannelCommand,
    CommandKind,
    EventKind,
)
from protocol.link.messages import COMMANDS, EVENTS, Happened
from protocol.lite.messages import EndReason

commands = st.builds(
    ChannelCommand,
    st.sampled_from(CommandKind),
    st.sampled_from([None, "u1", "u2"]),
    st.just("Some words."),
)
reports = st.builds(
    Happened,
    st.just(1),
    st.sampled_from([*EVENTS, "latency", "session.stopped"]),
    text=st.sampled_from(["", "Some", "Some words."]),
    code=st.just("tts"),
    turn=st.integers(0, 5),
    source_event_id=st.sampled_from([None, "1", "2", "unknown"]),
)
turns = st.tuples(st.sampled_from(["open", "started", "finished"]), st.integers(0, 5))
steps = st.lists(commands | reports | turns, max_size=80)


class FakeGateway:
    """A machine, and a playout that cuts when it is told to."""

    def __init__(self, *, push_to_talk: bool = False) -> None:
        counter = itertools.count(1)
        self.machine = ChannelMachine(
            push_to_talk=push_to_talk, new_id=lambda: f"id-{next(counter)}"
        )
        self.sent = []
        self.told = []
        self.stored = []

    def take(self, step) -> None:
        match step:
            case ChannelCommand():
                self.perform(self.machine.receive(step))
            case Happened():
                self.perform(self.machine.happened(step))
            case ("open", turn):
                self.machine.opened(turn, "1")
            case ("started", turn):
                self.perform(self.machine.started(turn))
            case ("finished", turn):
                self.perform(self.machine.finished(turn))

    def perform(self, effects) -> None:
        for effect in effects:
            match effect:
                case SendEvent(event):
                    self.sent.append(event)
                case CutSpeech():
                    self.perform(self.machine.finished(5))
                case TellAgent():
                    self.told.append(effect)
                case StoreLine(role, text):
                    self.stored.append((role, text))

    def stop(self) -> None:
        self.perform(self.machine.stopped(EndReason.USER_CLOSED, "bye"))

    def kinds(self, *wanted: EventKind) -> list[EventKind]:
        return [event.kind for event in self.sent if event.kind in wanted]


def played(script, *, push_to_talk: bool = False) -> FakeGateway:
    gateway = FakeGateway(push_to_talk=push_to_talk)
    for step in script:
        gateway.take(step)
    gateway.stop()
    return gateway


PAIRS = [
    (EventKind.AVATAR_SPEAK_STARTED, EventKind.AVATAR_SPEAK_ENDED),
    (EventKind.USER_SPEAK_STARTED, EventKind.USER_SPEAK_ENDED),
]


@pytest.mark.parametrize("pair", PAIRS, ids=["avatar", "user"])
@given(script=steps, push_to_talk=st.booleans())
def test_each_start_of_speech_is_followed_by_one_end(script, push_to_talk, pair):
    kinds = played(script, push_to_talk=push_to_talk).kinds(*pair)
    assert kinds == list(pair) * (len(kinds) // 2)


@given(steps, st.booleans())
def test_each_push_to_talk_command_gets_one_answer_by_the_gateway_at_once(script, ptt):
    answers = {
        CommandKind.START_PUSH_TO_TALK: (
            EventKind.PUSH_TO_TALK_STARTED
            if ptt
            else EventKind.PUSH_TO_TALK_START_FAILED
        ),
        CommandKind.STOP_PUSH_TO_TALK: EventKind.PUSH_TO_TALK_STOPPED,
    }
    gateway = FakeGateway(push_to_talk=ptt)
    for step in script:
        before = len(gateway.sent)
        gateway.take(step)
        given_ = [
            (event.kind, event.source_event_id)
            for event in gateway.sent[before:]
            if "push_to_talk" in event.kind
        ]
        kind = step.kind if isinstance(step, ChannelCommand) else None
        assert given_ == ([(answers[kind], step.event_id)] if kind in answers else [])


@given(steps)
def test_the_user_says_nothing_outside_push_to_talk(script):
    gateway = FakeGateway(push_to_talk=True)
    for step in script:
        before = len(gateway.sent)
        was_listening = gateway.machine.listening
        gateway.take(step)
        started = EventKind.USER_SPEAK_STARTED, EventKind.USER_CHUNK
        if not was_listening:
            assert not [e for e in gateway.sent[before:] if e.kind in started]


@given(steps, st.booleans())
def test_chunks_of_the_user_come_between_start_and_end(script, push_to_talk):
    gateway, is_speaking = played(script, push_to_talk=push_to_talk), False
    for event in gateway.sent:
        if event.kind in PAIRS[1]:
            is_speaking = event.kind is EventKind.USER_SPEAK_STARTED
        assert is_speaking or event.kind is not EventKind.USER_CHUNK


@given(steps, st.booleans())
def test_the_reason_of_the_end_comes_last_and_once_and_ids_are_new(script, ptt):
    gateway = played(script, push_to_talk=ptt)
    gateway.stop()
    for step in script:
        gateway.take(step)
    gateway.perform(gateway.machine.refuse(BadMessage("not JSON")))
    gateway.perform(gateway.machine.latency(1, {"total": 1.0}))
    stops = [e.kind is EventKind.SESSION_STOPPED for e in gateway.sent]
    assert stops == [False] * (len(stops) - 1) + [True]
    ids = [event.event_id for event in gateway.sent]
    assert len(set(ids)) == len(ids)


@given(steps, st.booleans())
def test_the_agent_is_told_known_commands_and_of_each_cut_by_an_interrupt(script, ptt):
    gateway = played(script, push_to_talk=ptt)
    names = [effect.name for effect in gateway.told]
    assert set(names) <= set(COMMANDS)
    for place, name in enumerate(names):
        if name == "push_to_talk_start":
            assert names[place - 1] == "interrupt"
    keys = [effect.event_id for effect in gateway.told]
    assert len(set(keys)) == len(keys)


@given(steps)
def test_the_words_of_a_turn_are_stored_once_and_never_empty(script):
    gateway = FakeGateway()
    for step in script:
        before = len(gateway.stored)
        gateway.take(step)
        lines = gateway.stored[before:]
        assert len(lines) <= 1
        assert all(text for _, text in lines)


def speak_text(text: str = "Words.", event_id: str | None = None) -> ChannelCommand:
    return ChannelCommand(CommandKind.SPEAK_TEXT, event_id, text)


def test_too_many_waiting_texts_are_refused_until_one_was_spoken():
    gateway = FakeGateway()
    for _ in range(MAX_WAITING_TEXTS):
        gateway.take(speak_text())
    gateway.take(speak_text(event_id="over"))
    refused = gateway.sent[-1]
    assert refused.kind is EventKind.ERROR
    assert refused.source_event_id == "over"
    assert "texts are waiting" in refused.fields["message"]
    gateway.machine.opened(1, "1")
    gateway.take(("finished", 1))
    gateway.take(speak_text())
    assert gateway.sent[-1].kind is EventKind.AVATAR_TRANSCRIPTION


def test_texts_whose_turns_never_came_wait_no_longer_than_the_next_that_is_spoken():
    gateway = FakeGateway()
    for _ in range(MAX_WAITING_TEXTS):
        gateway.take(speak_text())
    gateway.machine.opened(1, str(MAX_WAITING_TEXTS - 1))
    gateway.take(("finished", 1))
    for _ in range(MAX_WAITING_TEXTS - 1):  # one still waits
        gateway.take(speak_text())
    assert not gateway.kinds(EventKind.ERROR)
    gateway.take(speak_text())
    assert gateway.kinds(EventKind.ERROR)


@pytest.mark.parametrize(
    "step",
    [
        ChannelCommand(CommandKind.INTERRUPT),
        Happened(1, "error", "no voice", code="tts", source_event_id="1"),
    ],
    ids=["interrupt", "failure"],
)
def test_texts_that_will_not_be_spoken_do_not_wait(step):
    gateway = FakeGateway()
    for _ in range(MAX_WAITING_TEXTS):
        gateway.take(speak_text())
    gateway.take(step)
    gateway.take(speak_text())
    assert gateway.sent[-1].kind is EventKind.AVATAR_TRANSCRIPTION


def test_commands_and_turns_of_long_ago_are_forgotten():
    gateway = FakeGateway()
    for turn in range(1, MAX_KEPT + 3):
        gateway.take(ChannelCommand(CommandKind.SPEAK_RESPONSE, f"u{turn}", "Hi"))
        gateway.machine.opened(turn, str(turn))
        gateway.take(("finished", turn))
    gateway.take(Happened(1, "avatar.transcription.chunk", "old", source_event_id="1"))
    assert gateway.sent[-1].source_event_id is None
    gateway.take(Happened(1, "avatar.transcription.chunk", "new", turn=turn))
    assert gateway.sent[-1].source_event_id == f"u{turn}"


def test_a_turn_that_starts_ends_those_before_it():
    gateway = FakeGateway()
    for turn in (1, 2):
        gateway.machine.opened(turn, None)
        gateway.take(("started", turn))
    assert gateway.kinds(*PAIRS[0]) == [*PAIRS[0], EventKind.AVATAR_SPEAK_STARTED]


def test_a_packet_that_is_refused_gets_an_error_with_the_id_of_its_command():
    machine = ChannelMachine(push_to_talk=False)
    effects = machine.refuse(BadMessage("unknown", "u1"))
    effects += machine.refuse(BadMessage("not JSON"))
    events = [effect.event for effect in effects]
    assert [event.source_event_id for event in events] == ["u1", None]
    assert [event.fields for event in events] == [
        {"code": "invalid_request", "message": "unknown"},
        {"code": "invalid_request", "message": "not JSON"},
    ]
    assert events[0].event_id != events[1].event_id


WORDS = 'Wörter, "quoted" \\ and 🙂\n'


@given(
    st.integers(0, 3000).map(lambda n: WORDS * n) | st.text(max_size=100),
    st.sampled_from([kind for kind in EventKind if "transcription" in kind]),
)
def test_events_fit_into_packets_and_deltas_lose_nothing(text, kind):
    gateway = FakeGateway()
    event_id = '"' * MAX_EVENT_ID_CHARS
    gateway.take(ChannelCommand(CommandKind.SPEAK_RESPONSE, event_id, "Tell me"))
    gateway.take(Happened(1, "user.speak_started"))
    gateway.sent.clear()
    gateway.stored.clear()
    gateway.take(Happened(1, kind, text, source_event_id="1"))
    for event in gateway.sent:
        assert len(encode_event(event, "5" * 36)) <= MAX_EVENT_BYTES
    texts = [event.fields["text"] for event in gateway.sent if event.kind is kind]
    if kind.endswith(".chunk"):
        assert "".join(texts) == text
    elif texts:
        start = texts[0].removesuffix("…")
        assert text.startswith(start)
        assert len(start) == len(text) or len(orjson.dumps(start)) > 10_000
    assert [line for _, line in gateway.stored] in ([], [text])
