"""
Gemini session that tells when the user has ended, and what an answer contains.

The plugin tells the end of the user's speech, and the words, when the answer is over:
Gemini sends no event for it. Here the first piece of an answer ends them.

A new connection gets the plugin's history, which has all words of each answer. Here it
has those that were heard; an answer that is still spoken when its connection is lost is
left out, and sent when it is over. What Gemini itself has kept of the old connection,
behind a handle, stays as it is.
"""

import asyncio
from typing import Any

from livekit.agents.llm import ChatMessage, InputTranscriptionCompleted
from livekit.agents.utils import shortuuid
from livekit.plugins.google.realtime import RealtimeModel
from livekit.plugins.google.realtime.realtime_api import RealtimeSession

from conversation.agent.engine import keep_newest

ANSWER_BEGAN = "gemini_answer_began"  # with whether it was asked for
ANSWER_HAS_VOICE = "gemini_answer_has_voice"
ANSWER_ENDED = "gemini_answer_ended"  # with whether it is complete, and has a voice


class TimelyGeminiModel(RealtimeModel):
    """Gemini model whose session is a `TimelyGeminiSession`."""

    def session(
        self, *, turn_detection_disabled: bool = False
    ) -> "TimelyGeminiSession":
        """Return a new session. Gemini detects turns in each of them."""
        session = TimelyGeminiSession(self)
        self._sessions.add(session)
        return session


