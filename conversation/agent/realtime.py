"""
Conversation by OpenAI's Realtime interface: one model hears, thinks and speaks.

The server detects turns and cancels its own answer when the user speaks, so speech is
cut at once. To hold it for a while is of no use: the rest of the answer is not made any
more, and the server answers whatever it took for speech.
"""

import asyncio
import contextlib
import logging
import time
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import aiohttp
from livekit.agents import (
    Agent,
    AgentSession,
    APIConnectionError,
    APIConnectOptions,
    TurnHandlingOptions,
)
from livekit.agents.llm import RealtimeModel, RealtimeModelError
from openai.types.realtime import AudioTranscription
from openai.types.realtime.realtime_audio_input_turn_detection import (
    SemanticVad,
    ServerVad,
)

from conversation.agent.engine import (
    ECHO_WARM_UP_S,
    ConversationFault,
    forget_old,
    tell_fault,
)
from conversation.agent.guarded_http import realtime_http
from conversation.agent.microphone import Microphone
from conversation.agent.open_turns import OpenTurns
from conversation.agent.provider_errors import (
    Kind,
    ProviderFault,
    most_telling,
    no_words,
    provider_fault,
)
from conversation.agent.realtime_session import HeardRealtimeModel, HeardRealtimeSession
from conversation.agent.stage_times import TurnMoments
from lite_gateway.foreign.addresses import AddressGuard
from protocol.link.settings import ConversationSettings, Endpoint

log = logging.getLogger(__name__)

TRANSCRIPTION_MODEL = "gpt-4o-mini-transcribe"
CONNECT = APIConnectOptions(max_retry=2, retry_interval=1.0, timeout=5.0)
# OpenAI closes connections after 60 minutes, and has closed them after 30.
MAX_AGE_S = 1200.0
QUIET_S = 1.0  # without a loud sample: the user does not speak
MAX_DROP_S = 2.0  # for the server to end an answer that was interrupted
LEAST_TURN_S = 0.1  # of audio that OpenAI takes as a turn
# Realtime has no text-to-speech: the model can only be asked. People see what it really
# said in avatar.transcription.
REPEAT = (
    "Repeat the following text word for word, in its own language. Add nothing, leave "
    "nothing out, do not answer it, and do not translate it:\n\n"
)


def realtime_engine(
    settings: ConversationSettings, microphone: Microphone, moments: TurnMoments
) -> "RealtimeEngine":
    """Return the engine of a conversation whose settings name Realtime."""
    assert settings.realtime is not None
    guard = None
    if not settings.realtime.trusted:
        guard = AddressGuard(settings.allowed_hosts)
    return RealtimeEngine(settings, microphone, moments, realtime_http(guard))


