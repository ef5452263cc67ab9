"""
Speech of an answer, sentence by sentence, as its words come.

Frames say where in the text they are, for `HeardText`.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable
from contextlib import aclosing

from livekit import rtc
from livekit.agents import APIConnectOptions
from livekit.agents.tts import TTS
from livekit.agents.voice.transcription.filters import filter_emoji, filter_markdown

from conversation.agent.phones_voice import PhonesStream
from conversation.agent.provider_errors import ProviderFault, no_words, provider_fault
from conversation.agent.sentences import sentences
from conversation.agent.speaker import PHONES, TEXT_BEGINS, TEXT_ENDS
from protocol.phones.phone_list import shifted

AUDIO_S = 5.0  # until the first audio of a sentence, and between two pieces of it
_ONCE = APIConnectOptions(max_retry=0, timeout=AUDIO_S)


class SpeechGivenUp(Exception):
    """The rest of a speech cannot be spoken; people were told why."""


class Synthesis:
    """
    Voice of a conversation.

    ``on_sentence`` is called when a sentence is given to the voice, ``on_audio`` when
    its first audio comes, ``on_spoken`` when its audio is complete, ``on_fault`` when
    it fails.
    """

    def __init__(
        self,
        voice: TTS,
        *,
        on_sentence: Callable[[], None],
        on_audio: Callable[[], None],
        on_spoken: Callable[[], None],
        on_fault: Callable[[ProviderFault], None],
    ) -> None:
        self._voice = voice
        self._on_sentence = on_sentence
        self._on_audio = on_audio
        self._on_spoken = on_spoken
        self._on_fault = on_fault

    async def speak(self, text: AsyncIterable[str]) -> AsyncIterator[rtc.AudioFrame]:
        """Yield the audio of a text; raise `SpeechGivenUp` if the voice fails."""
        async for sentence in sentences(text):
            spoken = await speakable(sentence.text)
            if not spoken:
                continue
            self._on_sentence()
            begun = False
            try:
                async with aclosing(self._audio(spoken)) as audio:
                    async for frame, is_last in audio:
                        if not begun:
                            self._on_audio()
                            frame.userdata[TEXT_BEGINS] = sentence.start
                        if is_last:
                            frame.userdata[TEXT_ENDS] = sentence.end
                        begun = True
                        yield frame
                fault = None if begun else no_words("tts")
            except Exception as error:  # boundary: of the plugin and its provider
                fault = provider_fault("tts", error, begun=begun)
            if fault is not None:
                self._on_fault(fault)
                raise SpeechGivenUp(fault.message)
            self._on_spoken()

    async def _audio(self, text: str) -> AsyncGenerator[tuple[rtc.AudioFrame, bool]]:
        """
        Yield the frames of a sentence, and for each whether it is the last.

        A frame has the phones that have come, with times from its own start.
        """
        samples = 0
        async with self._voice.synthesize(text, conn_options=_ONCE) as stream:
            while True:
                try:
                    async with asyncio.timeout(AUDIO_S):
                        audio = await anext(stream)
                except StopAsyncIteration:
                    return
                frame = audio.frame
                if isinstance(stream, PhonesStream) and (new := stream.take_phones()):
                    frame.userdata[PHONES] = shifted(new, -samples / frame.sample_rate)
                samples += frame.samples_per_channel
                yield frame, audio.is_final


async def speakable(text: str) -> str:
    """Return a text without the marks that are not spoken; empty if nothing is left."""

    async def whole() -> AsyncIterator[str]:
        yield text

    parts = [part async for part in filter_emoji(filter_markdown(whole()))]
    spoken = "".join(parts).strip()
    return spoken if any(char.isalnum() for char in spoken) else ""
