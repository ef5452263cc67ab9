"""Tests of the data stream's machine: JSON vectors, and rules for all sequences."""

import json
from collections import deque
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.datastream.machine import (
    MAX_REFUSED,
    SegmentFinished,
    SegmentMachine,
    SegmentStarted,
)
from protocol.datastream.names import (
    PLAYBACK_FINISHED,
    PLAYBACK_STARTED,
    AudioFormat,
    ConversationState,
    playback_finished,
    read_format,
)
from protocol.errors import BadMessage
from protocol.turns import Append, Flush, Open, Seal

VECTORS = sorted((Path(__file__).parents[2] / "vectors" / "segments").glob("*.json"))


def advance(segments: SegmentMachine, step: dict) -> list:
    """Apply one step of a sender or of playout, and return the effects."""
    match step:
        case {"header": sender}:
            return segments.open(sender)
        case {"bytes": turn, "samples": samples}:
            return segments.receive(turn, bytes(2 * samples))
        case {"trailer": turn}:
            return segments.close(turn)
        case {"clear": upto}:
            assert segments.clear() == [Flush(upto)]
            return []
        case {"cut": upto, "played": heard}:
            return segments.flushed(Flush(upto), heard)
        case {"playout": {"started": turn}}:
            return segments.started(turn)
        case {"playout": {"finished": turn}}:
            return segments.finished(turn)
    return advance_by_fault(segments, step)


def advance_by_fault(segments: SegmentMachine, step: dict) -> list:
    """Apply a step of a sender that leaves, or of a stream that cannot be played."""
    match step:
        case {"broken": turn}:
            return segments.fail(turn)
        case {"refused": sender}:
            return segments.refuse(sender)
        case {"left": sender}:
            return segments.disconnected(sender)
        case {"returned": sender, "cuts": upto}:
            expected = [Flush(upto)] if upto else []
            assert segments.reconnected(sender) == expected
            return []
    raise AssertionError(f"unknown step: {step}")


def rpc_of(effect) -> dict | None:
    """Return the RPC that reports an effect to its sender, or None if none does."""
    match effect:
        case SegmentStarted(sender):
            return {"tell": sender, "method": PLAYBACK_STARTED}
        case SegmentFinished(sender, samples, interrupted):
            report = json.loads(playback_finished(samples, interrupted=interrupted))
            return {"tell": sender, "method": PLAYBACK_FINISHED, "payload": report}
    return None


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_senders_get_the_reports_of_the_vector(path):
    segments, calls, expected = SegmentMachine(), [], []
    for step in json.loads(path.read_text())["steps"]:
        if "tell" in step:
            expected.append(step)
            continue
        assert calls == expected
        effects = advance(segments, step)
        calls += [call for effect in effects if (call := rpc_of(effect))]
    assert calls == expected


class Player:
    """Playout as the machine sees it: it plays the oldest turn."""

    def __init__(self) -> None:
        self.segments = SegmentMachine()
        self.turns: deque[list] = deque()  # [number, received, played, sealed]
        self.played: dict[int, int] = {}
        self.opened: list[str] = []
        self.reports: list[SegmentFinished] = []
        self.started: list[str] = []

    def perform(self, effects: list) -> None:
        for effect in effects:
            match effect:
                case Open(turn):
                    self.turns.append([turn, 0, 0, False])
                case Append(number, pcm):
                    [turn] = [turn for turn in self.turns if turn[0] == number]
                    assert not turn[3], "audio after the end"
                    turn[1] += len(pcm) // 2
                case Seal(number):
                    [turn] = [turn for turn in self.turns if turn[0] == number]
                    turn[3] = True
                case Flush(upto):
                    heard = self.turns[0][2] if self.turns[0][0] <= upto else 0
                    while self.turns and self.turns[0][0] <= upto:
                        turn = self.turns.popleft()
                        self.played[turn[0]] = turn[2]
                    self.perform(self.segments.flushed(effect, heard))
                case SegmentStarted(sender):
                    self.started.append(sender)
                case SegmentFinished():
                    self.reports.append(effect)

    def play(self, samples: int) -> None:
        """Play up to ``samples`` of the oldest turn, and end it if it is complete."""
        if not self.turns:
            return
        turn = self.turns[0]
        chunk = min(samples, turn[1] - turn[2])
        first, turn[2] = turn[2] == 0, turn[2] + chunk
        if first and chunk:
            self.perform(self.segments.started(turn[0]))
        if turn[3] and turn[2] == turn[1]:
            self.turns.popleft()
            self.played[turn[0]] = turn[2]
            self.perform(self.segments.finished(turn[0]))


SENDERS = st.sampled_from(["agent", "announcer"])
TURNS, SAMPLES = st.integers(1, 8), st.integers(0, 5)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("open"), SENDERS),
        st.tuples(st.just("bytes"), TURNS, SAMPLES),
        st.tuples(st.just("trailer"), TURNS),
        st.tuples(st.just("broken"), TURNS),
        st.tuples(st.just("clear")),
        st.tuples(st.just("play"), SAMPLES),
        st.tuples(st.just("disconnected"), SENDERS),
        st.tuples(st.just("reconnected"), SENDERS),
        st.tuples(st.just("stale"), TURNS),
    ),
    max_size=60,
)


def take(player: Player, step: tuple) -> None:
    segments = player.segments
    match step:
        case ("open", sender):
            player.opened.append(sender)
            player.perform(segments.open(sender))
        case ("bytes", turn, samples):
            player.perform(segments.receive(turn, bytes(2 * samples)))
        case ("trailer", turn):
            player.perform(segments.close(turn))
        case ("broken", turn):
            player.perform(segments.fail(turn))
        case ("clear",):
            player.perform(segments.clear())
        case ("play", samples):
            player.play(samples)
        case ("disconnected", sender):
            player.perform(segments.disconnected(sender))
        case ("reconnected", sender):
            player.perform(segments.reconnected(sender))
        case ("stale", turn) if not player.turns or player.turns[0][0] != turn:
            assert segments.started(turn) == segments.finished(turn) == []


