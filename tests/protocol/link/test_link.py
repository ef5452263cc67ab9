"""Frames and messages between the gateway and its agent process."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.link import messages
from protocol.link.frames import MAX_PAYLOAD, BrokenFrame, Frame, FrameReader, pack
from protocol.link.messages import (
    Begin,
    Happened,
    LinkMessage,
    StageTimes,
    TurnAudioPiece,
    from_frame,
    to_frame,
)
from protocol.link.settings import ConversationSettings, Endpoint
from protocol.phones.phone_list import TimedPhone

NUMBERS = st.integers(0, 2**32 - 1)
FRAMES = st.builds(Frame, st.integers(0, 255), NUMBERS, NUMBERS, st.binary())
PHONES = st.builds(
    *(TimedPhone, st.sampled_from(["P", "AA"]), st.floats(0, 9), st.floats(0, 9)),
    stress=st.sampled_from([None, 0, 1]),
)
SETTINGS = ConversationSettings(
    session_id="s1",
    room_url="ws://127.0.0.1:7880",
    room_token="token-of-the-room",
    avatar_identity="heygen",
    mode="FULL",
    instructions="be brief",
    llm=Endpoint("https://api.example.com/v1", "small", "key-of-the-model"),
    allowed_hosts=("10.0.0.0/8",),
)


@given(st.lists(FRAMES, max_size=8), st.integers(1, 64))
def test_pieces_of_any_size_give_the_same_frames(frames, size):
    stream, reader = b"".join(map(pack, frames)), FrameReader()
    pieces = [stream[i : i + size] for i in range(0, len(stream), size)]
    assert [frame for piece in pieces for frame in reader.feed(piece)] == frames


def test_a_payload_that_is_too_long_is_neither_packed_nor_read():
    with pytest.raises(BrokenFrame, match="at most 1048576"):
        pack(Frame(1, payload=bytes(MAX_PAYLOAD + 1)))
    header = (MAX_PAYLOAD + 1).to_bytes(4, "big") + bytes(9)
    with pytest.raises(BrokenFrame, match="announces"):
        list(FrameReader().feed(header))


def values_of(kind: type) -> st.SearchStrategy:
    by_type = {
        int: NUMBERS,
        str: st.text(max_size=9),
        bool: st.booleans(),
        float: st.floats(0, 1e6),
        bytes: st.binary(),
        str | None: st.none() | st.text(max_size=9),
        dict[str, float]: st.dictionaries(st.text(max_size=5), st.floats(0, 1e6)),
        ConversationSettings: st.just(SETTINGS),
        tuple[TimedPhone, ...]: st.lists(PHONES, max_size=4).map(tuple),
    }
    return st.builds(
        kind, **{f.name: by_type[f.type] for f in dataclasses.fields(kind)}
    )


@given(st.one_of(*map(values_of, LinkMessage.__args__)))
def test_each_message_comes_back_from_its_frame(message):
    assert from_frame(*FrameReader().feed(pack(to_frame(message)))) == message


@given(st.integers(0, 40), st.binary(max_size=60))
def test_a_payload_of_any_bytes_is_a_message_or_a_broken_frame(kind, payload):
    try:
        from_frame(Frame(kind, 1, 1, payload))
    except BrokenFrame as error:
        assert str(error) == f"a frame of kind {kind} cannot be read"


def test_no_representation_has_a_secret_or_audio():
    begin = Begin(1, SETTINGS)
    for text in (repr(begin), repr(to_frame(begin)), repr(TurnAudioPiece(1, 1, b"ab"))):
        assert "key-of" not in text
        assert "token-of" not in text
        assert "ab" not in text.removeprefix("TurnAudioPiece")


def test_events_and_moments_are_named_once():
    names = (*messages.EVENTS, *messages.MOMENTS, *messages.COMMANDS)
    assert len(set(names)) == len(names)
    assert Happened(1, "user.transcription").source_event_id is None
    assert StageTimes(1, 1, {}).moments == {}
