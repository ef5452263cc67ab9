"""Queue of the speech in one room: segments in, playout calls and reports out."""

import logging
from collections.abc import Callable
from typing import Protocol

from lite_gateway.playout.gaps import Gaps
from lite_gateway.playout.playout import Playout
from lite_gateway.playout.schedule import HeldTurn
from protocol.datastream.machine import (
    Effect,
    SegmentFinished,
    SegmentMachine,
    SegmentStarted,
)
from protocol.datastream.names import ConversationState
from protocol.lite.messages import SAMPLE_RATE
from protocol.turns import Append, Flush, Open, Seal

log = logging.getLogger(__name__)


class PlaybackReporter(Protocol):
    """Receiver of the reports for senders; each call returns at once."""

    def started(self, sender: str) -> None: ...

    def finished(self, sender: str, samples: int, *, interrupted: bool) -> None:
        """Report the end of a segment of which ``samples`` were heard, at 24 kHz."""
        ...


class SpeechQueue:
    """
    Segments that one avatar speaks, in the order in which they were opened.

    It is the `PlaybackListener` of its playout. A turn is the number that `open`
    returned; calls about a turn that is over do nothing.
    """

    def __init__(
        self,
        playout: Playout,
        reports: PlaybackReporter,
        *,
        on_activity: Callable[[], None],
        max_buffered_s: float,
    ) -> None:
        """``on_activity`` is called when a sender speaks or a state changes."""
        self._playout = playout
        self._reports = reports
        self._on_activity = on_activity
        self._max_buffered_s = max_buffered_s
        self._segments = SegmentMachine()
        self._conversation = ConversationState()

    @property
    def segments_queued(self) -> int:
        """Number of segments that are not over."""
        return self._segments.segments_queued

    # Calls of senders.

    def open(self, sender: str) -> int:
        """Queue a new segment, and return the number of its turn."""
        self._perform(self._segments.open(sender))
        return self._segments.turn

    def receive(self, turn: int, pcm: bytes) -> bool:
        """
        Append s16le samples at 24 kHz.

        Returns False, and ends the segment, if too much audio waits already.
        """
        if self._playout.buffered_s >= self._max_buffered_s:
            self.fail(turn)
            return False
        self._perform(self._segments.receive(turn, pcm))
        return True

    def close(self, turn: int) -> None:
        """Note that a segment is complete."""
        self._perform(self._segments.close(turn))

    def fail(self, turn: int) -> None:
        """
        Note that a segment is over before its end.

        What was received plays, and is then reported as interrupted.
        """
        self._perform(self._segments.fail(turn))

    def refuse(self, sender: str) -> None:
        """Report a stream that is not read as interrupted, in its order."""
        self._perform(self._segments.refuse(sender))

    def clear(self) -> None:
        """
        Cut all segments, and end a hold.

        They are silent and reported when this call returns.
        """
        self._perform(self._segments.clear())
        self._playout.release()

    def hold(self) -> HeldTurn | None:
        """
        Be silent when this call returns, and keep what was not heard.

        Return the segment in front, with its samples that were heard at 24 kHz, or None
        if no segment is queued: the next one then waits. See `Playout.hold`.
        """
        self._on_activity()
        return self._playout.hold()

    def release(self) -> None:
        """Go on where `hold` has stopped; without a hold do nothing."""
        self._on_activity()
        self._playout.release()

    def disconnected(self, sender: str) -> None:
        """Complete the segments of a sender that has left."""
        self._perform(self._segments.disconnected(sender))

    def reconnected(self, sender: str) -> None:
        """Cut the segments from before a sender left."""
        self._perform(self._segments.reconnected(sender))

    def set_state(self, *, agent: str | None = None, user: str | None = None) -> None:
        """Show what agent and user do, in the words of livekit-agents."""
        self._on_activity()
        if agent is not None:
            self._conversation.agent = agent
        if user is not None:
            self._conversation.user = user
        self._playout.pose = self._conversation.pose

    # Playback events, see `PlaybackListener`.

    def started(self, turn: int) -> None:
        self._perform(self._segments.started(turn))

    def finished(self, turn: int) -> None:
        self._perform(self._segments.finished(turn))

    def gaps(self, turn: int, gaps: Gaps) -> None:
        log.info(
            "a segment had gaps, turn=%d, count=%d, audio_late_s=%.2f, "
            "server_late_s=%.2f",
            *(turn, gaps.count, gaps.audio_late_s, gaps.server_late_s),
        )

    def long_underrun(self, turn: int) -> None:
        """Ignore a pause in the speech: agents pause, and the avatar waits."""

    def missing_end(self, turn: int) -> None:
        log.warning("a segment's trailer never came, turn=%d", turn)
        self.close(turn)

    def frame_rate_changed(self, *, reduced: bool) -> None:
        log.info("frame rate changed, reduced=%s", reduced)

    def _perform(self, effects: list[Effect]) -> None:
        self._on_activity()
        for effect in effects:
            match effect:
                case Open(turn):
                    self._playout.open(turn)
                case Append(turn, pcm):
                    self._playout.append(turn, pcm)
                case Seal(turn):
                    self._playout.seal(turn)
                case Flush(turn):
                    heard = round(self._playout.flush(turn) * SAMPLE_RATE)
                    self._perform(self._segments.flushed(effect, heard))
                case SegmentStarted(sender):
                    self._reports.started(sender)
                case SegmentFinished(sender, samples, interrupted):
                    self._reports.finished(sender, samples, interrupted=interrupted)
