"""
Realtime session that tells the server what was heard, also over lost connections.

The plugin mirrors the server's history with all words that were made. On a new
connection it would send those, and go on to name items that the new one does not have.
Here the history of the agent goes. Its copy of an answer, too, has all words until the
avatar has spoken it or was cut: such an answer is left out, and sent when it is known
which of its words were heard.

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
from livekit.plugins.openai.realtime.utils import livekit_item_to_openai_item
from openai.types.realtime import (
    ConversationItemCreateEvent,
    ConversationItemDeleteEvent,
)

from conversation.agent.unheard_answers import UnheardAnswers

QUIET_STEP_S = 0.25  # between two looks whether an old connection can be replaced
MAX_RESTORE_S = 15.0  # for a new connection to have the history
MAX_CONFIRM_S = 5.0  # for the server to confirm the next of the changes it was sent


class FairConnection:
    """
    WebSocket that leaves the loop to others after each message.

    The plugin reads all messages that are there in one go: a model sends an answer of
    many seconds at once, and its first audio would be passed on after the last was
    read, and all other conversations would wait as long.

    ``on_closed`` is called when it is found to be closed: by the first message that
    cannot be sent, which can be long before the last one was read. The plugin tells it
    after that, and would forget what it could not send.
    """

    def __init__(self, connection: Any, on_closed: Callable[[], None]) -> None:
        self._connection = connection
        self._on_closed = on_closed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    async def receive(self) -> Any:
        """Return the next message."""
        message = await self._connection.receive()
        if self._connection.closed:
            self._on_closed()
        await asyncio.sleep(0)
        return message

    async def send_str(self, text: str) -> None:
        """Send a message, unless the connection is lost."""
        try:
            await self._connection.send_str(text)
        except ConnectionError:
            self._on_closed()


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

    history: Callable[[], ChatContext] = staticmethod(ChatContext.empty)
    is_quiet: Callable[[], bool] = staticmethod(lambda: False)
    drop: Callable[[str], None] = staticmethod(lambda item_id: None)

    def __init__(
        self, model: HeardRealtimeModel, *, turn_detection_disabled: bool
    ) -> None:
        super().__init__(model, turn_detection_disabled=turn_detection_disabled)
        self._max_age_s = model.max_age_s
        self._connections = 0
        self._is_new = False  # the connection, and the history was not sent
        self._audio: set[str] = set()  # ids of answers with audio, on this connection
        self._left_out: set[str] = set()  # ids of answers, of the history it was sent
        self._is_cancelled = False  # the answer that is on its way
        self.answers = UnheardAnswers()
        # Ids of items by those of the events that create or delete them.
        self._unconfirmed: dict[str, str] = {}
        self._confirmed = asyncio.Event()  # the next of them
        self._connected = asyncio.Event()
        self._connected.set()
        self.on("openai_server_event_received", self._on_event)
        self.on("error", self._on_error)

    @property
    def is_lost(self) -> bool:
        """The connection is lost, and no new one was sent the history yet."""
        return not self._connected.is_set()

    async def wait_current(self) -> None:
        """
        Wait until the server has the history as it is.

        A server that is connected and confirms nothing is not waited for again.
        """
        while True:
            await self._connected.wait()
            if not self._unconfirmed:
                return
            self._confirmed.clear()
            try:
                async with asyncio.timeout(MAX_CONFIRM_S):
                    await self._confirmed.wait()
            except TimeoutError:
                self._unconfirmed.clear()

    def settle(self, item_id: str) -> None:
        """Note that an item is in the history with the words that were heard."""
        self.answers.settle(item_id)
        items = self.history().items
        index = self.history().index_by_id(item_id)
        if self.is_lost or item_id not in self._left_out or index is None:
            return
        self._left_out.discard(item_id)
        sent = {item.id for item in self.chat_ctx.items}
        sent.update(self._unconfirmed.values())
        before = [item.id for item in items[:index] if item.id in sent]
        event = ConversationItemCreateEvent(
            type="conversation.item.create",
            item=livekit_item_to_openai_item(items[index]),
            previous_item_id=before[-1] if before else "root",
            event_id=f"tell_{item_id}",
        )
        self._change(event, item_id)

    def forget_unheard(self) -> None:
        """Delete answers that nobody has heard from both histories."""
        for item_id in self.answers.take():
            self._forget(item_id)

    def _forget(self, item_id: str) -> None:
        self.drop(item_id)
        if self.is_lost or not self.chat_ctx.get_by_id(item_id):
            return  # the server does not have it
        event = ConversationItemDeleteEvent(
            type="conversation.item.delete",
            item_id=item_id,
            event_id=f"forget_{item_id}",
        )
        self._change(event, item_id)

    def _change(self, event: Any, item_id: str) -> None:
        self._unconfirmed[event.event_id] = item_id
        self.send_event(event)

    async def update_chat_ctx(self, chat_ctx: ChatContext) -> None:
        """
        Send what neither history has, once the server has the history as it is.

        The framework makes ``chat_ctx`` of the plugin's mirror, or of its own history,
        and both have words that nobody heard while an answer is spoken. An item that
        is missing in it may have come meanwhile.
        """
        old = {item.id for item in (*self.chat_ctx.items, *self.history().items)}
        new = [item for item in chat_ctx.items if item.id not in old]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(MAX_RESTORE_S):
                await self.wait_current()
        await super().update_chat_ctx(ChatContext([*self.chat_ctx.items, *new]))

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
        """
        Cut an answer at what was heard of it.

        The history gets the words next, and `settle` sends an answer of an earlier
        connection then. Without a word nothing comes, and its copy has all words.
        """
        if not values.get("audio_transcript"):
            self.answers.settle(message_id)
            self.drop(message_id)
        if audio_end_ms == 0:
            self._forget(message_id)
        elif not self.is_lost and message_id in self._audio:
            super().truncate(message_id=message_id, audio_end_ms=audio_end_ms, **values)

    async def _create_ws_conn(self) -> Any:
        connection = FairConnection(await super()._create_ws_conn(), self._lose)
        self._connections += 1
        self._is_new = self._connections > 1
        self._audio.clear()
        if not self._is_new:  # there is no history, also if others have failed before
            self._connected.set()
        return connection

    async def _run_ws(self, ws_conn: Any) -> None:
        """Talk over a connection until it is lost, or old while nothing is said."""
        loop = asyncio.get_running_loop()
        life = asyncio.timeout(None)
        due = loop.call_later(self._max_age_s, lambda: renew())

        def renew() -> None:
            nonlocal due
            if self.is_quiet():
                self._lose()
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
        if not is_new:
            events: list[Any] = super()._create_update_chat_ctx_events(chat_ctx)
            return events
        history = self.history().copy(
            exclude_instructions=True,
            exclude_empty_message=True,
            exclude_handoff=True,
            exclude_config_update=True,
        )
        self._left_out = self.answers.open
        kept = [item for item in history.items if item.id not in self._left_out]
        events = super()._create_update_chat_ctx_events(ChatContext(kept))
        self._unconfirmed = {event.event_id: event.item.id for event in events}
        sent = ["root", *self._unconfirmed.values()]
        for event in self._sent_chat_ctx_events.values():  # sent again after these
            if event["previous_item_id"] not in sent:  # an answer that nobody heard
                event["previous_item_id"] = sent[-1]
            sent.append(event["item"]["id"])
        self._connected.set()
        return events

    def _lose(self) -> None:
        """Note that there is no connection."""
        if self._closing:  # by itself: nothing waits for another one
            return
        self._connected.clear()
        self._unconfirmed.clear()
        self._confirmed.set()
        self.answers.complete()

    def _on_error(self, error: Any) -> None:
        if isinstance(error.error, APIConnectionError):
            self._lose()

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
            case "conversation.item.added":
                self._confirm(event["item"]["id"])
            case "conversation.item.deleted":
                self._confirm(event["item_id"])
            case "error":
                self._unconfirmed.pop(event["error"].get("event_id") or "", None)
                self._confirmed.set()

    def _confirm(self, item_id: str) -> None:
        self._unconfirmed = {
            event_id: changed
            for event_id, changed in self._unconfirmed.items()
            if changed != item_id
        }
        self._confirmed.set()
