"""Watch for speech that the gateway has and does not play: it blocks what follows."""

import asyncio
import contextlib
import time
from collections.abc import Callable

from conversation.agent.speaker import Speaker

MAX_SILENCE_S = 3.0  # while there is audio to play
_STEP_S = 0.25  # between two looks at a speech that plays


async def watch_silence(
    speaker: Speaker,
    on_silence: Callable[[str | None], None],
    *,
    now: Callable[[], float] = time.monotonic,
) -> None:
    """
    Give up each turn that is silent for `MAX_SILENCE_S`, until cancelled.

    ``on_silence`` gets the id of the command that asked for it, None if none did.
    """
    waiting, since = speaker.unplayed, now()
    while True:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None if waiting is None else _STEP_S):
                await speaker.wait_changed()
        if waiting is None or speaker.unplayed != waiting:
            waiting, since = speaker.unplayed, now()
        elif now() - since >= MAX_SILENCE_S:
            on_silence(speaker.give_up())
            waiting = speaker.unplayed