@given(STEPS, st.booleans())
def test_each_stream_finishes_once_in_order_with_the_samples_played(steps, interrupt):
    player = Player()
    for step in steps:
        take(player, step)
    if interrupt:
        player.perform(player.segments.clear())
    else:
        for turn in range(1, player.segments.turn + 1):
            player.perform(player.segments.close(turn))
        for _ in range(400):
            player.play(5)
    assert not player.turns
    assert [report.sender for report in player.reports] == player.opened
    turns = range(1, len(player.opened) + 1)
    samples = [report.samples for report in player.reports]
    assert samples == [player.played[turn] for turn in turns]
    assert len(player.started) <= len(player.opened)
    assert len(player.started) == sum(count > 0 for count in samples)


@given(STEPS)
def test_a_clear_leaves_nothing_to_play(steps):
    player = Player()
    for step in steps:
        take(player, step)
    player.perform(player.segments.clear())
    assert not player.turns
    assert player.segments.clear() == []
    for turn in range(1, player.segments.turn + 1):
        assert player.segments.receive(turn, b"12") == []
        assert player.segments.close(turn) == []


@given(STEPS)
def test_a_stream_that_broke_off_is_not_reported_as_played(steps):
    player = Player()
    for step in steps:
        take(player, step)
    over = player.segments.turn - player.segments.segments_queued
    for turn in range(1, player.segments.turn + 1):
        player.perform(player.segments.fail(turn))
    for _ in range(400):
        player.play(5)
    assert len(player.reports) == player.segments.turn
    assert all(report.interrupted for report in player.reports[over:])


def test_refused_streams_are_reported_in_their_order():
    player = Player()
    player.perform(player.segments.refuse("early"))
    player.perform(player.segments.open("agent"))
    for number in range(MAX_REFUSED + 1):
        player.perform(player.segments.refuse(f"late {number}"))
    player.perform(player.segments.open("agent"))
    assert player.segments.segments_queued == 2
    for turn in (1, 2):
        player.perform(player.segments.receive(turn, bytes(4)))
        player.perform(player.segments.close(turn))
        player.play(5)
    assert player.reports[0] == SegmentFinished("early", 0, interrupted=True)
    assert player.reports[1] == SegmentFinished("agent", 2, interrupted=False)
    assert player.reports[2 + MAX_REFUSED :] == player.reports[1:2]
    assert player.reports[2 : 2 + MAX_REFUSED] == [
        SegmentFinished(f"late {number}", 0, interrupted=True)
        for number in range(MAX_REFUSED)
    ]


def test_bytes_without_a_sample_are_dropped():
    segments = SegmentMachine()
    segments.open("agent")
    assert segments.receive(1, b"") == []


def test_a_disconnect_seals_only_the_segments_of_that_sender():
    segments = SegmentMachine()
    for sender in ("agent", "announcer", "agent"):
        segments.open(sender)
    assert segments.disconnected("agent") == [Seal(1), Seal(3)]
    assert segments.disconnected("agent") == []
    assert segments.reconnected("announcer") == []
    assert segments.reconnected("agent") == [Flush(3)]


def test_a_report_has_three_fields_and_a_position_in_seconds():
    assert json.loads(playback_finished(40320, interrupted=True)) == {
        "playback_position": 1.68,
        "interrupted": True,
        "synchronized_transcript": None,
    }


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"sample_rate": "24000", "num_channels": "1"}, AudioFormat(24000, 1)),
        ({"sample_rate": "24000.0", "num_channels": "2.0"}, AudioFormat(24000, 2)),
        ({"sample_rate": "48000", "num_channels": "2"}, AudioFormat(48000, 2)),
        ({"sample_rate": "22050"}, AudioFormat(22050, 1)),
        ({}, AudioFormat(16000, 1)),
    ],
)
def test_a_header_gives_the_audio_format(attributes, expected):
    assert read_format(attributes) == expected


@pytest.mark.parametrize(
    ("attributes", "field"),
    [
        ({"sample_rate": "fast"}, "sample_rate"),
        ({"sample_rate": "24000.5"}, "sample_rate"),
        ({"sample_rate": "\u0662\u0664\u0660\u0660\u0660"}, "sample_rate"),
        ({"sample_rate": "-24000"}, "sample_rate"),
        ({"sample_rate": "7999"}, "sample_rate"),
        ({"sample_rate": "9" * 5000}, "sample_rate"),
        ({"num_channels": "6"}, "num_channels"),
    ],
)
def test_a_bad_header_is_refused_and_the_error_names_the_field(attributes, field):
    with pytest.raises(BadMessage, match=field):
        read_format(attributes)


@given(st.dictionaries(st.sampled_from(["sample_rate", "num_channels"]), st.text()))
def test_no_header_crashes_the_reader(attributes):
    try:
        read_format(attributes)
    except BadMessage as refused:
        assert str(refused)


@pytest.mark.parametrize(
    ("agent", "user", "pose"),
    [
        ("", "", "idle"),
        ("initializing", "", "idle"),
        ("listening", "listening", "listening"),
        ("listening", "away", "idle"),
        ("thinking", "listening", "thinking"),
        ("thinking", "speaking", "listening"),
        ("speaking", "listening", "idle"),
        ("idle", "speaking", "listening"),
        ("anything else", "else", "idle"),
    ],
)
def test_the_states_of_agent_and_user_give_the_pose(agent, user, pose):
    assert ConversationState(agent, user).pose == pose
