"""Gaps in the speech of one turn: how long the listener heard silence, and why."""

from dataclasses import dataclass

REPORTED_S = 0.1  # in all; shorter gaps of a turn are counted only
_MIN_GAP_S = 0.001  # less is the rounding of samples and timers


@dataclass(slots=True)
class Gaps:
    """
    Gaps of one turn, in seconds.

    ``audio_late_s``: the audio arrived after it was due.
    ``server_late_s``: it was there, and this process submitted it too late.
    """

    count: int = 0
    audio_late_s: float = 0.0
    server_late_s: float = 0.0
    _covered_s: float | None = None  # until when the listener has audio

    @property
    def total_s(self) -> float:
        return self.audio_late_s + self.server_late_s

    def hold(self, now_s: float, *, in_underrun: bool) -> None:
        """Note that the turn is held: the silence until its next step is no gap."""
        self.submit(now_s, 0.0, after_underrun=in_underrun)
        self._covered_s = None

    def submit(self, now_s: float, audio_s: float, *, after_underrun: bool) -> None:
        """Note that a step of ``audio_s`` is submitted now."""
        covered_s = now_s if self._covered_s is None else self._covered_s
        self._covered_s = max(covered_s, now_s) + audio_s
        gap_s = now_s - covered_s
        if gap_s <= _MIN_GAP_S:
            return
        self.count += 1
        if after_underrun:
            self.audio_late_s += gap_s
        else:
            self.server_late_s += gap_s