class TimelyGeminiSession(RealtimeSession):
    """Session over one connection after another; emits the events of this module."""

    def __init__(self, model: RealtimeModel) -> None:
        super().__init__(model)
        self._allow_plain_http()
        self._connected = asyncio.Event()
        self.failure: Exception | None = None  # after which no connection is made
        self.is_asked_for = False  # the current generation
        self._user_speaks = False
        self._has_begun = self._has_voice = self._is_cut = False
        # Answers: ids of those in the history that have all words there, ids of those
        # that a new connection was not told, and those that are not in the history yet.
        self._whole: set[str] = set()
        self._left_out: set[str] = set()
        self._heard: dict[str, ChatMessage] = {}

    def _allow_plain_http(self) -> None:
        """Connect without TLS if the URL says so; the client makes ``wss`` of any."""
        options = self._opts.http_options
        url = (options.base_url or "") if options else ""
        if url.startswith("http://"):
            client = self._client._api_client
            client._websocket_base_url = lambda _=None: "ws" + url[4:].rstrip("/")
            client._websocket_ssl_ctx = {}

    @property
    def is_asked(self) -> bool:
        """An answer was asked for, and nothing of it has come yet."""
        pending = self._pending_generation_fut
        return pending is not None and not pending.done()

    @property
    def is_answering(self) -> bool:
        """Some of an answer has come, and its end has not."""
        return self._has_begun and not self._is_whole

    async def wait_connected(self) -> None:
        """Wait until Gemini has taken the settings of a connection."""
        await self._connected.wait()

    def forget_old(self) -> None:
        """Drop old messages of the plugin's history, which has all of them for ever."""
        keep_newest(self._chat_ctx)
        if (kept := self._resumption_chat_ctx) is not None:
            ids = {item.id for item in self._chat_ctx.items}
            kept.items[:] = [item for item in kept.items if item.id in ids]

    def settle(self, answer: ChatMessage) -> None:
        """Note the words that were heard of an answer."""
        self._heard[answer.id] = answer
        self._tell_heard()

    def _tell_heard(self) -> None:
        """
        Put the words that were heard into the history, and send what was left out.

        Gemini stops an answer when it is sent something.
        """
        generation = self._current_generation
        is_busy = self.is_asked or (generation is not None and not generation._done)
        is_connected = self._active_session and not self._session_should_close.is_set()
        for answer in list(self._heard.values()):
            index = self._chat_ctx.index_by_id(answer.id)
            if index is not None:
                self._chat_ctx.items[index] = answer
            elif answer.id in self._left_out and not is_busy:
                history = self._chat_ctx.copy()
                history.insert(answer)
                if is_connected:
                    self._sync_chat_ctx(history)
                else:  # the next connection is sent all of it
                    self._chat_ctx.items[:] = history.items
            else:
                continue
            self._whole.discard(answer.id)
            self._left_out.discard(answer.id)
            del self._heard[answer.id]

    def _mark_current_generation_done(self) -> None:
        generation = self._current_generation
        is_over = generation is None or generation._done
        super()._mark_current_generation_done()
        if generation is not None and not is_over:
            self._whole.add(generation.response_id)
            self._tell_heard()

    def truncate(self, **_: Any) -> None:
        """Do nothing: Gemini itself forgets what it has not sent."""

    def commit_audio(self) -> None:
        """Do nothing: Gemini finds the end of each turn."""

    def clear_audio(self) -> None:
        """Do nothing: Gemini keeps what it has heard."""

    def _report_connection_acquired(self, *args: Any, **values: Any) -> None:
        super()._report_connection_acquired(*args, **values)
        self._connected.set()

    def _mark_restart_needed(self, *args: Any, **values: Any) -> None:
        self._connected.clear()
        super()._mark_restart_needed(*args, **values)

    async def _close_active_session(self) -> None:
        self._connected.clear()
        await super()._close_active_session()
        kept = self._resumption_chat_ctx  # by Gemini
        known = {item.id for item in kept.items} if kept is not None else set()
        self._left_out |= self._whole - known
        self._whole &= known
        self._chat_ctx.items[:] = [
            item for item in self._chat_ctx.items if item.id not in self._left_out
        ]

    def _emit_error(self, error: Exception, recoverable: bool) -> None:
        if not recoverable:
            self.failure = error
        super()._emit_error(error, recoverable)

    def _build_connect_config(self) -> Any:
        config = super()._build_connect_config()
        if not self._opts.instructions:  # Gemini refuses an empty part
            config.system_instruction = None
        return config

    def _start_new_generation(self) -> None:
        self.is_asked_for = self.is_asked
        self._has_begun = self._has_voice = self._is_cut = self._is_whole = False
        super()._start_new_generation()

    def _handle_input_speech_started(self) -> None:
        self._user_speaks = True
        super()._handle_input_speech_started()

    def _handle_input_speech_stopped(self) -> None:
        if self._user_speaks:
            self._user_speaks = False
            super()._handle_input_speech_stopped()

    def _handle_server_content(self, server_content: Any) -> None:
        generation = self._current_generation
        if generation is None or generation._done:
            super()._handle_server_content(server_content)
            return
        turn = server_content.model_turn
        words = server_content.output_transcription
        if not self._has_begun and (turn or (words and words.text)):
            self._has_begun = True
            self._end_users_turn(generation)
            self.emit(ANSWER_BEGAN, self.is_asked_for)
        parts = (turn.parts or []) if turn else []
        if not self._has_voice and any(part.inline_data for part in parts):
            self._has_voice = True
            self.emit(ANSWER_HAS_VOICE)
        self._is_cut |= bool(server_content.interrupted)
        is_end = server_content.generation_complete or server_content.turn_complete
        self._is_whole |= bool(is_end)
        super()._handle_server_content(server_content)
        if server_content.turn_complete:
            self.emit(ANSWER_ENDED, not self._is_cut, self._has_voice)

    def _end_users_turn(self, generation: Any) -> None:
        """Tell what the user said, and begin a new text for what comes later."""
        self._handle_input_speech_stopped()
        text, item_id = generation.input_transcription, generation.input_id
        if not text:
            return
        generation.input_transcription = ""
        generation.input_id = shortuuid("GI_")
        self._chat_ctx.add_message(role="user", content=text, id=item_id)
        self.emit(
            "input_audio_transcription_completed",
            InputTranscriptionCompleted(
                item_id=item_id,
                transcript=text,
                is_final=True,
                turn_started_at=generation._created_timestamp,
            ),
        )
