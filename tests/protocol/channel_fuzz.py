"""Fuzzer of the data channel's codec and machine; `tests.protocol.fuzz` runs it."""

import json
import random

from protocol.errors import ProtocolError
from protocol.full.codec import decode_command, encode_event
from protocol.full.effects import CutSpeech, SendEvent, TellAgent
from protocol.full.machine import ChannelMachine
from protocol.full.messages import (
    MAX_EVENT_BYTES,
    NOT_OFFERED,
    CommandKind,
    EventKind,
)
from protocol.link.messages import EVENTS, Happened
from protocol.lite.messages import EndReason
from tests.protocol.mutations import IDS, MAX_ERROR_CHARS, VALUES, Tally, damaged


class ChannelFuzz:
    """A machine of the data channel with the smallest agent and playout."""

    def __init__(self, rng: random.Random, tally: Tally) -> None:
        self._rng = rng
        self._counts = tally.counts
        self._machine = ChannelMachine(push_to_talk=rng.random() < 0.5)
        self._turn = 0  # newest one
        self._keys: list[str | None] = [None]
        self._speaking = {"user": False, "avatar": False}
        self._stopped = False

    def step(self) -> None:
        """Let a client, the agent or playout do something."""
        rng, machine = self._rng, self._machine
        self._counts["channel steps"] += 1
        turn = max(0, self._turn - rng.randrange(4))
        match rng.randrange(8):
            case 0 | 1 | 2:
                self._take(self._packet())
            case 3:
                self._turn += 1
                machine.opened(self._turn, rng.choice(self._keys))
            case 4:
                self._perform(machine.started(turn))
            case 5:
                self._perform(machine.finished(turn))
            case _:
                self._perform(machine.happened(self._report(turn)))

    def _report(self, turn: int) -> Happened:
        text, key = str(self._rng.choice(["", "Hi", "é" * 9000])), self._rng.choice
        return Happened(1, self._rng.choice(EVENTS), text, "tts", turn, key(self._keys))

    def _packet(self) -> bytes:
        rng = self._rng
        fields = {
            "event_type": rng.choice([*CommandKind, *NOT_OFFERED]),
            "event_id": rng.choice(IDS),
            "text": rng.choice(["Hi", "\x00 ", "é" * 7000]),
        }
        if rng.random() < 0.3:
            fields[rng.choice([*fields, "x"])] = rng.choice(VALUES)
        wire = json.dumps(fields)
        packet = damaged(rng, wire) if rng.random() < 0.3 else wire
        if isinstance(packet, str):
            return packet.encode("utf-8", "surrogatepass")
        return packet

    def _take(self, packet: bytes) -> None:
        try:
            command = decode_command(packet)
        except ProtocolError as refused:
            assert len(str(refused)) <= MAX_ERROR_CHARS
            self._counts["channel refused"] += 1
            self._perform(self._machine.refuse(refused))
        else:
            self._perform(self._machine.receive(command))

    def stop(self) -> None:
        """End the session; no speech may be left, and no event may follow."""
        self._perform(self._machine.stopped(EndReason.USER_CLOSED, "bye"))
        assert self._stopped
        assert not any(self._speaking.values())
        for _ in range(10):
            self.step()

    def _perform(self, effects: list) -> None:
        for effect in effects:
            match effect:
                case CutSpeech():
                    self._perform(self._machine.finished(self._turn))
                case TellAgent(_, _, key):
                    self._keys = [*self._keys[-10:], key]
                case SendEvent(event):
                    assert not self._stopped
                    assert len(encode_event(event, "s" * 36)) <= MAX_EVENT_BYTES
                    self._note(event.kind)

    def _note(self, kind: EventKind) -> None:
        speaker, _, change = kind.partition(".speak_")
        if change:
            self._counts[f"{speaker} speech"] += change == "started"
            assert self._speaking[speaker] == (change == "ended")
            self._speaking[speaker] = change == "started"
        self._stopped = kind is EventKind.SESSION_STOPPED
