"""The wire contract: the same files feed these tests, PROTOCOL.md and clients."""

import itertools
import json
from pathlib import Path

import orjson
import pytest

from protocol.errors import ProtocolError
from protocol.lite.codec import decode, encode, encode_command
from protocol.lite.machine import Flush, Machine, Send
from protocol.lite.messages import EndReason

VECTORS = Path(__file__).parent.parent / "vectors"
TALKS = sorted(VECTORS.glob("[0-9]*.json"))
BAD = json.loads((VECTORS / "bad-input.json").read_text())


def advance(machine: Machine, step: dict, flush: Flush | None):
    """Apply one step that is not the server's."""
    match step:
        case {"client": message}:
            return machine.receive(decode(json.dumps(message)))
        case {"end": {"reason": reason, "text": text, "played_s": played_s}}:
            return machine.stopped(EndReason(reason), text, played_s)
        case {"playout": {"flushed": turn, "played_s": played_s}}:
            assert flush is not None
            assert flush.turn == turn
            return machine.flushed(flush, played_s)
        case {"playout": news}:
            [(what, turn)] = news.items()
            return getattr(machine, what)(turn)


@pytest.mark.parametrize("path", TALKS, ids=lambda path: path.stem)
def test_the_server_says_what_the_vector_says(path):
    counted = itertools.count(1)
    machine = Machine(new_id=lambda: f"id-{next(counted)}")
    said, expected, flush = [], [], None
    for step in json.loads(path.read_text())["steps"]:
        if "server" in step:
            expected.append(step["server"])
            continue
        assert said == expected
        for effect in advance(machine, step, flush):
            match effect:
                case Send(event):
                    said.append(orjson.loads(encode(event)))
                case Flush():
                    flush = effect
    assert said == expected


@pytest.mark.parametrize("path", TALKS, ids=lambda path: path.stem)
def test_the_reference_client_says_what_the_vector_says(path):
    for step in json.loads(path.read_text())["steps"]:
        said = step.get("client")
        if said is None or said["type"] in ("start", "agent.speak_started"):
            continue
        again = json.loads(encode_command(decode(json.dumps(said))))
        assert again == {
            name: value for name, value in said.items() if value is not None
        }


@pytest.mark.parametrize("case", BAD, ids=lambda case: case["what"])
def test_bad_input_is_refused_with_what_was_wrong(case):
    with pytest.raises(ProtocolError) as refused:
        decode(case["wire"])
    assert case["error"] in str(refused.value)
