"""
Answers of the language model, with one retry, and never silence.

An answer that fails before its first word is asked for once more, unless that would
fail in the same way. If it fails again, a sentence that says so is the answer.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing

from livekit.agents import APIConnectOptions
from livekit.agents.llm import LLM, ChatContext

from conversation.agent.provider_errors import ProviderFault, no_words, provider_fault
from conversation.agent.provider_text import usable

log = logging.getLogger(__name__)

TOKEN_S = 10.0  # until the first word, and between two of them
ATTEMPTS = 2
# Of one answer: ten minutes of speech. A model may go on without an end.
MAX_ANSWER = 10_000
_ONCE = APIConnectOptions(max_retry=0, timeout=TOKEN_S)


class Answers:
    """
    Answers of one language model.

    ``on_fault`` is told each answer that failed for good. ``on_first_token`` is called
    when the first word of an answer is there.
    """

    def __init__(
        self,
        model: LLM,
        on_fault: Callable[[ProviderFault], None],
        on_first_token: Callable[[], None],
        *,
        token_s: float = TOKEN_S,
    ) -> None:
        self._model = model
        self._on_fault = on_fault
        self._on_first_token = on_first_token
        self._token_s = token_s
        self._excuses: set[str] = set()  # sentences that were spoken for an answer

    async def answer(self, history: ChatContext) -> AsyncIterator[str]:
        """Yield the words of the answer to the newest message, as they come."""
        history = self._without_excuses(history)
        for attempt in range(1, ATTEMPTS + 1):
            begun = False
            try:
                async with aclosing(self._attempt(history)) as words:
                    async for text in words:
                        begun = True
                        yield text
                if begun:
                    return
                fault = no_words("llm")
            except Exception as error:  # boundary: of the plugin and its provider
                fault = provider_fault("llm", error, begun=begun)
            last = attempt == ATTEMPTS or fault.is_lasting or fault.kind == "nonsense"
            if not begun and not last:
                continue
            self._on_fault(fault)
            if not begun:
                self._excuses.add(fault.spoken)
                yield fault.spoken
            return

    async def _attempt(self, history: ChatContext) -> AsyncGenerator[str]:
        """Yield the words of one request, from the first that is not blank."""
        loop = asyncio.get_running_loop()
        begun, left = False, MAX_ANSWER
        async with self._model.chat(chat_ctx=history, conn_options=_ONCE) as stream:
            due = loop.time() + self._token_s
            while True:
                try:
                    async with asyncio.timeout_at(due):
                        chunk = await anext(stream)
                except StopAsyncIteration:
                    return
                text = (chunk.delta.content if chunk.delta else None) or ""
                if not begun:
                    text = text.lstrip()
                if not text:
                    continue
                due = loop.time() + self._token_s
                if not begun:
                    begun = True
                    self._on_first_token()
                text = usable(text, left)
                left -= len(text)
                yield text
                if left <= 0:
                    log.warning("an answer is cut after %d characters", MAX_ANSWER)
                    return

    def _without_excuses(self, history: ChatContext) -> ChatContext:
        """Return a history without the sentences that no model has said."""
        kept = [
            item
            for item in history.items
            if not (
                item.type == "message"
                and item.role == "assistant"
                and any(e.startswith(item.text_content or "-") for e in self._excuses)
            )
        ]
        return ChatContext(kept)
