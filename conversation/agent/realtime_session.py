"""
Realtime session that tells the server what was heard, also over lost connections.

The plugin mirrors the server's history with all words that were made. On a new
connection it would send those, and go on to name items that the new one does not have.
Here the history of the agent goes, which has the words that were heard.

A service closes connections that are too old. The plugin replaces them before, at any
moment: what the user says then is split between two connections, and an answer that is
asked for is refused. Here they are replaced when nothing is said.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from livekit.agents import APIConnectionError
from livekit.agents.llm import ChatContext
from livekit.plugins.openai.realtime import RealtimeModel, RealtimeSession
from openai.types.realtime import ConversationItemDeleteEvent

from conversation.agent.unheard_answers import UnheardAnswers

QUIET_STEP_S = 0.25  # between two looks whether an old connection can be replaced
MAX_RESTORE_S = 15.0  # for a new connection to have the history
MAX_FORGET_S = 2.0  # for the server to delete what it was asked to
_FORGET = "forget_"  # begins the id of an event that deletes an item


class FairConnection:
    """
    WebSocket that leaves the loop to others after each message.

    The plugin reads all messages that are there in one go: a model sends an answer of
    many seconds at once, and its first audio would be passed on after the last was
    read, and all other conversations would wait as long.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    async def receive(self) -> Any:
        """Return the next message."""
        message = await self._connection.receive()
        await asyncio.sleep(0)
        return message


class HeardRealtimeModel(RealtimeModel):
    """
    Realtime model whose session is a `HeardRealtimeSession`.

    After ``max_age_s`` a connection is replaced as soon as nothing is said.
    """

    def __init__(self, *, max_age_s: float, **options: Any) -> None:
        super().__init__(max_session_duration=None, **options)
        self.max_age_s = max_age_s

    def session(
        self, *, turn_detection_disabled: bool = False
    ) -> "HeardRealtimeSession":
        """Return a new session."""
        session = HeardRealtimeSession(
            self, turn_detection_disabled=turn_detection_disabled
        )
        self._sessions.add(session)
        return session


