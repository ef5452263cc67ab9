"""
Conversation by Gemini's Live API: one model hears, thinks and speaks.

Gemini detects turns, and cancels its own answer when the user speaks. It has no request
that cancels an answer: one that was interrupted from here is received and dropped.
"""

import asyncio
import contextlib
import logging
from typing import Any

from google.genai.types import HttpOptions
from livekit.agents import Agent, APIConnectOptions
from livekit.agents.llm import RealtimeModelError

from conversation.agent.engine import ConversationFault, tell_fault
from conversation.agent.gemini_session import (
    ANSWER_BEGAN,
    ANSWER_ENDED,
    ANSWER_HAS_VOICE,
    TimelyGeminiModel,
    TimelyGeminiSession,
)
from conversation.agent.microphone import Microphone
from conversation.agent.provider_errors import (
    Kind,
    ProviderFault,
    no_words,
    provider_fault,
)
from conversation.agent.realtime import REPEAT, model_session
from conversation.agent.stage_times import TurnMoments
from lite_gateway.foreign.text import foreign_text
from protocol.link.settings import ConversationSettings

log = logging.getLogger(__name__)

CONNECT = APIConnectOptions(max_retry=2, retry_interval=1.0, timeout=5.0)
MAX_DROP_S = 5.0  # for Gemini to begin an answer that was interrupted before it came
# Gemini closes the connection with one of a few codes, and says why in a sentence.
_REASONS: tuple[tuple[Kind, tuple[str, ...]], ...] = (
    ("quota", ("quota", "resource_exhausted", "billing", "429")),
    ("auth", ("api key", "api_key", "unregistered callers", "permission", "denied")),
    ("model", ("not found", "not supported", "invalid argument")),
)
_STATUSES: dict[int, Kind] = {401: "auth", 403: "auth", 404: "model", 429: "quota"}


def gemini_engine(
    settings: ConversationSettings, microphone: Microphone, moments: TurnMoments
) -> "GeminiEngine":
    """
    Return the engine of a conversation whose settings name Gemini.

    Its address is Google's or the operator's: sessions cannot name one.
    """
    assert settings.realtime is not None
    assert settings.realtime.trusted
    return GeminiEngine(settings, microphone, moments)


