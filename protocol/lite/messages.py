"""
Messages of the LITE WebSocket as plain data.

Clients send a `ClientMessage`, the server sends a `ServerEvent`. Audio is PCM, signed
16 bit little endian, mono, at `SAMPLE_RATE`. The audio of a message may end in half a
sample: the next message begins with its other half.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

SAMPLE_RATE = 24_000  # Hz
MAX_PCM_BYTES = 1 << 20  # per message, after base64
# Of a message: the longest audio in base64, with line breaks and the other fields.
MAX_FRAME_CHARS = 3 << 19
MAX_MESSAGE_PHONES = 500  # more than the longest audio has
EMOTIONS = ("neutral", "happy", "sad", "surprised", "concerned", "serious", "angry")


@dataclass(frozen=True, slots=True)
class Speak:
    """
    Command ``agent.speak``: append audio to the open turn, or open one.

    The face shows ``emotion``, one of `EMOTIONS`, from this audio on. None keeps the
    emotion that the turn has. ``phones`` are a JSON value for
    `protocol.phones.phone_list.read_phones`, or None.
    """

    audio: bytes
    event_id: str | None = None
    emotion: str | None = None
    phones: Any = None


@dataclass(frozen=True, slots=True)
class SpeakEnd:
    """Command ``agent.speak_end``: seal the open turn, after ``audio`` if any."""

    event_id: str | None = None
    audio: bytes = b""


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Command ``agent.interrupt``: drop all audio that has not been heard."""

    event_id: str | None = None


@dataclass(frozen=True, slots=True)
class StartListening:
    """
    Command ``agent.start_listening``: show the listening pose.

    The face shows ``emotion``, one of `EMOTIONS`, while the agent listens. None means
    neutral.
    """

    event_id: str | None = None
    emotion: str | None = None


@dataclass(frozen=True, slots=True)
class StopListening:
    """Command ``agent.stop_listening``: leave the listening pose."""

    event_id: str | None = None


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """Command ``session.keep_alive``: restart the idle timer of the session."""

    event_id: str | None = None


@dataclass(frozen=True, slots=True)
class Tolerated:
    """Message that real clients send and the server accepts without an effect."""

    type: str
    event_id: str | None = None


ClientMessage = (
    Speak
    | SpeakEnd
    | Interrupt
    | StartListening
    | StopListening
    | KeepAlive
    | Tolerated
)


class AckKind(StrEnum):
    """Wire type of an `Ack`."""

    APPENDED = "agent.audio_buffer_appended"
    COMMITTED = "agent.audio_buffer_committed"
    CLEARED = "agent.audio_buffer_cleared"


class ErrorKind(StrEnum):
    """Wire type inside an `Error`."""

    INVALID_REQUEST = "invalid_request_error"
    SERVER = "server_error"
    STARVATION = "video_starvation"


class WarningKind(StrEnum):
    """Wire type inside a `Warned`."""

    UNKNOWN_AVATAR = "unknown_avatar"
    EMPTY_AUDIO = "empty_audio"
    MISSING_SPEAK_END = "missing_speak_end"
    NOTHING_TO_END = "nothing_to_end"
    STALE_AUDIO = "stale_audio"
    NOT_PCM = "not_pcm"
    LATE_PHONES = "late_phones"
    UNDERRUN = "underrun"
    REDUCED_FRAME_RATE = "reduced_frame_rate"
    FULL_FRAME_RATE = "full_frame_rate"


class EndReason(StrEnum):
    """
    Reason why a session ended.

    All but `SERVER_SHUTDOWN` are the closed set of the hosted service.
    """

    UNKNOWN = "UNKNOWN"
    USER_DISCONNECTED = "USER_DISCONNECTED"
    SERVER_ERROR = "SERVER_ERROR"
    IDLE_TIMEOUT = "IDLE_TIMEOUT"
    NO_CREDITS = "NO_CREDITS"
    USER_CLOSED = "USER_CLOSED"
    AVATAR_DELETED = "AVATAR_DELETED"
    MAX_DURATION_REACHED = "MAX_DURATION_REACHED"
    ZOMBIE_SESSION_REAP = "ZOMBIE_SESSION_REAP"
    AGENT_HANG_UP = "AGENT_HANG_UP"
    SERVER_SHUTDOWN = "SERVER_SHUTDOWN"


@dataclass(frozen=True, slots=True)
class SessionState:
    """Event ``session.state_updated``: connected, closing or closed."""

    state: str


@dataclass(frozen=True, slots=True)
class AgentState:
    """Event ``agent.state_updated``: idle, listening or talking."""

    previous: str
    new: str


@dataclass(frozen=True, slots=True)
class Ack:
    """
    Event that acknowledges one command.

    ``event_id`` is new, ``source`` is the ``event_id`` of the command.
    """

    kind: AckKind
    event_id: str
    source: str | None
    task: str


@dataclass(frozen=True, slots=True)
class SpeakStarted:
    """Event ``agent.speak_started``: the first sample was submitted to the room."""

    event_id: str  # of the command that opened the turn
    task: str


@dataclass(frozen=True, slots=True)
class SpeakEnded:
    """
    Event ``agent.speak_ended``: the last sample of a turn was heard.

    A turn without audio ends in the same way, without a start.
    """

    event_id: str  # of the command that opened the turn
    task: str


@dataclass(frozen=True, slots=True)
class SpeakInterrupted:
    """Event ``agent.speak_interrupted``: an interrupt ended a turn, started or not."""

    event_id: str  # of the command that opened the turn
    task: str
    played_ms: int  # heard of the turn


@dataclass(frozen=True, slots=True)
class IdleStarted:
    """Event ``agent.idle_started``: the pose is idle from now on."""

    task: str


@dataclass(frozen=True, slots=True)
class IdleEnded:
    """Event ``agent.idle_ended``: the pose is idle no more."""

    task: str


@dataclass(frozen=True, slots=True)
class Error:
    """Event ``error``; ``event_id`` is that of the refused message, where known."""

    kind: ErrorKind
    text: str
    event_id: str | None = None


@dataclass(frozen=True, slots=True)
class Warned:
    """Event ``warning``: the client may ignore it."""

    kind: WarningKind
    text: str


@dataclass(frozen=True, slots=True)
class SessionStopped:
    """Event ``session.stopped``, sent before the socket closes."""

    reason: EndReason
    text: str


ServerEvent = (
    SessionState
    | AgentState
    | Ack
    | SpeakStarted
    | SpeakEnded
    | SpeakInterrupted
    | IdleStarted
    | IdleEnded
    | Error
    | Warned
    | SessionStopped
)