class HeardRealtimeSession(RealtimeSession):
    """
    Session over one connection after another.

    ``history`` returns what was really said and heard, ``is_quiet`` whether nobody
    speaks and nothing is to be answered. ``drop`` takes an item out of the history: the
    framework keeps a copy of each answer in it, with words as the server makes them.
    They are set when the agent's session has started.
    """

    history: Callable[[], ChatContext] | None = None
    is_quiet: Callable[[], bool] = staticmethod(lambda: False)
    drop: Callable[[str], None] = staticmethod(lambda item_id: None)

    def __init__(
        self, model: HeardRealtimeModel, *, turn_detection_disabled: bool
    ) -> None:
        super().__init__(model, turn_detection_disabled=turn_detection_disabled)
        self._max_age_s = model.max_age_s
        self._connections = 0
        self._is_new = False  # the connection, and the history was not sent
        self._sent: set[str] = set()  # ids of items that a new connection was sent
        self._audio: set[str] = set()  # ids of answers with audio, on this connection
        self._is_cancelled = False  # the answer that is on its way
        self.answers = UnheardAnswers()
        self._forgotten: set[str] = set()  # ids that the server has not confirmed
        self._has_forgotten = asyncio.Event()
        self._has_forgotten.set()
        self._restored = asyncio.Event()
        self._restored.set()
        self.on("openai_server_event_received", self._on_event)
        self.on("error", self._on_error)

    @property
    def is_lost(self) -> bool:
        """The connection is lost, or a new one does not have the history yet."""
        return not self._restored.is_set()

    async def wait_restored(self) -> None:
        """Wait until a connection is there that has the history."""
        await self._restored.wait()

    async def wait_forgotten(self) -> None:
        """Wait until the server has deleted what nobody heard, or has refused to."""
        try:
            async with asyncio.timeout(MAX_FORGET_S):
                await self._has_forgotten.wait()
        except TimeoutError:  # a server that does not reply is not waited for again
            self._forgotten.clear()
            self._has_forgotten.set()

    def forget_unheard(self) -> None:
        """Delete answers that nobody has heard from both histories."""
        for item_id in self.answers.take():
            self._forget(item_id)

    def _forget(self, item_id: str) -> None:
        self.drop(item_id)
        if self.is_lost or not self.chat_ctx.get_by_id(item_id):
            return  # the server does not have it
        self._forgotten.add(item_id)
        self._has_forgotten.clear()
        self.send_event(
            ConversationItemDeleteEvent(
                type="conversation.item.delete",
                item_id=item_id,
                event_id=_FORGET + item_id,
            )
        )

    async def update_chat_ctx(self, chat_ctx: ChatContext) -> None:
        """
        Send what is new in the history, once the connection has what is old.

        Until a new connection has confirmed its history, the plugin takes all of it as
        new, and a server refuses an item that it has.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(MAX_RESTORE_S):
                await self.wait_restored()
        await super().update_chat_ctx(chat_ctx)

    def interrupt(self) -> None:
        """
        Cancel the answer that is on its way, once.

        Without a connection there is none, and a server that has heard the user cancels
        by itself. It refuses to cancel what it has cancelled.
        """
        if not self.is_lost and not self._is_cancelled:
            self._is_cancelled = self.has_active_generation
            super().interrupt()

    def truncate(self, *, message_id: str, audio_end_ms: int, **values: Any) -> None:
        """Cut an answer at what was heard of it."""
        self.answers.settle(message_id)
        if audio_end_ms == 0:
            self._forget(message_id)
            return
        if self.is_lost:  # the new connection gets the words that were heard
            return
        if message_id not in self._audio:
            # It was spoken over an earlier connection, and is text on this one.
            values["modalities"] = ["text"]
        super().truncate(message_id=message_id, audio_end_ms=audio_end_ms, **values)

    async def _create_ws_conn(self) -> Any:
        connection = FairConnection(await super()._create_ws_conn())
        self._connections += 1
        self._is_new = self._connections > 1
        self._audio.clear()
        self._forgotten.clear()
        self._has_forgotten.set()
        return connection

    async def _run_ws(self, ws_conn: Any) -> None:
        """Talk over a connection until it is lost, or old while nothing is said."""
        loop = asyncio.get_running_loop()
        life = asyncio.timeout(None)
        due = loop.call_later(self._max_age_s, lambda: renew())

        def renew() -> None:
            nonlocal due
            if self.is_quiet():
                self._restored.clear()
                life.reschedule(loop.time())
            else:
                due = loop.call_later(QUIET_STEP_S, renew)

        try:
            async with life:
                await super()._run_ws(ws_conn)
        except TimeoutError:
            if not life.expired():
                raise
        finally:
            due.cancel()

    def _create_update_chat_ctx_events(self, chat_ctx: ChatContext) -> list[Any]:
        is_new, self._is_new = self._is_new, False
        if is_new and self.history is not None:
            chat_ctx = self.history().copy(
                exclude_instructions=True,
                exclude_empty_message=True,
                exclude_handoff=True,
                exclude_config_update=True,
            )
        events: list[Any] = super()._create_update_chat_ctx_events(chat_ctx)
        if is_new:
            self._sent = {event.item.id for event in events}
            self._check_restored()
        return events

    def _on_error(self, error: Any) -> None:
        if isinstance(error.error, APIConnectionError):
            self._restored.clear()
            self.answers.complete()

    def _on_event(self, event: dict[str, Any]) -> None:
        match event.get("type"):
            case "response.created":
                self._is_cancelled = False
            case "input_audio_buffer.speech_started":
                detection = self._opts.turn_detection
                if detection is not None and detection.interrupt_response is not False:
                    self._is_cancelled = True
            case "response.output_item.added":
                self._audio.add(event["item"]["id"])
                if event["item"]["type"] == "message":
                    self.answers.begin_answer(event["item"]["id"])
            case "response.done":
                self.answers.complete()
                self.forget_unheard()
            case "conversation.item.deleted":
                self._forgotten.discard(event["item_id"])
                # The plugin takes the item out of its history after this.
                asyncio.get_running_loop().call_soon(self._check_forgotten)
            case "error":
                event_id = event["error"].get("event_id") or ""
                self._forgotten.discard(event_id.removeprefix(_FORGET))
                self._check_forgotten()
            case "conversation.item.added" if event["item"]["id"] in self._sent:
                self._sent.discard(event["item"]["id"])
                # The plugin takes the item into its history after this.
                asyncio.get_running_loop().call_soon(self._check_restored)

    def _check_forgotten(self) -> None:
        if not self._forgotten:
            self._has_forgotten.set()

    def _check_restored(self) -> None:
        if not self._sent:
            self._restored.set()
