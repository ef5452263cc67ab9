"""Tests of the data channel's codec: no packet breaks it."""

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import BadMessage
from protocol.full.codec import decode_command
from protocol.full.messages import (
    MAX_COMMAND_BYTES,
    MAX_TEXT_BYTES,
    ChannelCommand,
    CommandKind,
)

MAX_ERROR_CHARS = 1000
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
_commands = st.fixed_dictionaries(
    {},
    optional={
        "event_type": st.sampled_from([*CommandKind, "session.update"]) | _values,
        "event_id": _values,
        "text": _values,
    },
)


def check(packet: bytes) -> None:
    try:
        command = decode_command(packet)
    except BadMessage as refused:
        assert 0 < len(str(refused)) <= MAX_ERROR_CHARS
    else:
        assert isinstance(command, ChannelCommand)
        assert "\x00" not in command.text


@given(st.binary())
def test_any_bytes_are_a_command_or_refused(packet):
    check(packet)


@given(_commands)
def test_any_values_are_a_command_or_refused(fields):
    check(json.dumps(fields).encode())


@pytest.mark.parametrize("depth", [1000, MAX_COMMAND_BYTES - 10])
def test_deep_json_is_refused(depth):
    check(b"[" * depth)


@pytest.mark.parametrize(
    ("event_id", "expected"),
    [("u1", "u1"), ("", ""), (7, "7"), (1.5, "1.5"), (None, None)],
)
def test_ids_may_be_strings_or_numbers(event_id, expected):
    packet = orjson.dumps({"event_type": "avatar.interrupt", "event_id": event_id})
    assert decode_command(packet) == ChannelCommand(CommandKind.INTERRUPT, expected)


def test_a_command_without_an_id_has_none():
    packet = b'{"event_type": "user.start_push_to_talk"}'
    assert decode_command(packet).event_id is None


def test_the_longest_text_is_taken_also_with_each_byte_escaped():
    text = "x" * MAX_TEXT_BYTES
    escaped = "".join(f"\\u{ord(char):04x}" for char in text)
    packet = f'{{"event_type": "avatar.speak_text", "text": "{escaped}"}}'
    assert decode_command(packet.encode()).text == text


def test_a_packet_over_the_limit_is_not_read():
    with pytest.raises(BadMessage, match="was not read"):
        decode_command(b" " * (MAX_COMMAND_BYTES + 1))


def test_text_keeps_lines_and_loses_control_characters():
    packet = orjson.dumps(
        {"event_type": "avatar.speak_text", "text": " one\n\ttwo\x00\x07three\r\n"}
    )
    assert decode_command(packet).text == "one\n\ttwo three"
