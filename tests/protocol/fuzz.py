"""
Fuzzing of the protocol: mutated messages through codec and machines.

Whatever a client or a sender sends, decoding raises nothing but `ProtocolError`, each
turn that is opened is over exactly once, in order, and nothing grows without bound.

Usage: python -m tests.protocol.fuzz [MESSAGES [SEED]]
"""

import base64
import contextlib
import json
import random
import resource
import sys
import time
from collections import deque
from collections.abc import Iterator

from lite_gateway.sessions.lite_input import MAX_TURNS
from protocol.datastream.machine import SegmentFinished, SegmentMachine
from protocol.datastream.names import read_format
from protocol.errors import BadMessage, ProtocolError
from protocol.lite.codec import COMMANDS, decode, encode
from protocol.lite.machine import Machine, Send
from protocol.lite.messages import (
    MAX_PCM_BYTES,
    ClientMessage,
    EndReason,
    Speak,
    SpeakEnd,
    SpeakEnded,
    SpeakInterrupted,
    SpeakStarted,
)
from protocol.turns import Append, Flush, Open, Seal
from tests.protocol.channel_fuzz import ChannelFuzz
from tests.protocol.mutations import IDS, MAX_ERROR_CHARS, VALUES, Tally, damaged

_MESSAGES_PER_SESSION = 2000
_BYTES = (b"", b"\x01", b"\x00\x01" * 40, b"RIFF\x00\x00", b"OggS", bytes(960))
_REPORTS = ("started", "finished", "long_underrun", "missing_end", "gaps")


def messages(rng: random.Random, count: int) -> Iterator[str | bytes]:
    """Yield frames of clients, most of them damaged in one place."""
    for _ in range(count):
        fields = _fields(rng)
        if rng.random() < 0.3:
            fields[rng.choice(["type", "audio", "event_id", "emotion", "x"])] = (
                rng.choice(VALUES)
            )
        wire = json.dumps(fields)
        yield damaged(rng, wire) if rng.random() < 0.3 else wire


def _fields(rng: random.Random) -> dict:
    kind = rng.choice([*COMMANDS, "agent.speak", "agent.speak", "start"])
    fields: dict = {"type": kind}
    if kind == "agent.speak" or rng.random() < 0.1:
        fields["audio"] = _audio(rng)
    if (event_id := rng.choice(IDS)) is not None:
        fields["event_id"] = event_id
    if rng.random() < 0.1:
        fields["emotion"] = rng.choice(["happy", "smug", ""])
    return fields


def _audio(rng: random.Random) -> str:
    pcm = rng.choice(_BYTES)
    match rng.randrange(6):
        case 0:
            return base64.encodebytes(pcm).decode()
        case 1:
            return base64.urlsafe_b64encode(pcm).decode().rstrip("=")
        case 2:
            return "data:audio/pcm;base64," + base64.b64encode(pcm).decode()
    return base64.b64encode(pcm).decode()


class LiteFuzz:
    """A LITE machine with the smallest playout, checked at each step."""

    def __init__(self, rng: random.Random, tally: Tally) -> None:
        self._rng = rng
        self._counts = tally.counts
        self._machine = Machine()
        self._waiting: deque[int] = deque()  # turns
        self._sealed: set[int] = set()
        self._begun = self._ended = self._started = 0
        self._over: set[str] = set()  # task ids

    def take(self, frame: str | bytes) -> None:
        """Let the machine read one frame."""
        self._counts["messages"] += 1
        try:
            message = decode(frame)
        except ProtocolError as refused:
            assert len(str(refused)) <= MAX_ERROR_CHARS
            self._counts["refused"] += 1
            return
        if self._is_too_much(message):
            self._counts["over the limit"] += 1
            return
        self._perform(self._machine.receive(message))

    def _is_too_much(self, message: ClientMessage) -> bool:
        """Apply the limit of turns as `LiteInput` does."""
        if not isinstance(message, Speak | SpeakEnd):
            return False
        assert len(message.audio) <= MAX_PCM_BYTES
        opens_turn = not self._machine.has_open_turn
        return opens_turn and self._machine.turns_queued >= MAX_TURNS

    def report(self) -> None:
        """Let playout report something about the turn in front, or an old one."""
        turn = self._waiting[0] if self._waiting else 0
        name = self._rng.choice(_REPORTS)
        if name == "finished" and turn not in self._sealed:
            return
        if name == "finished":
            self._waiting.popleft()
            self._sealed.discard(turn)
        more = (1, 0.2, 0.1) if name == "gaps" else ()
        self._perform(getattr(self._machine, name)(turn, *more))

    def stop(self) -> None:
        """End the session; each turn must be over, and no event may follow."""
        self._perform(self._machine.stopped(EndReason.USER_CLOSED, "bye", 0.1))
        assert self._ended == self._begun
        assert self._machine.turns_queued == 0
        for frame in messages(self._rng, 10):
            with contextlib.suppress(ProtocolError):
                assert self._machine.receive(decode(frame)) == []

    def _perform(self, effects: list) -> None:
        for effect in effects:
            match effect:
                case Open(turn) | Append(turn):
                    if turn > self._begun:
                        self._begun = turn
                        self._waiting.append(turn)
                    assert turn not in self._sealed
                case Seal(turn):
                    self._sealed.add(turn)
                case Flush(upto):
                    while self._waiting and self._waiting[0] <= upto:
                        self._sealed.discard(self._waiting.popleft())
                    self._perform(self._machine.flushed(effect, 0.25))
                case Send(event):
                    encode(event)
                    self._note(event)
        assert self._machine.turns_queued <= MAX_TURNS

    def _note(self, event: object) -> None:
        if isinstance(event, SpeakStarted):
            self._counts["turns started"] += 1
            assert event.task not in self._over
        if isinstance(event, SpeakEnded | SpeakInterrupted):
            self._counts["turns over"] += 1
            self._ended += 1
            assert event.task not in self._over
            self._over.add(event.task)


