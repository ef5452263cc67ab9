"""Tests of the data channel's contract. PROTOCOL.md uses the same files."""

import itertools
import json
from pathlib import Path

import orjson
import pytest

from protocol.errors import BadMessage
from protocol.full.codec import decode_command, encode_event
from protocol.full.effects import (
    ChannelEffect,
    CutSpeech,
    SendEvent,
    SetPose,
    StopSession,
    StoreLine,
    TellAgent,
)
from protocol.full.machine import ChannelMachine
from protocol.link.messages import Happened
from protocol.lite.messages import EndReason

VECTORS = Path(__file__).parents[2] / "vectors" / "channel"
CONVERSATIONS = sorted(VECTORS.glob("[0-9]*.json"))
BAD_INPUT = json.loads((VECTORS / "bad-input.json").read_text())


class GatewayOfVectors:
    """A machine, and the effects of each step in the words of the vectors."""

    def __init__(self, *, push_to_talk: bool) -> None:
        counter = itertools.count(1)
        self._machine = ChannelMachine(
            push_to_talk=push_to_talk, new_id=lambda: f"id-{next(counter)}"
        )
        self._opened = 0  # newest turn
        self.done: list[dict] = []

    def take(self, step: dict) -> None:
        """Apply one step."""
        machine = self._machine
        match step:
            case {"client": command}:
                effects = machine.receive(decode_command(orjson.dumps(command)))
            case {"agent": {"open": turn, "key": key}}:
                self._opened = turn
                machine.opened(turn, key)
                effects = []
            case {"agent": {"event": event, **fields}}:
                source = fields.pop("key", None)
                report = Happened(1, event, **fields, source_event_id=source)
                effects = machine.happened(report)
            case {"playout": {"started": turn}}:
                effects = machine.started(turn)
            case {"playout": {"finished": turn}}:
                effects = machine.finished(turn)
            case {"latency": {"turn": turn, "stages": stages}}:
                effects = machine.latency(turn, stages)
            case {"end": {"reason": reason, "text": text}}:
                effects = machine.stopped(EndReason(reason), text)
            case _:
                raise AssertionError(f"unknown step: {step}")
        self._perform(effects)

    def _perform(self, effects: list[ChannelEffect]) -> None:
        for effect in effects:
            match effect:
                case SendEvent(event):
                    packet = encode_event(event, "s1")
                    self.done.append({"server": orjson.loads(packet)})
                case CutSpeech():
                    self._note(cut=True)
                    self._perform(self._machine.finished(self._opened))
                case TellAgent(name, text, key):
                    self._note(tell=name, text=text, key=key)
                case SetPose(listening):
                    self._note(pose="listening" if listening else "idle")
                case StopSession():
                    self._note(stop=True)
                case StoreLine(role, text):
                    self._note(store=role, text=text)

    def _note(self, **effect: object) -> None:
        self.done.append({"gateway": effect})


@pytest.mark.parametrize("path", CONVERSATIONS, ids=lambda path: path.stem)
def test_the_gateway_does_what_the_vector_says(path):
    vector = json.loads(path.read_text())
    gateway = GatewayOfVectors(push_to_talk=vector["push_to_talk"])
    expected = []
    for step in vector["steps"]:
        if "server" in step or "gateway" in step:
            expected.append(step)
            continue
        assert gateway.done == expected
        gateway.take(step)
    assert gateway.done == expected


@pytest.mark.parametrize("case", BAD_INPUT, ids=lambda case: case["what"])
def test_bad_input_is_refused_with_the_reason(case):
    with pytest.raises(BadMessage) as refused:
        decode_command(case["wire"].encode())
    assert case["error"] in str(refused.value)
