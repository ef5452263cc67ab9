"""Damaged messages and the counts of a run, shared by the fuzzers of the protocols."""

import random
from collections import Counter
from dataclasses import dataclass, field

MAX_ERROR_CHARS = 1000
VALUES = (
    *(None, True, -1, 0, 1.5, 1e308, 2**63, 2**70, "", "\x00", "\ud800", "é" * 50),
    *([], {}, [[]], {"a": {}}, "u1", "happy", "AAAA", "data:;base64,AAAA", "=", "A"),
)
IDS = ("u1", "u2", "u3", 7, None)


def damaged(rng: random.Random, wire: str) -> str | bytes:
    """Return ``wire`` with damage in one place."""
    place = rng.randrange(len(wire))
    match rng.randrange(6):
        case 0:
            return wire[:place]
        case 1:
            return wire[:place] + chr(rng.randrange(0x250)) + wire[place + 1 :]
        case 2:
            return wire[:place] + wire[rng.randrange(len(wire)) :]
        case 3:
            data = bytearray(wire.encode("utf-8", "surrogatepass"))
            data[rng.randrange(len(data))] = rng.randrange(256)
            return bytes(data)
        case 4:
            return "[" * rng.randrange(2000) + wire
    return wire[:place] + rng.choice('"{}[],:\\') + wire[place:]


@dataclass
class Tally:
    """Counts of a run, and the ids of turns as their events told them."""

    counts: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        return ", ".join(f"{name} {count}" for name, count in self.counts.items())
