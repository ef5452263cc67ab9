"""Agent of livekit-agents that hears, thinks and speaks by the parts of a pipeline."""

from collections.abc import AsyncIterable, AsyncIterator, Callable
from typing import Any

from livekit import rtc
from livekit.agents import Agent, ModelSettings, StopResponse
from livekit.agents.llm import ChatContext, ChatMessage
from livekit.agents.stt import SpeechData, SpeechEvent, SpeechEventType

from conversation.agent.answers import Answers
from conversation.agent.synthesis import Synthesis

Words = Callable[[AsyncIterable[rtc.AudioFrame]], AsyncIterator[str]]


class PipelineAgent(Agent):
    """
    Agent whose nodes are those parts.

    ``words`` yields the words of utterances in the audio of the user. ``takes_turn``
    tells whether a turn of the user, that is over, is to be answered.
    """

    def __init__(
        self,
        instructions: str,
        *,
        words: Words,
        answers: Answers | None,
        synthesis: Synthesis | None,
        takes_turn: Callable[[], bool],
    ) -> None:
        super().__init__(instructions=instructions)
        self._words = words
        self._answers = answers
        self._synthesis = synthesis
        self._takes_turn = takes_turn

    async def stt_node(
        self, audio: AsyncIterable[rtc.AudioFrame], model_settings: ModelSettings
    ) -> AsyncIterator[SpeechEvent]:
        """Yield the words of the user."""
        async for text in self._words(audio):
            data = SpeechData(language=_NO_LANGUAGE, text=text)
            yield SpeechEvent(SpeechEventType.FINAL_TRANSCRIPT, alternatives=[data])

    async def on_user_turn_completed(
        self, turn_ctx: ChatContext, new_message: ChatMessage
    ) -> None:
        """Let the turn be answered, or not."""
        if not self._takes_turn() or self._answers is None:
            raise StopResponse

    async def llm_node(
        self, chat_ctx: ChatContext, tools: Any, model_settings: ModelSettings
    ) -> AsyncIterator[str]:
        """Yield the words of the answer."""
        assert self._answers is not None
        async for text in self._answers.answer(chat_ctx):
            yield text

    async def tts_node(
        self, text: AsyncIterable[str], model_settings: ModelSettings
    ) -> AsyncIterator[rtc.AudioFrame]:
        """Yield the audio of a text."""
        assert self._synthesis is not None
        async for frame in self._synthesis.speak(text):
            yield frame


_NO_LANGUAGE: Any = ""


async def drain(audio: AsyncIterable[Any]) -> None:
    """Read audio that nobody needs, because it would be kept otherwise."""
    async for _ in audio:
        pass
