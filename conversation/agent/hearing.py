"""Words of the user, from speech recognition that takes whole utterances."""

import asyncio
import contextlib
from collections.abc import Callable

from livekit import rtc
from livekit.agents import APIConnectOptions
from livekit.agents.stt import STT

from conversation.agent.microphone import is_loud
from conversation.agent.provider_errors import ProviderFault, provider_fault
from conversation.agent.provider_text import usable

WORDS_S = 8.0  # for the words of an utterance
READ_S = 1.0  # for the session to read audio that was heard
MAX_RECORDING_S = 120.0  # of push to talk; what comes after it is not heard
MAX_WORDS = 5_000  # characters: faster than anybody speaks for so long
_ONCE = APIConnectOptions(max_retry=0, timeout=WORDS_S)


class Hearing:
    """
    Speech recognition of a conversation.

    ``on_fault`` is told each utterance whose words could not be had, ``on_heard`` is
    called after each other one.
    """

    def __init__(
        self,
        recogniser: STT,
        on_fault: Callable[[ProviderFault], None],
        on_heard: Callable[[], None],
    ) -> None:
        self._recogniser = recogniser
        self._on_fault = on_fault
        self._on_heard = on_heard

    async def words(self, frames: list[rtc.AudioFrame]) -> str:
        """Return the words of an utterance, none if there are none or it fails."""
        try:
            async with asyncio.timeout(WORDS_S):
                event = await self._recogniser.recognize(frames, conn_options=_ONCE)
        except Exception as error:  # boundary: of the plugin and its provider
            self._on_fault(provider_fault("stt", error))
            return ""
        self._on_heard()
        text = " ".join(part.text for part in event.alternatives[:1])
        return usable(text, MAX_WORDS).strip()


class Recording:
    """
    Audio of one turn of push to talk, as the session reads it.

    ``is_speech`` tells whether something in it is as loud as speech.
    """

    def __init__(self) -> None:
        self.frames: list[rtc.AudioFrame] = []
        self._seconds = 0.0
        self._grown = asyncio.Event()
        self.is_speech = False

    def add(self, frame: rtc.AudioFrame) -> None:
        """Append audio."""
        self._seconds += frame.duration
        self.is_speech = self.is_speech or is_loud(frame)
        if self._seconds <= MAX_RECORDING_S:
            self.frames.append(frame)
        self._grown.set()

    async def wait(self, seconds: float) -> None:
        """Wait until so much audio was appended, or `READ_S` if it never is."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(READ_S):
                while self._seconds < seconds:
                    self._grown.clear()
                    await self._grown.wait()
