"""Interface between a conversation and the models that hear, think and speak for it."""

from dataclasses import dataclass
from typing import Any, Protocol

from livekit.agents import Agent, AgentSession, ChatContext, ErrorEvent
from livekit.agents.voice.agent_activity import _SpeechHandleContextVar

# Messages that a language model is asked with, and that a new connection gets: with all
# of them, an hour of talk would make each request slow.
MAX_HISTORY = 200
ECHO_WARM_UP_S = 1.0  # the first speech is not interrupted by its own echo


@dataclass(frozen=True, slots=True)
class ConversationFault:
    """
    Fault of a provider, as it is told to people.

    ``code`` is one of `protocol.link.messages.ERROR_CODES`. After a fatal one the
    conversation cannot go on. ``speech`` is the ``SpeechHandle`` that failed, None if
    it is not known or none did.
    """

    code: str
    text: str
    is_fatal: bool = False
    speech: Any = None


def speech_of_task() -> Any:
    """Return the speech that the current task makes, None if it makes none."""
    return _SpeechHandleContextVar.get(None)


def tell_fault(session: AgentSession[Any], fault: ConversationFault) -> None:
    """Let the listeners of a session's errors know of a fault of our own finding."""
    session.emit("error", ErrorEvent(error=fault, source=None))


def forget_old(session: AgentSession[Any], agent: Agent) -> None:
    """Drop old messages, and the events for a report: a session keeps all for ever."""
    session._recorded_events.clear()
    for history in (agent._chat_ctx, session._chat_ctx):
        keep_newest(history)


def keep_newest(history: ChatContext) -> None:
    """Drop messages until `MAX_HISTORY` are left."""
    if len(history.items) > MAX_HISTORY:
        history.truncate(max_items=MAX_HISTORY)


def take_exceptions(speech: Any) -> None:
    """Take the exceptions of a speech's tasks: asyncio logs those that nobody takes."""
    for task in speech._tasks:
        if task.done() and not task.cancelled():
            task.exception()


class RefusedCommand(Exception):
    """Command that this conversation cannot perform; the text is told to people."""


class ConversationEngine(Protocol):
    """
    Models of one conversation, behind a session of livekit-agents.

    A speech is a ``SpeechHandle`` of the session; it waits for those before it.
    """

    session: AgentSession[Any]
    agent: Agent

    def started(self) -> None:
        """Take note that the session runs."""
        ...

    async def wait_ready(self) -> None:
        """Wait until the models can be asked to speak; mostly they can at once."""
        ...

    def speak(self, text: str) -> Any:
        """Speak a text as it is, and return the speech."""
        ...

    def respond(self, text: str) -> Any:
        """
        Answer a text that the user wrote, and return the speech.

        Raise `RefusedCommand` if nothing answers in this conversation.
        """
        ...

    def interrupt(self) -> None:
        """Drop all speech, also answers whose request is on its way."""
        ...

    def begin_turn(self) -> None:
        """Begin a turn of the user that push to talk delimits."""
        ...

    async def commit_turn(self) -> None:
        """Answer what was heard since `begin_turn`."""
        ...

    def fault(self, error: Any) -> ConversationFault | None:
        """
        Return what people are told of an error; None if they need not know.

        ``error`` is that of an ``ErrorEvent`` of the session, or the exception of a
        speech.
        """
        ...

    async def aclose(self) -> None:
        """Close the models, after the session."""
        ...
