"""Pacing of a turn: in bursts or in real time."""

import asyncio
import time
from collections.abc import AsyncIterator

from lite_gateway.client.session import AvatarSession
from protocol.lite.messages import SAMPLE_RATE

BURST_S = 1.0  # of audio in a message; LiveAvatar's specification recommends about 1 s
PACED_S = 0.020  # of audio in a message in real time
_PLUGIN_FIRST_BYTES = 2 * SAMPLE_RATE * 6 // 10  # LiveKit's plugin begins with 600 ms


async def send(
    avatar: AvatarSession, pcm: bytes, pace: str, emotion: str | None = None
) -> None:
    """Send one turn at a pace: ``burst``, ``plugin`` or ``1x`` (see `paced`)."""
    await avatar.speak(paced(pcm, pace), emotion=emotion)


async def paced(pcm: bytes, pace: str) -> AsyncIterator[bytes]:
    """
    Yield the PCM of each message of a turn when it is time to send the message.

    ``burst`` yields seconds without delay. ``plugin`` does so after 600 ms of audio, as
    LiveKit's plugin does. ``1x`` yields 20 ms in real time.
    """
    if pace == "plugin":
        yield pcm[:_PLUGIN_FIRST_BYTES]
        pcm = pcm[_PLUGIN_FIRST_BYTES:]
    message_s = PACED_S if pace == "1x" else BURST_S
    size = 2 * round(message_s * SAMPLE_RATE)
    started_s = time.monotonic()
    for count, start in enumerate(range(0, len(pcm), size)):
        if pace == "1x":
            await asyncio.sleep(started_s + count * message_s - time.monotonic())
        yield pcm[start : start + size]
