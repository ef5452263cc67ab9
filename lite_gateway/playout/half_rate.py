"""Half frame rate: which frames of one session are left out."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LeftOut:
    """One frame that is left out."""

    pose: str


class HalfRate:
    """
    Chooser of the frames that a session leaves out: every second, never two in a row.

    ``slot`` is the time at which a frame is due, in frames since the machine started:
    each frame has the slot after that of the frame before, until the next re-phase.
    ``parity`` is 0 or 1: sessions with the other one show their frames in the slots
    between, so that the renderer has as much to do in each of them.
    """

    def __init__(self, parity: int = 0) -> None:
        self._parity = parity
        self._shown: int | None = None  # slot of the newest frame that was shown

    def leaves_out(self, slot: int) -> bool:
        """Return whether to leave out a frame while the rate is halved."""
        return self._shown == slot - 1 and self._is_odd(slot)

    def show(self, slot: int) -> None:
        """Note that a frame is shown."""
        self._shown = slot

    def show_next(self) -> None:
        """Show the next frame in any case: the first of a talkspurt or after a cut."""
        self._shown = None

    def left_out_of(self, slot: int, skipped: int) -> int:
        """Return how many of the frames ``skipped`` before ``slot`` count as such."""
        return sum(map(self._is_odd, range(slot - skipped, slot)))

    def _is_odd(self, slot: int) -> bool:
        return slot % 2 != self._parity
