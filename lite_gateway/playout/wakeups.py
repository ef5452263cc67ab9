"""Events that wake the audio and the video loop when the schedule has changed."""

import asyncio
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Wakeups:
    """Events of both loops. A loop asks the schedule again when its event is set."""

    audio: asyncio.Event = field(default_factory=asyncio.Event)  # audio or an end came
    video: asyncio.Event = field(default_factory=asyncio.Event)  # clock was re-phased
    # The first frame of a talkspurt was rendered, sent or cut: the audio loop waits.
    first_frame: asyncio.Event = field(default_factory=asyncio.Event)


async def wait_for_change(event: asyncio.Event, wait_s: float) -> None:
    """Wait until ``event`` is set from now on, at most ``wait_s`` seconds."""
    event.clear()
    try:
        async with asyncio.timeout(wait_s):
            await event.wait()
    except TimeoutError:
        pass
