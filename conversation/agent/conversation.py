"""One conversation: joins its room, hears, thinks, and speaks over the link."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from conversation.agent.engine import (
    ConversationEngine,
    RefusedCommand,
    take_exceptions,
)
from conversation.agent.link import AgentLink, ConversationOver
from conversation.agent.microphone import Microphone
from conversation.agent.room import ConversationRoom, NotJoined
from conversation.agent.silence_watch import MAX_SILENCE_S, watch_silence
from conversation.agent.speaker import AvatarText, Speaker
from conversation.agent.speeches import Speeches
from conversation.agent.stage_times import TurnMoments
from conversation.agent.user_text import UserText
from protocol.link.messages import (
    Attend,
    Command,
    Happened,
    Joined,
    SpeechFinished,
    SpeechHeld,
    SpeechStarted,
    ToAgent,
)
from protocol.link.settings import ConversationSettings

log = logging.getLogger(__name__)

# Texts of clients that wait; `ChannelMachine` bounds those to be spoken by the same.
MAX_ASKED = 256
CLOSE_S = 2.0  # for the models to close their connections
# A wrong key shows before anybody is in the room who could be told.
LISTENER_S = 3.0


async def converse(settings: ConversationSettings, link: AgentLink) -> None:
    """
    Hold a conversation until it is over.

    It is cancelled when the gateway ends it. `ConversationOver` says why it ends by
    itself; any other error ends it as a failure of the agent.
    """
    microphone = Microphone(listening=not settings.push_to_talk)
    moments = TurnMoments()
    engine = _engine(settings, microphone, moments)
    conversation = Conversation(settings, link, engine, microphone, moments)
    await conversation.run()


def _engine(
    settings: ConversationSettings, microphone: Microphone, moments: TurnMoments
) -> ConversationEngine:
    """Return the models that the settings ask for."""
    if settings.mode == "OPENAI_REALTIME":
        from conversation.agent.realtime import realtime_engine

        return realtime_engine(settings, microphone, moments)
    if settings.mode == "FULL":
        from conversation.agent.pipeline import pipeline_engine

        return pipeline_engine(settings, microphone, moments)
    if settings.mode == "GEMINI_REALTIME":
        from conversation.agent.gemini import gemini_engine

        return gemini_engine(settings, microphone, moments)
    raise ConversationOver(
        "SERVER_ERROR", f"conversations of the kind {settings.mode} are not available"
    )


class Conversation:
    """Conversation of one session: room, models and link, and what they tell."""

    def __init__(
        self,
        settings: ConversationSettings,
        link: AgentLink,
        engine: ConversationEngine,
        microphone: Microphone,
        moments: TurnMoments,
        *,
        room: ConversationRoom | None = None,
    ) -> None:
        self._settings = settings
        self._link = link
        self._engine = engine
        self._microphone = microphone
        self._moments = moments
        self._room = room or ConversationRoom(settings.avatar_identity, microphone)
        self._session = engine.session
        self._open_parts: list[Any] = [engine.session, engine]
        self._speeches = Speeches(lambda: self._session.current_speech)
        self._speaker = Speaker(link, moments, self._speeches)
        self._user_text = UserText()
        self._opening = settings.opening_text
        # Speeches that clients asked for, and that the models were not asked for yet.
        self._asked: asyncio.Queue[tuple[Callable[[str], Any], Command]] = (
            asyncio.Queue()
        )
        self._over: asyncio.Future[ConversationOver] = (
            asyncio.get_running_loop().create_future()
        )
        self._group: asyncio.TaskGroup | None = None
        self._has_listener = asyncio.Event()
        self._session.input.audio = microphone
        self._session.output.audio = self._speaker
        self._session.output.transcription = AvatarText(self._speaker)
        self._session.on("speech_created", self._on_speech)
        self._session.on("agent_state_changed", self._on_agent_state)
        self._session.on("user_state_changed", self._on_user_state)
        self._session.on("user_input_transcribed", self._on_user_text)
        self._session.on("error", self._on_error)
        self._session.on("close", self._on_close)

    async def run(self) -> None:
        """Converse until cancelled, or until `ConversationOver` says why not."""
        try:
            await self._room.join(self._settings.room_url, self._settings.room_token)
            async with asyncio.TaskGroup() as group:
                self._group = group
                # The microphone keeps what is said while the models start.
                group.create_task(self._stay(), name="room")
                await self._session.start(
                    self._engine.agent, session_host=False, record=False
                )
                self._engine.started()
                self._link.send(Joined(self._link.number))
                group.create_task(self._speaker.tell_heard_text(), name="heard text")
                group.create_task(
                    watch_silence(self._speaker, self._on_silence), name="silence"
                )
                group.create_task(self._end(), name="end")
                group.create_task(self._ask(), name="ask")
                if not self._settings.wait_for_listener:
                    self._open()
                async for message in self._link.messages():
                    self._receive(message)
        except NotJoined as problem:
            raise ConversationOver("SERVER_ERROR", str(problem)) from None
        finally:
            await self._close()

    async def _close(self) -> None:
        """Leave the room and the models; it takes seconds at most."""
        self._speaker.close()
        self._microphone.end()
        await self._close_models()
        await self._room.leave()

    async def _close_models(self) -> None:
        while self._open_parts:
            part = self._open_parts.pop(0)
            try:
                async with asyncio.timeout(CLOSE_S):
                    await part.aclose()
            except Exception as error:  # boundary: of a plugin whose connection failed
                log.info("a part failed to close: %s", type(error).__name__)

    async def _stay(self) -> None:
        reason = await self._room.run()
        raise ConversationOver(
            "SERVER_ERROR", f"the agent was disconnected from the room ({reason})"
        )

    async def _end(self) -> None:
        over = await self._over
        if over.code:  # people are to read it
            await self._close_models()  # which would try again
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LISTENER_S):
                    await self._has_listener.wait()
        raise over

    def _end_with(self, text: str, code: str = "") -> None:
        """End the conversation; the first reason counts."""
        if not self._over.done():
            self._over.set_result(ConversationOver("SERVER_ERROR", text, code))

    # From the gateway.

    def _receive(self, message: ToAgent) -> None:
        match message:
            case SpeechStarted() | SpeechFinished() | SpeechHeld():
                self._speaker.receive(message)
            case Command():
                self._perform(message)

    def _perform(self, command: Command) -> None:
        if command.name == "listener":
            self._has_listener.set()
        if self._over.done():  # the models have left
            return
        match command.name:
            case "speak_text":
                self._queue(self._engine.speak, command)
            case "speak_response":
                self._queue(self._engine.respond, command)
            case "interrupt":
                self._speaker.interrupts += 1
                while not self._asked.empty():
                    self._asked.get_nowait()
                self._engine.interrupt()
            case "push_to_talk_start":
                self._engine.begin_turn()
                self._microphone.listen()
                self._tell_user_state("speaking")
            case "push_to_talk_stop":
                self._microphone.stop_listening()
                self._tell_user_state("listening")
                self._start(self._commit(), "commit")
            case "listener":
                self._open()

    async def _commit(self) -> None:
        """Answer a turn of push to talk when the session has read all of it."""
        await self._microphone.wait_read()
        await self._engine.commit_turn()

    def _queue(self, ask: Callable[[str], Any], command: Command) -> None:
        if self._asked.qsize() < MAX_ASKED:
            self._asked.put_nowait((ask, command))
            return
        text = f"{MAX_ASKED} texts wait already: this one was dropped"
        self._happened("error", text, "invalid_request", command.event_id)

    def _open(self) -> None:
        """Speak the opening, once."""
        text, self._opening = self._opening, ""
        if text:
            command = Command(self._link.number, "speak_text", text)
            self._asked.put_nowait((self._engine.speak, command))

    async def _ask(self) -> None:
        """Ask the models for one speech after another."""
        while True:
            ask, command = await self._asked.get()
            read = self._speaker.interrupts
            is_answer = ask == self._engine.respond
            if is_answer:
                await self._wait_quiet()
            await self._engine.wait_ready()
            # It was interrupted meanwhile, or the models have left.
            if self._speaker.interrupts != read or self._over.done():
                continue
            try:
                handle = ask(command.text)
            except RefusedCommand as refused:
                self._happened(
                    "error", str(refused), "invalid_request", command.event_id
                )
                continue
            self._speeches.note(handle, command.event_id)
            self._moments.begin_asked(handle, is_answer=is_answer)
            self._start(self._report_failure(handle, command.event_id), "speech")

    async def _wait_quiet(self) -> None:
        """Wait until nothing is spoken, as the history has a speech at its end."""
        while (speech := self._speeches.oldest) is not None:
            await speech
            await asyncio.sleep(0)  # the session takes note of its end after this

    async def _report_failure(self, handle: Any, event_id: str | None) -> None:
        """Tell clients if a speech that they asked for fails."""
        await handle
        error = handle.exception()
        if error is not None and (fault := self._engine.fault(error)):
            self._happened("error", fault.text, fault.code, event_id)

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        assert self._group is not None
        self._group.create_task(work, name=name)

    # From the session.

    def _on_speech(self, event: Any) -> None:
        event.speech_handle.add_done_callback(take_exceptions)

    def _on_agent_state(self, event: Any) -> None:
        self._link.send(Attend(self._link.number, agent=event.new_state))

    def _on_user_state(self, event: Any) -> None:
        self._tell_user_state(event.new_state)

    def _tell_user_state(self, state: str) -> None:
        self._link.send(Attend(self._link.number, user=state))
        began = state == "speaking"
        self._happened("user.speak_started" if began else "user.speak_ended")

    def _on_user_text(self, event: Any) -> None:
        if event.is_final:
            self._user_text.end()
            self._happened("user.transcription", event.transcript.strip())
        elif more := self._user_text.more(event.transcript):
            self._happened("user.transcription.chunk", more)

    def _on_error(self, event: Any) -> None:
        fault = self._engine.fault(event.error)
        if fault is None:
            return
        if fault.is_fatal:
            self._end_with(fault.text, fault.code)
        else:
            source = self._speeches.source_of(fault.speech)
            self._happened("error", fault.text, fault.code, source)

    def _on_silence(self, source: str | None) -> None:
        log.error("a speech was not played for %.0f s and is given up", MAX_SILENCE_S)
        text = "the avatar did not speak what it had to say; the turn was given up"
        self._happened("error", text, "timeout", source)

    def _on_close(self, event: Any) -> None:
        self._end_with(f"the models have left the conversation ({event.reason.value})")

    def _happened(
        self, event: str, text: str = "", code: str = "", source: str | None = None
    ) -> None:
        number = self._link.number
        self._link.send(Happened(number, event, text, code, source_event_id=source))
