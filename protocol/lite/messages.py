"""
Every message of the LITE WebSocket as plain data.

``ClientMessage`` is what a client may say, ``ServerEvent`` what it is told.
Audio is PCM, signed 16 bit little endian, mono, ``SAMPLE_RATE``; a message may end
in half a sample.
"""

from dataclasses import dataclass
from enum import StrEnum

SAMPLE_RATE = 24_000
MAX_PCM_BYTES = 1 << 20  # per message, after base64
EMOTIONS = ("neutral", "happy", "sad", "surprised", "concerned", "serious", "angry")


@dataclass(frozen=True, slots=True)
class Speak:
    """
    ``agent.speak``: append to the open turn, or open one.

    ``emotion``, of `EMOTIONS`: on the face from this audio on; None: as before.
    """

    audio: bytes
    event_id: str | None = None
    emotion: str | None = None


@dataclass(frozen=True, slots=True)
class SpeakEnd:
    """``agent.speak_end``: the turn is complete; ``audio`` may be its last piece."""

    event_id: str | None = None
    audio: bytes = b""


@dataclass(frozen=True, slots=True)
class Interrupt:
    """``agent.interrupt``: drop everything that has not been heard."""

    event_id: str | None = None


@dataclass(frozen=True, slots=True)
class StartListening:
    """``agent.start_listening``; ``emotion`` of `EMOTIONS`: while it listens."""

    event_id: str | None = None
    emotion: str | None = None


@dataclass(frozen=True, slots=True)
class StopListening:
    """``agent.stop_listening``."""

    event_id: str | None = None


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """``session.keep_alive``: only its arrival matters."""

    event_id: str | None = None


@dataclass(frozen=True, slots=True)
class Tolerated:
    """What real clients send and that asks for nothing, ``start`` among it."""

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
    APPENDED = "agent.audio_buffer_appended"
    COMMITTED = "agent.audio_buffer_committed"
    CLEARED = "agent.audio_buffer_cleared"


class ErrorKind(StrEnum):
    INVALID_REQUEST = "invalid_request_error"
    SERVER = "server_error"
    STARVATION = "video_starvation"


class EndReason(StrEnum):
    """Why a session ended; the service's own closed set."""

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


@dataclass(frozen=True, slots=True)
class SessionState:
    """``session.state_updated``: connecting, connected, closing or closed."""

    state: str


@dataclass(frozen=True, slots=True)
class AgentState:
    """``agent.state_updated``: idle, listening or talking."""

    previous: str
    new: str


@dataclass(frozen=True, slots=True)
class Ack:
    """One per command: its ``event_id`` is fresh, ``source`` is the command's own."""

    kind: AckKind
    event_id: str
    source: str | None
    task: str


@dataclass(frozen=True, slots=True)
class SpeakStarted:
    """The first sample of a turn was handed to the room."""

    utterance: str  # the event_id of the speak that opened the turn
    task: str


@dataclass(frozen=True, slots=True)
class SpeakEnded:
    """The last sample of a turn was heard."""

    utterance: str
    task: str


@dataclass(frozen=True, slots=True)
class SpeakInterrupted:
    """A turn was cut; ``played_ms`` of its sound had been heard."""

    utterance: str
    task: str
    played_ms: int


@dataclass(frozen=True, slots=True)
class IdleStarted:
    task: str


@dataclass(frozen=True, slots=True)
class IdleEnded:
    task: str


@dataclass(frozen=True, slots=True)
class Error:
    kind: ErrorKind
    text: str
    event_id: str | None = None


@dataclass(frozen=True, slots=True)
class Warned:
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class SessionStopped:
    """Told before the socket closes."""

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
