"""Tests of the LITE codec: what clients encode, what servers refuse, fuzzing."""

import base64
import json
import re
import struct
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import BadMessage, ProtocolError, TooMuchAudio
from protocol.lite.codec import command_type, decode, encode, encode_command
from protocol.lite.messages import (
    MAX_FRAME_CHARS,
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
def test_the_server_decodes_what_a_client_encodes(message):
    assert decode(encode_command(message)) == message


@pytest.mark.parametrize("kind", ["start", "agent.speak_started"])
def test_a_tolerated_message_keeps_its_type(kind):
    assert command_type(decode(json.dumps({"type": kind}))) == kind


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
def test_base64_without_padding_is_decoded(pcm):
    audio = base64.b64encode(pcm).decode().rstrip("=")
    assert decode(json.dumps({"type": "agent.speak", "audio": audio})) == Speak(pcm)


PCM = bytes(range(256)) * 3
STANDARD = base64.b64encode(PCM).decode()


@pytest.mark.parametrize(
    "audio",
    [
        STANDARD + "\n",
        base64.encodebytes(PCM).decode(),
        STANDARD.replace("z", "z\r\n\t "),
        *(STANDARD + "====", STANDARD + "======="),
        base64.urlsafe_b64encode(PCM).decode(),
        base64.urlsafe_b64encode(PCM).decode().rstrip("="),
        "data:audio/pcm;base64," + STANDARD,
        "data:audio/L16;rate=24000;channels=1;base64," + STANDARD,
        "DATA:;base64,\n" + base64.encodebytes(PCM).decode(),
    ],
)
def test_base64_is_read_as_tools_write_it(audio):
    assert decode(json.dumps({"type": "agent.speak", "audio": audio})) == Speak(PCM)


@pytest.mark.parametrize(
    ("audio", "reason"),
    [
        ("data:audio/wav;base64," + STANDARD, "data URL of 'audio/wav;base64'"),
        ("data:audio/pcm;rate=16000;base64," + STANDARD, "24000 Hz"),
        ("data:audio/pcm," + STANDARD, "';base64,'"),
        ("data:" + STANDARD, "';base64,'"),
        ("AAAA\u00a0", "not ASCII"),
        ("AAAA=AAAA", "not base64"),
        ("AAAAA", "not base64"),
    ],
)
def test_other_text_is_refused_with_the_reason(audio, reason):
    with pytest.raises(BadMessage, match=reason):
        decode(json.dumps({"type": "agent.speak", "audio": audio}))


def test_a_mebibyte_with_line_breaks_is_decoded_and_more_is_refused():
    def wire(size: int) -> str:
        text = base64.encodebytes(bytes(size)).decode().replace("\n", "\r\n")
        return json.dumps({"type": "agent.speak", "audio": text})

    assert len(decode(wire(MAX_PCM_BYTES)).audio) == MAX_PCM_BYTES
    with pytest.raises(TooMuchAudio, match="1048577"):
        decode(wire(MAX_PCM_BYTES + 1))


LARGE = 1 << 17  # characters: the audio of larger frames is cut out before the parse


def outcome(wire: str) -> tuple[object, ...]:
    try:
        return (decode(wire),)
    except ProtocolError as refused:
        return type(refused), str(refused), refused.event_id


@pytest.mark.parametrize(
    "wire",
    [
        '{"type": "agent.speak", "audio": "AUDIO"}',
        '{"audio": "AUDIO=", "type": "agent.speak", "event_id": "u1"}',
        '{"type": "agent.speak", "event_id": 7, "audio":\t"AUDIO", "emotion": "happy"}',
        '{"type": "agent.speak", "audio": "AUDIO", "phones": [["a", 0.0, 0.1]]}',
        '{"type": "agent.speak_end", "audio": "AUDIO"}',
        '{"type": "agent.interrupt", "audio": "AUDIO"}',
        '{"type": "agent.unknown", "audio": "AUDIO", "event_id": "u1"}',
        '{"type": "agent.speak", "audio": "AUDIO", "emotion": 3, "event_id": "u1"}',
        '{"type": "agent.speak", "audio": "AUDIO", "event_id": "\\u0041"}',
        '{"type": "agent.speak", "audio": "AUDIO", "audio": ""}',
        '{"type": "agent.speak", "audio": "AAAA", "audio": "AUDIO"}',
        '{"type": "agent.speak", "audio": "AUDIO", "audi\\u006f": ""}',
        '{"type": "agent.speak", "audi\\u006f": "AUDIO"}',
        '{"type": "agent.speak", "x": {"audio": "AUDIO"}}',
        '{"type": "agent.speak", "x": {"audio": "AUDIO"}, "audio": ""}',
        '{"type": "agent.speak", "x": "\\"audio\\": \\"AUDIO\\"", "audio": ""}',
        '{"type": "audio", "x": "AUDIO", "audio": ""}',
        '{"type": "agent.speak", "audio": null, "x": "AUDIO"}',
        '{"type": "agent.speak", "audio": ["AUDIO"]}',
        '{"type": "agent.speak", "audio": {"x": "AUDIO"}}',
        '{"type": "agent.speak", "audio": 1, "AUDIO": ""}',
        '{"type": "agent.speak", "audio": ""AUDIO""}',
        '{"type": "agent.speak", "audio" "AUDIO"}',
        '{"type": "agent.speak", "audio": "AUDIO" "x": 1}',
        '{"type": "agent.speak", "audio": "AUDIO"}}',
        '{"type": "agent.speak", "audio": "AUDIO',
        '{"type": "agent.speak", "x": "AUDIO"}',
        '["audio", "AUDIO"]',
        '"audio" "AUDIO"',
        '{"type": "agent.speak", "audio": "AUDIOA"}',
        '{"type": "agent.speak", "audio": "AUDIO AAAA"}',
        '{"type": "agent.speak", "audio": "AUDIO\\nAAAA"}',
        '{"type": "agent.speak", "audio": "AUDIO\nAAAA"}',
        '{"type": "agent.speak", "audio": "AUDIO-_"}',
        '{"type": "agent.speak", "audio": "AUDIO!"}',
        '{"type": "agent.speak", "audio": "AUDIO\u00e4"}',
        '{"type": "agent.speak", "audio": "data:audio/pcm;base64,AUDIO"}',
    ],
)
def test_a_large_frame_is_read_as_a_small_one(wire):
    large = wire.replace("AUDIO", "A" * LARGE)
    kind, *reason = outcome(large)
    (small, *small_reason) = outcome(wire.replace("AUDIO", "A" * 4))
    if isinstance(small, Speak | SpeakEnd) and small.audio:
        more = bytes((LARGE - 4) // 4 * 3)
        small = replace(small, audio=more + small.audio)
    assert kind == small
    assert [place_free(it) for it in reason] == [place_free(it) for it in small_reason]


def place_free(reason: str | None) -> str | None:
    """Return a reason without a place in the JSON or in its base64."""
    return reason and re.sub(r"column \d+|char \d+", "", reason)


@given(
    st.lists(
        st.sampled_from(
            [
                *('"audio"', '"type"', '"agent.speak"', "null", "A" * LARGE, "AAAA"),
                *(":", '"', "\\", "{", "}", ",", " ", "[", "]", "="),
            ]
        ),
        max_size=12,
    )
)
def test_no_large_frame_is_read_where_json_is_not(pieces):
    wire = '{"type":"agent.speak",' + "".join(pieces) + "}" + " " * LARGE
    try:
        message = decode(wire)
    except ProtocolError:
        return
    audio = json.loads(wire).get("audio") or ""
    assert message == Speak(base64.b64decode(audio + "=" * (-len(audio) % 4)))


def test_a_frame_that_is_too_long_is_refused_before_it_is_parsed():
    with pytest.raises(TooMuchAudio, match="1048576"):
        decode("{" * (MAX_FRAME_CHARS + 1))


@pytest.mark.parametrize("encoding", [str, str.encode])
def test_a_large_frame_of_many_values_is_refused_before_it_is_parsed(encoding):
    with pytest.raises(BadMessage, match="values"):
        decode(encoding("[" + "{}," * 100_000))


def test_a_mebibyte_of_pcm_is_decoded_and_more_is_refused_with_the_limit():
    largest = encode_command(Speak(bytes(MAX_PCM_BYTES)))
    assert len(decode(largest).audio) == MAX_PCM_BYTES
    more = encode_command(Speak(b"\xff" * (MAX_PCM_BYTES + 8), "big"))
    for wire in (more, more.replace("/", "_"), more.replace("/", " /", 1)):
        with pytest.raises(TooMuchAudio, match="1048576") as refused:
            decode(wire)
        assert refused.value.event_id == "big"


def test_an_error_quotes_only_the_start_of_a_clients_text():
    with pytest.raises(ProtocolError) as refused:
        decode(json.dumps({"type": "x" * 10_000}))
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize("wire_id", ["u-1", 17, None])
def test_an_event_id_may_be_a_string_a_number_or_null(wire_id):
    message = decode(json.dumps({"type": "agent.interrupt", "event_id": wire_id}))
    assert message.event_id == (None if wire_id is None else str(wire_id))


def test_half_a_sample_at_the_end_is_kept():
    pcm = struct.pack("<h", 1) + b"\x02"
    assert decode(encode_command(Speak(pcm))).audio == pcm


def test_session_stopped_has_the_reason_under_both_field_names():
    fields = json.loads(encode(SessionStopped(EndReason.IDLE_TIMEOUT, "quiet")))
    assert fields["end_reason"] == fields["stop_reason"] == "IDLE_TIMEOUT"