class SegmentFuzz:
    """A segment machine with the smallest playout, checked at each step."""

    def __init__(self, rng: random.Random, tally: Tally) -> None:
        self._rng = rng
        self._counts = tally.counts
        self._machine = SegmentMachine()
        self._waiting: deque[int] = deque()
        self._sealed: set[int] = set()
        self._opened: deque[str] = deque()  # senders whose report has not come

    def step(self) -> None:
        """Let a sender or playout do something."""
        rng, machine = self._rng, self._machine
        self._counts["stream steps"] += 1
        turn = machine.turn - rng.randrange(4)
        sender = rng.choice(["agent", "announcer"])
        match rng.randrange(10):
            case 0 if machine.segments_queued < MAX_TURNS:
                self._open(sender)
            case 1 | 2:
                self._perform(machine.receive(turn, rng.choice(_BYTES)))
            case 3 | 4:
                self._perform(machine.close(turn))
            case 5:
                self._perform(machine.fail(turn))
            case 6 if rng.random() < 0.1:
                self._perform(machine.clear())
            case 7 if rng.random() < 0.1:
                self._perform(machine.disconnected(sender))
            case 8 if rng.random() < 0.1:
                self._perform(machine.reconnected(sender))
            case _:
                self._play()

    def _open(self, sender: str) -> None:
        attributes = {
            name: str(self._rng.choice([*VALUES, 24000, "48000.0", 2, "1"]))
            for name in ("sample_rate", "num_channels")
        }
        effects = self._machine.open(sender)
        self._opened.append(sender)
        try:
            read_format(attributes)
        except BadMessage as refused:
            assert len(str(refused)) <= MAX_ERROR_CHARS
            effects += self._machine.fail(self._machine.turn)
        self._perform(effects)

    def _play(self) -> None:
        turn = self._waiting[0] if self._waiting else 0
        if turn in self._sealed:
            self._waiting.popleft()
            self._sealed.discard(turn)
            self._perform(self._machine.finished(turn))
        else:
            self._perform(self._machine.started(turn))

    def stop(self) -> None:
        """Cut all; each stream must have its report."""
        self._perform(self._machine.clear())
        assert not self._opened
        assert self._machine.segments_queued == 0

    def _perform(self, effects: list) -> None:
        for effect in effects:
            match effect:
                case Open(turn):
                    self._waiting.append(turn)
                case Append(turn):
                    assert turn not in self._sealed
                case Seal(turn):
                    self._sealed.add(turn)
                case Flush(upto):
                    while self._waiting and self._waiting[0] <= upto:
                        self._sealed.discard(self._waiting.popleft())
                    self._perform(self._machine.flushed(effect, 5))
                case SegmentFinished(sender):
                    self._counts["streams reported"] += 1
                    assert sender == self._opened.popleft()


def fuzz(count: int, seed: int) -> Tally:
    """Send ``count`` messages, and make as many steps of streams and data channels."""
    rng, tally = random.Random(seed), Tally()
    while count > 0:
        session, segments = LiteFuzz(rng, tally), SegmentFuzz(rng, tally)
        channel = ChannelFuzz(rng, tally)
        for frame in messages(rng, min(count, _MESSAGES_PER_SESSION)):
            session.take(frame)
            if rng.random() < 0.4:
                session.report()
            segments.step()
            channel.step()
        session.stop()
        segments.stop()
        channel.stop()
        count -= _MESSAGES_PER_SESSION
    return tally


def main() -> None:
    """Run as the command line asks, and print counts, time and memory."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 32)
    print(f"seed {seed}", flush=True)
    fuzz(min(count, 10_000), seed + 1)  # warms caches up, for the figure of memory
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began_s = time.monotonic()
    tally = fuzz(count, seed)
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb) / 1024
    print(f"{tally}; {time.monotonic() - began_s:.0f} s, memory {grown_mb:+.1f} MB")


if __name__ == "__main__":
    main()
