"""Turns that the agent process speaks: from its messages to the speech queue."""

import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from lite_gateway.datastream.speech_queue import SpeechQueue
from lite_gateway.playout.playout import Playout
from protocol.link.messages import OpenTurn
from protocol.phones.phone_list import TimedPhone

log = logging.getLogger(__name__)


class TurnListener(Protocol):
    """Receiver of the reports of turns, by the link's numbers; returns at once."""

    def turn_started(self, turn: int) -> None:
        """Report that the first sample and frame of a turn were sent to the room."""
        ...

    def turn_finished(self, turn: int, samples: int, *, interrupted: bool) -> None:
        """Report the end of a turn, of which ``samples`` were heard, at 24 kHz."""
        ...


class AgentTurns:
    """
    Turns of one conversation, in the order in which they were opened.

    Each turn that is opened is finished exactly once. What comes for a turn that is
    over is dropped. After a cut by the gateway, turns are over at once that the agent
    process opened before it had read of the cut: see `OpenTurn.interrupts`.
    """

    def __init__(
        self,
        playout: Playout,
        listener: TurnListener,
        *,
        on_activity: Callable[[], None],
        max_buffered_s: float,
    ) -> None:
        self._listener = listener
        self._playout = playout
        self.queue = SpeechQueue(
            playout, self, on_activity=on_activity, max_buffered_s=max_buffered_s
        )
        self._queued: dict[int, int] = {}  # turn of the link -> of the queue
        self._newest = 0
        self._closed = False
        self.interrupts = 0  # cuts by the gateway

    def open(self, message: OpenTurn) -> None:
        """Queue a turn, or end it at once if it belongs to what was cut."""
        turn = message.turn
        if turn <= self._newest:
            raise ValueError(f"turn {turn} was opened after turn {self._newest}")
        self._newest = turn
        if self._closed or message.interrupts < self.interrupts:
            self._listener.turn_finished(turn, 0, interrupted=True)
            return
        # The sender's name is the turn, so that reports name it.
        self._queued[turn] = self.queue.open(str(turn))

    def receive(self, turn: int, pcm: bytes) -> bool:
        """Append PCM (s16le, 24 kHz, mono); False if the turn is over."""
        if len(pcm) % 2:
            raise ValueError("a piece of audio has half a sample")
        queued = self._queued.get(turn)
        if queued is None:
            return False
        if not self.queue.receive(queued, pcm):
            log.warning("too much audio waits: the rest of a turn is dropped")
        return True

    def add_phones(self, turn: int, phones: Sequence[TimedPhone]) -> None:
        """Add phones of a turn, which follow those before."""
        if queued := self._queued.get(turn):
            self._playout.append(queued, b"", phones=phones)

    def seal(self, turn: int) -> None:
        """Note that no more audio of a turn follows."""
        if queued := self._queued.get(turn):
            self.queue.close(queued)

    def cut(self) -> None:
        """Cut all turns for the gateway, which then tells the agent process."""
        self.queue.clear()
        self.interrupts += 1

    def close(self) -> None:
        """Cut all turns; those that are opened later are over at once."""
        self._closed = True
        self.queue.clear()

    def hold(self) -> tuple[int, int] | None:
        """Be silent; return the turn in front and its samples that were heard."""
        held = self.queue.hold()
        if held is None:
            return None
        found = [turn for turn, queued in self._queued.items() if queued == held.turn]
        return (found[0], held.heard) if found else None

    # Reports, see `PlaybackReporter`.

    def started(self, sender: str) -> None:
        self._listener.turn_started(int(sender))

    def finished(self, sender: str, samples: int, *, interrupted: bool) -> None:
        turn = int(sender)
        self._queued.pop(turn, None)
        self._listener.turn_finished(turn, samples, interrupted=interrupted)
