"""Events that wake the audio and the video loop when the schedule has changed."""

import asyncio
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Wakeups:
    """Events of both loops. A loop asks the schedule again when its event is set."""

    # Audio or an end came, or the first frame of a talkspurt was sent.
    audio: asyncio.Event = field(default_factory=asyncio.Event)
    video: asyncio.Event = field(default_factory=asyncio.Event)  # clock was re-phased


async def wait_for_change(event: asyncio.Event, wait_s: float) -> None:
    """Wait until ``event`` is set from now on, at most ``wait_s`` seconds."""
    event.clear()
    try:
        async with asyncio.timeout(wait_s):
            await event.wait()
    except TimeoutError:
        pass