class GeminiEngine:
    """Gemini model of one conversation."""

    def __init__(
        self,
        settings: ConversationSettings,
        microphone: Microphone,
        moments: TurnMoments,
    ) -> None:
        self._microphone = microphone
        self._moments = moments
        self._drops_until: float | None = None  # moment of the loop's clock
        self._free = asyncio.Event()  # no answer is on its way that was dropped
        self._free.set()
        self._model = _model(settings)
        self.agent = Agent(instructions=settings.instructions)
        self.session = model_session(self._model, self.agent, by_server=True)
        self.session.on("speech_created", self._on_speech)
        self.session.on("error", self._on_error)

    def started(self) -> None:
        """Follow the answers of the server."""
        self._server.on(ANSWER_BEGAN, self._on_answer_began)
        self._server.on(ANSWER_HAS_VOICE, lambda: self._mark("tts_first_audio"))
        self._server.on(ANSWER_ENDED, self._on_answer_ended)
        self.session.on("conversation_item_added", self._on_item)
        self.session.on("agent_state_changed", lambda _: self._server.forget_old())
        # It may have failed before the session listened to it.
        if (failure := self._server.failure) is not None:
            fault = _told(gemini_fault(failure, begun=False), is_fatal=True)
            tell_fault(self.session, fault)

    @property
    def _server(self) -> TimelyGeminiSession:
        server = self.agent.realtime_llm_session
        assert isinstance(server, TimelyGeminiSession)
        return server

    async def wait_ready(self) -> None:
        """
        Wait while the connection is made, or an answer is to be dropped.

        Gemini does not name the request that it answers: the next answer would be taken
        for the one to this request.
        """
        await self._server.wait_connected()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(MAX_DROP_S):
                await self._free.wait()

    def speak(self, text: str) -> Any:
        """Ask the model to repeat a text."""
        return self.session.generate_reply(instructions=REPEAT + text)

    def respond(self, text: str) -> Any:
        """Answer a text of the user."""
        return self.session.generate_reply(user_input=text)

    def interrupt(self) -> None:
        """Drop all speech, and an answer that was asked for and has not begun."""
        if self._server.is_asked:
            self._drops_until = asyncio.get_running_loop().time() + MAX_DROP_S
            self._free.clear()
        self.session.interrupt(force=True)

    def begin_turn(self) -> None:
        """Do nothing: connectors have no push to talk."""

    async def commit_turn(self) -> None:
        """Do nothing: connectors have no push to talk."""

    def fault(self, error: Any) -> ConversationFault | None:
        """Return what people are told of an error."""
        if isinstance(error, ConversationFault):
            return error
        if not isinstance(error, RealtimeModelError):  # of a speech
            kind: Kind = "timeout" if "timed out" in str(error) else "nonsense"
            return _told(ProviderFault("realtime", kind, foreign_text(str(error))))
        is_cut = self._server.is_answering
        found = gemini_fault(error.error, begun=is_cut)
        if error.recoverable and not is_cut:
            log.warning("it connects again: %s", found.details)
            return None
        return _told(found, is_fatal=not error.recoverable, speech=self._speech)

    async def aclose(self) -> None:
        """Close the model; its session closes the connection."""
        await self._model.aclose()

    def _on_answer_began(self, is_asked_for: bool) -> None:
        # Gemini does not say when it has found the end of a turn.
        if not is_asked_for:
            self._moments.begin_answer(self._microphone.last_loud)
        self._mark("llm_first_token")

    def _on_answer_ended(self, is_complete: bool, has_voice: bool) -> None:
        """Tell people of an answer that has no voice, instead of silence."""
        if is_complete and not has_voice:
            tell_fault(self.session, _told(no_words("realtime"), speech=self._speech))

    def _mark(self, name: str) -> None:
        """Note a moment of the newest answer, unless its speech is over."""
        speech = self._speech
        if speech is not None or not self._server.is_asked_for:
            self._moments.mark(name, speech)

    @property
    def _speech(self) -> Any:
        """Speech of the newest answer, if it was asked for; see `RealtimeEngine`."""
        return self.session.current_speech if self._server.is_asked_for else None

    def _on_speech(self, event: Any) -> None:
        if self._drops_until is None or event.user_initiated:
            return
        due, self._drops_until = self._drops_until, None
        self._free.set()
        if asyncio.get_running_loop().time() < due:
            event.speech_handle.interrupt(force=True)

    def _on_item(self, event: Any) -> None:
        """Note that an answer is in the history with the words that were heard."""
        if event.item.type == "message" and event.item.role == "assistant":
            self._server.settle(event.item)

    def _on_error(self, _: Any) -> None:
        """Forget the answer that a lost connection will not bring."""
        self._drops_until = None
        self._free.set()


def gemini_fault(error: BaseException, *, begun: bool) -> ProviderFault:
    """
    Return the failure that an exception of Gemini's client tells of.

    ``begun``: something of an answer had come before it.
    """
    found = provider_fault("realtime", error, begun=begun)
    text = str(error)
    status = getattr(getattr(error, "response", None), "status_code", 0)
    said: Kind = next(
        (kind for kind, words in _REASONS if any(w in text.lower() for w in words)),
        found.kind,
    )
    kind = _STATUSES.get(status, said)
    details = f"Gemini failed, kind={kind}: {text or type(error).__name__}"
    return ProviderFault("realtime", kind, foreign_text(details))


def _told(
    found: ProviderFault, *, is_fatal: bool = False, speech: Any = None
) -> ConversationFault:
    log.warning("%s", found.details)
    return ConversationFault(
        found.code, found.message, is_fatal=is_fatal, speech=speech
    )


def _model(settings: ConversationSettings) -> TimelyGeminiModel:
    endpoint = settings.realtime
    assert endpoint is not None
    url = {"base_url": endpoint.base_url} if endpoint.base_url else {}
    temperature = settings.temperature
    return TimelyGeminiModel(
        model=endpoint.model,
        voice=endpoint.voice or "Puck",
        # Never empty, and no Vertex AI: the plugin would read the environment.
        api_key=endpoint.key or "none",
        vertexai=False,
        instructions=settings.instructions,
        http_options=HttpOptions(timeout=round(CONNECT.timeout * 1000), **url),
        conn_options=CONNECT,
        **({} if temperature is None else {"temperature": temperature}),
    )
