"""Talkspurt: a run of speech of one turn, and when the listener hears it."""

from dataclasses import dataclass

from lite_gateway.playout.turn_audio import TurnAudio
from protocol.lite.messages import SAMPLE_RATE


@dataclass(slots=True, eq=False)
class Talkspurt:
    """
    Run of speech of one turn, between two underruns.

    Its audio has a clock of its own. The room plays what was submitted without a pause,
    until it runs dry. Then all later audio is heard later, and ``delay_s`` says by how
    much: frames keep step with the audio only if they are delayed as well.
    """

    turn: TurnAudio
    first_frame: int  # index
    first_sample: int  # position
    origin_s: float  # when its first sample is heard
    starts_by_s: float  # when the turn has started, even if no frame was sent
    delay_s: float = 0.0  # of the audio after it, because the room ran dry
    frame_sent: bool = False  # the first one
    held: bool = False  # it ended because its turn was held
    spare_s: float = float("inf")  # least time by which audio arrived before it was due

    @property
    def due_s(self) -> float:
        """Time at which the room will have played all audio submitted so far."""
        samples = self.turn.submitted - self.first_sample
        return self.origin_s + self.delay_s + samples / SAMPLE_RATE

    def note_delay(self, now_s: float) -> float:
        """
        Return by how much all later audio is newly delayed, in seconds.

        It is when the room is dry although more audio is there.
        """
        late_s = now_s - self.due_s
        if late_s <= 0 or not self.turn.unsubmitted:
            return 0.0
        self.delay_s += late_s
        return late_s
