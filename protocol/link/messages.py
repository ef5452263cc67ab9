"""
Messages between the gateway and its agent process, and their frames.

The agent process hears, thinks and makes speech; the gateway plays it, and tells how
much of it was heard. A *turn* here is one stretch of speech of the avatar; the agent
process numbers the turns of each conversation from 1.
"""

from dataclasses import dataclass, field, fields
from typing import Any

import orjson

from protocol.link.frames import BrokenFrame, Frame
from protocol.link.settings import ConversationSettings
from protocol.phones.phone_list import TimedPhone

# Event of the built-in speech, beside OpenAI's, with the phones of audio that follows:
# [phoneme, start_s, end_s, stress], counted from the start of the request's audio.
PHONES_EVENT = "speech.audio.phones"

# Gateway to agent process.


@dataclass(frozen=True, slots=True)
class Begin:
    """Begin a conversation: join its room, and connect to what it needs."""

    conversation: int
    settings: ConversationSettings


@dataclass(frozen=True, slots=True)
class End:
    """End a conversation: leave its room."""

    conversation: int


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The first sample and frame of a turn were submitted to the room."""

    conversation: int
    turn: int


@dataclass(frozen=True, slots=True)
class SpeechFinished:
    """A turn is over; ``samples`` of it were heard, at 24 kHz. Told once a turn."""

    conversation: int
    turn: int
    samples: int
    interrupted: bool


@dataclass(frozen=True, slots=True)
class SpeechHeld:
    """The turn in front is held; ``samples`` of it were heard so far."""

    conversation: int
    turn: int
    samples: int


@dataclass(frozen=True, slots=True)
class Command:
    """
    Command of a client for the agent process.

    ``name`` is one of `COMMANDS`. ``event_id`` names the command in its answers, as
    their ``source_event_id``; it is a key of the gateway, not the client's id. The
    gateway cuts all speech itself before it sends ``interrupt``, and it sends one
    before each ``push_to_talk_start``.
    """

    conversation: int
    name: str
    text: str = ""
    event_id: str | None = None


@dataclass(frozen=True, slots=True)
class Ping:
    """Ask whether the agent process still runs its loop. ``conversation`` is 0."""

    conversation: int = 0


COMMANDS = (
    "speak_text",  # speak ``text`` as it is, after what is queued
    "speak_response",  # give ``text`` to the language model as the user's words
    "interrupt",  # drop speech, queue, and the completion in flight
    "push_to_talk_start",
    "push_to_talk_stop",
    "listener",  # the first person has subscribed to the avatar's audio
)


# Agent process to gateway.


@dataclass(frozen=True, slots=True)
class Ready:
    """The agent process is warm and takes conversations. ``conversation`` is 0."""

    conversation: int = 0


@dataclass(frozen=True, slots=True)
class Pong:
    """
    Answer `Ping`. ``conversation`` is 0.

    ``at_s`` is when the agent process read it, as `time.monotonic` of this machine.
    """

    conversation: int = 0
    at_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Joined:
    """The agent is in the room of a conversation, and hears."""

    conversation: int


@dataclass(frozen=True, slots=True)
class Ended:
    """
    A conversation is over, or never began; the session ends with this reason.

    ``reason`` is a name of `protocol.lite.messages.EndReason`. ``code`` is empty, or a
    code of `ERROR_CODES`: the fault of a provider or of a setting. It also answers
    `End`.
    """

    conversation: int
    reason: str
    text: str
    code: str = ""


@dataclass(frozen=True, slots=True)
class OpenTurn:
    """
    Queue a turn.

    ``source_event_id`` is the command that asked for it, None if none did.
    ``interrupts`` counts the commands ``interrupt`` that the agent process has read: a
    turn that it opened before it read the newest one is over at once.
    """

    conversation: int
    turn: int
    source_event_id: str | None = None
    interrupts: int = 0


@dataclass(frozen=True, slots=True)
class TurnAudioPiece:
    """PCM of a turn, s16le, mono, 24 kHz, whole samples; dropped if it is over."""

    conversation: int
    turn: int
    pcm: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class TurnPhones:
    """Phones of a turn, in order of time, before their audio or with it."""

    conversation: int
    turn: int
    phones: tuple[TimedPhone, ...]


@dataclass(frozen=True, slots=True)
class SealTurn:
    """No more audio of a turn follows."""

    conversation: int
    turn: int


@dataclass(frozen=True, slots=True)
class Clear:
    """Cut all turns. Each is answered by `SpeechFinished`."""

    conversation: int


@dataclass(frozen=True, slots=True)
class Hold:
    """Be silent, and keep what was not heard. `SpeechHeld` answers it, if one plays."""

    conversation: int


@dataclass(frozen=True, slots=True)
class Release:
    """Go on where `Hold` has stopped."""

    conversation: int


@dataclass(frozen=True, slots=True)
class Attend:
    """States of agent and user, in the words of livekit-agents; "" if unchanged."""

    conversation: int
    agent: str = ""
    user: str = ""


@dataclass(frozen=True, slots=True)
class Happened:
    """
    Event for the clients in the room; the gateway adds ids and keeps the order.

    ``event`` is one of `EVENTS`. ``source_event_id`` is that of the command that caused
    it, None if none did.
    """

    conversation: int
    event: str
    text: str = ""
    code: str = ""  # of an error, one of `ERROR_CODES`
    turn: int = 0  # of the avatar, where the event belongs to one
    source_event_id: str | None = None


EVENTS = (
    "user.speak_started",
    "user.speak_ended",
    "user.transcription.chunk",  # ``text`` is a delta
    "user.transcription",
    "avatar.transcription.chunk",  # ``text`` is a delta
    "avatar.transcription",  # canonical; of a cut turn the words that were heard
    "avatar.transcription.heard",  # ``text`` heard so far; ours alone
    "user.push_to_talk_started",
    "user.push_to_talk_start_failed",
    "user.push_to_talk_stopped",
    "user.push_to_talk_stop_failed",
    "error",
)
ERROR_CODES = (
    *("auth", "model", "quota", "unreachable", "timeout", "cut", "nonsense"),
    *("stt", "tts", "restarting", "invalid_request"),
)


@dataclass(frozen=True, slots=True)
class StageTimes:
    """
    Moments of one turn, as `time.monotonic` of this machine, in seconds.

    ``moments`` has the names of `MOMENTS` in that order, without those that a turn does
    not have. The gateway adds the moments of link and playout.
    """

    conversation: int
    turn: int
    moments: dict[str, float]


MOMENTS = (
    "last_speech",  # the user's last loud sample arrived
    "turn_end",  # the pipeline takes the user's turn as over
    "stt",  # its final transcript is there
    "llm_first_token",
    "first_sentence",  # complete, and given to text-to-speech
    "tts_first_audio",  # its first audio is written to the link, or waits
    "queue",  # it is written; only if it has waited for the end of another speech
)


_KINDS: tuple[type[Any], ...] = (
    *(Begin, End, SpeechStarted, SpeechFinished, SpeechHeld, Command),
    *(Ready, Joined, Ended, OpenTurn, TurnAudioPiece, SealTurn, Clear, Hold, Release),
    *(Attend, Happened, StageTimes, Ping, Pong, TurnPhones),
)
ToAgent = Begin | End | SpeechStarted | SpeechFinished | SpeechHeld | Command | Ping
ToGateway = (
    Ready
    | Pong
    | Joined
    | Ended
    | OpenTurn
    | TurnAudioPiece
    | TurnPhones
    | SealTurn
    | Clear
    | Hold
    | Release
    | Attend
    | Happened
    | StageTimes
)
LinkMessage = ToAgent | ToGateway


def to_frame(message: LinkMessage) -> Frame:
    """Return the frame of a message."""
    kind, turn = _KINDS.index(type(message)), getattr(message, "turn", 0)
    if isinstance(message, TurnAudioPiece):
        return Frame(kind, message.conversation, turn, message.pcm)
    values = {
        each.name: getattr(message, each.name)
        for each in fields(message)
        if each.name not in ("conversation", "turn")
    }
    # A TimedPhone is a tuple with names, which orjson leaves to `default`.
    payload = orjson.dumps(values, default=list) if values else b""
    return Frame(kind, message.conversation, turn, payload)


def from_frame(frame: Frame) -> LinkMessage:
    """Return the message of a frame; `BrokenFrame` if there is none such."""
    try:
        kind = _KINDS[frame.kind]
        values: dict[str, Any] = {"conversation": frame.conversation}
        if "turn" in kind.__dataclass_fields__:
            values["turn"] = frame.turn
        if kind is TurnAudioPiece:
            return TurnAudioPiece(**values, pcm=frame.payload)
        if frame.payload:
            values |= orjson.loads(frame.payload)
        if kind is Begin:
            values["settings"] = ConversationSettings.from_json(values["settings"])
        if kind is TurnPhones:
            values["phones"] = tuple(TimedPhone(*phone) for phone in values["phones"])
        message: LinkMessage = kind(**values)
    except (AttributeError, IndexError, TypeError, KeyError, ValueError):
        # Without the error's text: it could hold a secret of the settings.
        raise BrokenFrame(f"a frame of kind {frame.kind} cannot be read") from None
    return message
