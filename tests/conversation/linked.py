"""Stand-in for the gateway at the other end of a conversation's link."""

import asyncio
from collections.abc import Iterator

from livekit import rtc

from conversation.agent.heard_text import SAMPLE_RATE
from protocol.link.messages import (
    Clear,
    OpenTurn,
    SealTurn,
    SpeechFinished,
    ToAgent,
    ToGateway,
    TurnAudioPiece,
    from_frame,
    to_frame,
)


class RecordingLink:
    """Link that keeps what the conversation sends, as the gateway would read it."""

    number = 7

    def __init__(self) -> None:
        self.sent: list[ToGateway] = []
        self.messages_in: asyncio.Queue[ToAgent] = asyncio.Queue()

    def send(self, message: ToGateway) -> None:
        self.sent.append(from_frame(to_frame(message)))

    async def drain(self) -> None:
        await asyncio.sleep(0)

    async def messages(self):
        while True:
            yield await self.messages_in.get()

    def of(self, kind: type) -> list:
        return [message for message in self.sent if isinstance(message, kind)]

    def texts(self, event: str) -> list[str]:
        return [m.text for m in self.sent if getattr(m, "event", None) == event]

    def pcm(self, turn: int) -> bytes:
        pieces = (m for m in self.of(TurnAudioPiece) if m.turn == turn)
        return b"".join(piece.pcm for piece in pieces)

    def open_turns(self) -> Iterator[OpenTurn]:
        """Yield the turns that are open and were not sealed."""
        sealed = {seal.turn for seal in self.of(SealTurn)}
        return (turn for turn in self.of(OpenTurn) if turn.turn not in sealed)

    @property
    def cleared(self) -> bool:
        return bool(self.of(Clear))


def frame(seconds: float, value: int = 0) -> rtc.AudioFrame:
    samples = round(seconds * SAMPLE_RATE)
    pcm = value.to_bytes(2, "little", signed=True) * samples
    return rtc.AudioFrame(pcm, SAMPLE_RATE, 1, samples)


def finished(turn: int, seconds: float, *, interrupted: bool = False) -> SpeechFinished:
    samples = round(seconds * SAMPLE_RATE)
    return SpeechFinished(RecordingLink.number, turn, samples, interrupted)
