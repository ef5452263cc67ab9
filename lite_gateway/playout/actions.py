"""Actions of the audio loop, as `TurnSchedule.next_audio` returns them."""

from dataclasses import dataclass, field

from lite_gateway.playout.gaps import Gaps


@dataclass(frozen=True, slots=True)
class Wait:
    """Decide again after ``wait_s``, or as soon as the schedule has changed."""

    wait_s: float


@dataclass(frozen=True, slots=True)
class SendSilence:
    """Submit a step of silence: a track that pauses costs the listener a restart."""


@dataclass(frozen=True, slots=True)
class BeginTalkspurt:
    """The frame clock was re-phased: the first frame of speech is due now."""


@dataclass(frozen=True, slots=True)
class ClearSilence:
    """Drop the silence that is queued in the room: speech follows."""


@dataclass(frozen=True, slots=True)
class SendStep:
    """Submit a step of speech; ``first`` is its position in the turn."""

    turn: int
    first: int
    pcm: bytes


@dataclass(frozen=True, slots=True)
class TurnStarted:
    """The first step and the first frame of a turn were sent."""

    turn: int
    added_s: float  # since its audio arrived, or the turn before it was over


@dataclass(frozen=True, slots=True)
class TurnFinished:
    """The whole turn was heard; ``spoken`` is False if it had no audio."""

    turn: int
    spoken: bool
    gaps: Gaps = field(default_factory=Gaps, compare=False)


@dataclass(frozen=True, slots=True)
class Underrun:
    """All audio received so far was heard, and the turn goes on."""


@dataclass(frozen=True, slots=True)
class LongUnderrun:
    """The turn has had no audio for `UNDERRUN_REPORT_S`."""

    turn: int


@dataclass(frozen=True, slots=True)
class MissingEnd:
    """The turn is not sealed, and no audio arrived for ``missing_end_s``."""

    turn: int


AudioReport = TurnStarted | TurnFinished | Underrun | LongUnderrun | MissingEnd
AudioAction = (
    Wait | SendSilence | BeginTalkspurt | ClearSilence | SendStep | AudioReport
)
