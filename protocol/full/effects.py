"""Effects of the data channel's machine, which the gateway performs in their order."""

from dataclasses import dataclass

from protocol.full.messages import ChannelEvent


@dataclass(frozen=True, slots=True)
class SendEvent:
    """Effect: send ``event`` to everybody in the room."""

    event: ChannelEvent


@dataclass(frozen=True, slots=True)
class CutSpeech:
    """
    Effect: cut every turn of the avatar, before the next effect.

    Report each turn with `ChannelMachine.finished`. `TellAgent` with "interrupt"
    follows: the agent process counts those, see `OpenTurn.interrupts`.
    """


@dataclass(frozen=True, slots=True)
class TellAgent:
    """
    Effect: send the agent process a `Command` of that name and text.

    ``event_id`` is the machine's own key of the command, not the client's id.
    """

    name: str
    text: str = ""
    event_id: str | None = None


@dataclass(frozen=True, slots=True)
class SetPose:
    """Effect: show the listening pose, or the idle one; after speech if any."""

    listening: bool


@dataclass(frozen=True, slots=True)
class StopSession:
    """Effect: end the session, as its client asked."""


@dataclass(frozen=True, slots=True)
class StoreLine:
    """Effect: store a line of the transcript; ``role`` is user or avatar."""

    role: str
    text: str


ChannelEffect = SendEvent | CutSpeech | TellAgent | SetPose | StopSession | StoreLine
