"""Sending a turn in bursts or in real time."""

import asyncio
import time
from collections.abc import AsyncIterator

from lite_gateway.client.session import AvatarSession
from protocol.lite.messages import SAMPLE_RATE

BURST_S = 1.0  # of sound in a message; the spec recommends about a second
PACED_S = 0.020
_FIRST = 2 * SAMPLE_RATE * 6 // 10  # LiveKit's plugin begins with 600 ms


async def send(
    avatar: AvatarSession, pcm: bytes, pace: str, emotion: str | None = None
) -> None:
    """One turn: in bursts, in bursts as LiveKit's plugin cuts them, or in real time."""
    await avatar.speak(paced(pcm, pace), emotion=emotion)


async def paced(pcm: bytes, pace: str) -> AsyncIterator[bytes]:
    """The messages of a turn, each when it is time to send it."""
    if pace == "plugin":
        yield pcm[:_FIRST]
        pcm = pcm[_FIRST:]
    piece_s = PACED_S if pace == "1x" else BURST_S
    size = 2 * round(piece_s * SAMPLE_RATE)
    began_s = time.monotonic()
    for count, start in enumerate(range(0, len(pcm), size)):
        if pace == "1x":
            await asyncio.sleep(began_s + count * piece_s - time.monotonic())
        yield pcm[start : start + size]
