import base64
import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import ProtocolError, TooMuchAudio
from protocol.lite.codec import decode, encode, encode_command
from protocol.lite.messages import (
    MAX_PCM_BYTES,
    EndReason,
    Interrupt,
    KeepAlive,
    SessionStopped,
    Speak,
    SpeakEnd,
    StartListening,
    StopListening,
    Tolerated,
)

ids = st.none() | st.text(min_size=1, max_size=40)
commands = st.one_of(
    st.builds(Speak, st.binary(max_size=5000), ids),
    st.builds(SpeakEnd, ids, st.binary(max_size=50)),
    st.builds(Interrupt, ids),
    st.builds(StartListening, ids),
    st.builds(StopListening, ids),
    st.builds(KeepAlive, ids),
    st.builds(Tolerated, st.just("start"), ids),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(commands)
def test_what_a_client_encodes_the_server_reads(message):
    assert decode(encode_command(message)) == message


@given(st.binary(max_size=300) | st.text(max_size=300))
def test_no_bytes_crash_the_codec(wire):
    try:
        decode(wire)
    except ProtocolError as refused:
        assert len(str(refused)) < 500


@given(
    st.sampled_from(["agent.speak", "agent.speak_end", "agent.interrupt", "start"]),
    st.dictionaries(st.sampled_from(["audio", "event_id", "x"]), json_values),
)
def test_no_field_crashes_the_codec(kind, fields):
    try:
        decode(json.dumps({"type": kind, **fields}))
    except ProtocolError as refused:
        assert str(refused)


@given(st.binary(max_size=100))
def test_base64_without_padding_is_read(pcm):
    audio = base64.b64encode(pcm).decode().rstrip("=")
    assert decode(json.dumps({"type": "agent.speak", "audio": audio})) == Speak(pcm)


def test_a_mebibyte_of_pcm_is_read_and_more_is_refused_with_the_limit():
    most = encode_command(Speak(bytes(MAX_PCM_BYTES)))
    assert len(decode(most).audio) == MAX_PCM_BYTES
    with pytest.raises(TooMuchAudio, match="1048576") as refused:
        decode(encode_command(Speak(bytes(MAX_PCM_BYTES + 8), "big")))
    assert refused.value.event_id == "big"


def test_an_error_never_repeats_a_clients_text_at_length():
    with pytest.raises(ProtocolError) as refused:
        decode(json.dumps({"type": "x" * 10_000}))
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize("given_id", ["u-1", 17, None])
def test_an_event_id_may_be_a_string_a_number_or_null(given_id):
    read = decode(json.dumps({"type": "agent.interrupt", "event_id": given_id}))
    assert read.event_id == (None if given_id is None else str(given_id))


def test_half_a_sample_is_passed_on_as_it_came():
    pcm = struct.pack("<h", 1) + b"\x02"
    assert decode(encode_command(Speak(pcm))).audio == pcm


def test_the_end_is_told_in_both_spellings():
    told = json.loads(encode(SessionStopped(EndReason.IDLE_TIMEOUT, "quiet")))
    assert told["end_reason"] == told["stop_reason"] == "IDLE_TIMEOUT"