class RealtimeEngine:
    """
    Realtime model of one conversation.

    `interrupt` also drops the answer that the server has begun by itself and that has
    not come here yet.
    """

    def __init__(
        self,
        settings: ConversationSettings,
        microphone: Microphone,
        moments: TurnMoments,
        http: aiohttp.ClientSession,
        *,
        max_age_s: float = MAX_AGE_S,
    ) -> None:
        """``http`` is closed with the engine; see `HeardRealtimeModel`."""
        assert settings.realtime is not None
        self._microphone = microphone
        self._moments = moments
        self._http = http
        self._unanswered: str | None = None  # item of the user that the server answers
        self._drops_next = False  # of the server's own answers
        self._free = asyncio.Event()  # no answer is on its way that was dropped
        self._free.set()
        self._has_voice = False  # the newest answer
        self._is_asked = False  # for the newest answer, by a command
        self._has_begun = False  # the server has taken the settings of this connection
        self._faults: list[ProviderFault] = []  # since the connection was lost
        self._turns = OpenTurns(answers=settings.answers)
        self._speeches = 0  # that are not over
        self._model = _model(settings, settings.realtime, http, max_age_s)
        self.agent = Agent(instructions=settings.instructions)
        by_server = settings.answers and not settings.push_to_talk
        self.session = model_session(self._model, self.agent, by_server=by_server)
        self.session.on("speech_created", self._on_speech)
        self.session.on("error", self._on_error)

    def started(self) -> None:
        """Follow the server's events."""
        self._server.history = lambda: self.agent.chat_ctx
        self._server.is_quiet = self._is_quiet
        self._server.drop = self._drop
        self.session.on("conversation_item_added", self._on_item)
        self._server.on("openai_server_event_received", self._on_server_event)

    @property
    def _server(self) -> HeardRealtimeSession:
        server = self.agent.realtime_llm_session
        assert isinstance(server, HeardRealtimeSession)
        return server

    async def wait_ready(self) -> None:
        """
        Wait while an answer is being dropped, or the history is told to the server.

        The server refuses to make two answers at a time, and to add an item after one
        that it has deleted.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(MAX_DROP_S):
                await self._free.wait()
        await self._server.wait_current()

    def speak(self, text: str) -> Any:
        """Ask the model to repeat a text."""
        return self.session.generate_reply(instructions=REPEAT + text)

    def respond(self, text: str) -> Any:
        """Answer a text of the user."""
        return self.session.generate_reply(user_input=text)

    def interrupt(self) -> None:
        """Drop all speech, and the answer to a turn that has just ended."""
        self._drops_next = self._unanswered is not None
        is_begun = self._server.has_active_generation and not self._server.is_lost
        if self._drops_next or is_begun:
            self._free.clear()
        self.session.interrupt(force=True)

    def begin_turn(self) -> None:
        """Forget audio from before."""
        self._turns.begin()
        self._server.clear_audio()

    async def commit_turn(self) -> None:
        """Commit what was heard, and answer it; nothing if it is too short."""
        if self._microphone.heard_s <= LEAST_TURN_S:
            self._turns.answered()
            return
        self._moments.begin_answer(self._microphone.last_loud)
        self.session.commit_user_turn()

    def fault(self, error: Any) -> ConversationFault | None:
        """Return what people are told of an error."""
        if isinstance(error, ConversationFault):
            return error
        if isinstance(error, RealtimeModelError):
            return self._session_fault(error)
        found = provider_fault("realtime", error)
        if found.kind == "unreachable":  # the server has refused a single answer
            kind: Kind = "timeout" if "timed out" in str(error) else "nonsense"
            found = replace(found, kind=kind)
        log.warning("an answer failed: %s", found.details)
        return ConversationFault(found.code, found.message)

    def _session_fault(self, error: RealtimeModelError) -> ConversationFault | None:
        is_cut = self._server.has_active_generation
        found = provider_fault("realtime", error.error, begun=is_cut)
        log.warning("%s", found.details)
        self._faults.append(found)
        # Before the session began, a refusal is of the key, the model or the account.
        if not error.recoverable or (found.is_lasting and not self._has_begun):
            found = most_telling(self._faults)
            return ConversationFault(found.code, found.message, is_fatal=True)
        is_of_connection = isinstance(error.error, APIConnectionError)
        is_of_answer = "response failed" in str(error.error)
        if (is_of_connection and is_cut) or is_of_answer:
            return ConversationFault(found.code, found.message, speech=self._speech)
        if found.is_lasting:
            return ConversationFault(found.code, found.message)
        return None  # it connects again, or the server has refused an event

    async def aclose(self) -> None:
        """Close the connection."""
        await self._model.aclose()
        await self._http.close()

    def _on_server_event(self, event: dict[str, Any]) -> None:
        self._turns.receive(event)
        match event.get("type"):
            case "session.updated":
                self._has_begun = True
                self._faults.clear()
            case "input_audio_buffer.speech_stopped":
                self._moments.begin_answer(self._microphone.last_loud)
                self._ended_turn(event["item_id"])
            case "input_audio_buffer.committed":
                self._ended_turn(event["item_id"])
            case "response.created":
                metadata = event["response"].get("metadata") or {}
                self._is_asked = "client_event_id" in metadata
                if not self._is_asked:
                    self._unanswered = None
                self._has_voice = False
            case "response.output_audio_transcript.delta":
                self._mark("llm_first_token")
            case "response.output_audio.delta":
                self._has_voice = True
                self._mark("tts_first_audio")
            case "response.done":
                self._end_answer(is_complete=event["response"]["status"] == "completed")

    def _end_answer(self, *, is_complete: bool) -> None:
        """Tell people of an answer that has no voice, instead of silence."""
        if not self._drops_next:
            # The plugin reads the event after this.
            asyncio.get_running_loop().call_soon(self._free.set)
        if is_complete and not self._has_voice:
            found = no_words("realtime")
            log.warning("%s", found.details)
            fault = ConversationFault(found.code, found.message, speech=self._speech)
            tell_fault(self.session, fault)

    @property
    def _speech(self) -> Any:
        """
        Speech of the newest answer, if it was asked for.

        The session asks for one only when those before it are over; the server may
        answer the user while another one is still heard.
        """
        return self.session.current_speech if self._is_asked else None

    def _mark(self, name: str) -> None:
        """Note a moment of the newest answer, unless its speech is over."""
        speech = self._speech
        if speech is not None or not self._is_asked:
            self._moments.mark(name, speech)

    def _ended_turn(self, item_id: str) -> None:
        """Note that the server will answer a turn of the user; it is told twice."""
        if item_id != self._unanswered:
            self._unanswered, self._drops_next = item_id, False

    def _is_quiet(self) -> bool:
        """Return whether nothing of a connection would be missed now."""
        loud_s = self._microphone.last_loud
        is_silent = loud_s is None or time.monotonic() - loud_s > QUIET_S
        is_idle = not (self._turns or self._speeches)
        return is_silent and is_idle and not self._server.has_active_generation

    def _on_speech(self, event: Any) -> None:
        self._turns.answered()
        self._speeches += 1
        number = self._server.answers.begin_speech()
        event.speech_handle.add_done_callback(partial(self._on_speech_over, number))
        if self._drops_next and not event.user_initiated:
            self._drops_next = False
            event.speech_handle.interrupt(force=True)

    def _on_speech_over(self, number: int, handle: Any) -> None:
        self._speeches -= 1
        self._server.answers.end_speech(number, interrupted=handle.interrupted)
        self._server.forget_unheard()

    def _on_item(self, event: Any) -> None:
        """Note that an answer is in the history with the words that were heard."""
        self._server.settle(event.item.id)

    def _drop(self, item_id: str) -> None:
        history = self.agent._chat_ctx.items
        history[:] = [item for item in history if item.id != item_id]

    def _on_error(self, _: Any) -> None:
        """Cut the speech whose rest a lost connection will not bring."""
        speech = self.session.current_speech
        if not self._server.is_lost:
            return
        self._unanswered, self._drops_next = None, False
        self._has_begun = False
        self._turns.forget()
        self._free.set()
        if speech is not None and self._server.has_active_generation:
            speech.interrupt(force=True)


def model_session(
    model: RealtimeModel, agent: Agent, *, by_server: bool
) -> AgentSession[Any]:
    """
    Return the session of a model, which ``agent`` will have.

    ``by_server``: the server of the model detects turns.
    """
    session: AgentSession[Any] = AgentSession(
        llm=model,
        vad=None,
        turn_handling=TurnHandlingOptions(
            turn_detection="realtime_llm" if by_server else "manual",
            interruption={"mode": "vad", "resume_false_interruption": False},
        ),
        aec_warmup_duration=ECHO_WARM_UP_S,
        user_away_timeout=None,
    )
    session.on("agent_state_changed", lambda _: forget_old(session, agent))
    return session


def _model(
    settings: ConversationSettings,
    endpoint: Endpoint,
    http: aiohttp.ClientSession,
    max_age_s: float,
) -> HeardRealtimeModel:
    answers = settings.answers
    detection: ServerVad | SemanticVad = SemanticVad(
        type="semantic_vad", create_response=answers, interrupt_response=answers
    )
    if settings.turns == "server_vad":
        detection = ServerVad(
            type="server_vad", create_response=answers, interrupt_response=answers
        )
    return HeardRealtimeModel(
        max_age_s=max_age_s,
        model=endpoint.model,
        voice=endpoint.voice or "alloy",
        # Never None: the plugin would read the environment.
        api_key=endpoint.key or "none",
        base_url=realtime_url(endpoint.base_url),
        turn_detection=None if settings.push_to_talk else detection,
        input_audio_transcription=AudioTranscription(
            model=TRANSCRIPTION_MODEL, language=settings.language or None
        ),
        http_session=http,
        conn_options=CONNECT,
    )


def realtime_url(base_url: str) -> str:
    """
    Return the address of the WebSocket below a base URL.

    The plugin adds ``/realtime`` to some paths and takes others as they are.
    """
    parts = urlsplit(base_url)
    path = parts.path.rstrip("/")
    if not path.endswith("/realtime"):
        path += "/realtime"
    return urlunsplit(parts._replace(path=path))
