"""Tests of the wire contract. PROTOCOL.md and the clients use the same files."""

import itertools
import json
from pathlib import Path

import orjson
import pytest

from protocol.errors import ProtocolError
from protocol.lite.codec import decode, encode, encode_command
from protocol.lite.machine import Machine, Send
from protocol.lite.messages import EndReason
from protocol.turns import Flush

VECTORS = Path(__file__).parent.parent / "vectors"
CONVERSATIONS = sorted(VECTORS.glob("[0-9]*.json"))
BAD_INPUT = json.loads((VECTORS / "bad-input.json").read_text())


def advance(machine: Machine, step: dict, flush: Flush | None):
    """Apply one step of the client or of playout, and return the effects."""
    match step:
        case {"client": message}:
            return machine.receive(decode(json.dumps(message)))
        case {"end": {"reason": reason, "text": text, "played_s": heard_s}}:
            return machine.stopped(EndReason(reason), text, heard_s)
        case {"playout": {"flushed": turn, "played_s": heard_s}}:
            assert flush is not None
            assert flush.turn == turn
            return machine.flushed(flush, heard_s)
        case {"playout": report}:
            return reported(machine, report)
    raise AssertionError(f"unknown step: {step}")


def reported(machine: Machine, report: dict):
    """Apply one report of playout, and return the effects."""
    match report:
        case {"started": turn}:
            return machine.started(turn)
        case {"finished": turn}:
            return machine.finished(turn)
        case {"starved": turn}:
            return machine.long_underrun(turn)
        case {"gaps": turn, "count": n, "audio_s": late_s, "server_s": own_s}:
            return machine.gaps(turn, n, late_s, own_s)
        case {"reduced_frame_rate": reduced}:
            return machine.frame_rate_changed(reduced=reduced)
        case {"late_phones": turn, "count": n}:
            return machine.late_phones(turn, n)
        case {"expired": turn}:
            return machine.missing_end(turn)
    raise AssertionError(f"unknown report: {report}")


@pytest.mark.parametrize("path", CONVERSATIONS, ids=lambda path: path.stem)
def test_the_server_sends_the_events_of_the_vector(path):
    counter = itertools.count(1)
    machine = Machine(new_id=lambda: f"id-{next(counter)}")
    sent, expected, flush = [], [], None
    for step in json.loads(path.read_text())["steps"]:
        if "server" in step:
            expected.append(step["server"])
            continue
        assert sent == expected
        for effect in advance(machine, step, flush):
            match effect:
                case Send(event):
                    sent.append(orjson.loads(encode(event)))
                case Flush():
                    flush = effect
    assert sent == expected


@pytest.mark.parametrize("path", CONVERSATIONS, ids=lambda path: path.stem)
def test_the_reference_client_sends_the_commands_of_the_vector(path):
    for step in json.loads(path.read_text())["steps"]:
        command = step.get("client")
        if command is None or command["type"] in ("start", "agent.speak_started"):
            continue
        encoded = json.loads(encode_command(decode(json.dumps(command))))
        assert encoded == {
            name: value for name, value in command.items() if value is not None
        }


@pytest.mark.parametrize("case", BAD_INPUT, ids=lambda case: case["what"])
def test_bad_input_is_refused_with_the_reason(case):
    with pytest.raises(ProtocolError) as refused:
        decode(case["wire"])
    assert case["error"] in str(refused.value)
