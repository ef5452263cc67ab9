"""Playout with the record of what its listener heard, and of its holds."""

import contextlib

from lite_gateway.playout.schedule import HeldTurn
from protocol.lite.messages import SAMPLE_RATE
from tests.fakes import SentAudio
from tests.playout.fixtures import PlayoutFixture


class Listener:
    """Playout with the record of what its listener heard and when it was held."""

    def __init__(self, **options) -> None:
        self.events: list = []
        self.spans: list[list[float]] = []  # [held, released]
        self.s = PlayoutFixture(trace=self.events.append, **options)

    @property
    def fades(self) -> list[SentAudio]:
        return self.s.room.fades

    @property
    def heard(self) -> bytes:
        """Speech that was heard, without fades."""
        return b"".join(
            sent.pcm
            for sent in self.s.room.audio
            if any(sent.pcm) and not any(sent is fade for fade in self.fades)
        )

    def hold(self) -> HeldTurn | None:
        if not self.spans or len(self.spans[-1]) == 2:
            self.spans.append([self.s.loop.time()])
        return self.s.playout.hold()

    def release(self) -> None:
        if self.spans and len(self.spans[-1]) == 1:
            self.spans[-1].append(self.s.loop.time())
        self.s.playout.release()

    def flush(self, turn: int) -> int:
        if self.spans and len(self.spans[-1]) == 1:
            self.spans[-1].append(self.s.loop.time())
        return round(self.s.playout.flush(turn) * SAMPLE_RATE)

    def within(self, at_s: float) -> bool:
        """Return whether playout was held at a time, and had been before it."""
        return any(span[0] < at_s < span[1] for span in self.spans if len(span) == 2)

    def check_silence(self) -> None:
        """Assert that a hold has no speech after its fade, no lips and no report."""
        assert not any(
            any(sent.pcm) for sent in self.s.room.audio if self.within(sent.at_s)
        )
        for at_s, request in self.s.renderer.requests:
            assert not (request.turn and self.within(at_s))
        for kind, _, at_s in self.s.listener.calls:
            assert kind == "started" or not self.within(at_s)


@contextlib.asynccontextmanager
async def listening(**options):
    listener = Listener(**options)
    async with listener.s.running():
        yield listener
