"""Wake-ups of the audio and the video loop when the schedule has changed."""

import asyncio
from dataclasses import dataclass, field


class Wakeup:
    """
    Change that one loop waits for, no longer than a time.

    A loop waits some 75 times a second and session. `asyncio.Event` within
    `asyncio.timeout` would cost twice as much.
    """

    def __init__(self) -> None:
        self._waiter: asyncio.Future[None] | None = None

    def set(self) -> None:
        """Wake the loop if it waits."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self, wait_s: float) -> None:
        """Wait until `set` is called from now on, at most ``wait_s`` seconds."""
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        timer = loop.call_later(wait_s, self.set)
        try:
            await self._waiter
        finally:
            timer.cancel()


@dataclass(frozen=True, slots=True)
class Wakeups:
    """Wake-ups of both loops. A loop asks the schedule again when it is woken."""

    # Audio or an end came, or the first frame of a talkspurt was sent.
    audio: Wakeup = field(default_factory=Wakeup)
    video: Wakeup = field(default_factory=Wakeup)  # the frame clock was re-phased
