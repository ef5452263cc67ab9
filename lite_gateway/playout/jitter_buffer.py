"""Adaptive playout delay: how much audio to hold before speech begins, 0 to 40 ms."""

MAX_DELAY_S = 0.040
STEP_S = 0.010
CALM_SPARE_S = 0.030  # spare time that a calm talkspurt has at least
MAX_PACED_S = 0.200  # a sender further ahead does not pace, and shows no jitter
CALM_TALKSPURTS = 3  # in a row, before the delay shrinks


class JitterBuffer:
    """
    Delay that grows by a step after an underrun and shrinks after calm speech.

    Bursts are not delayed: their first message already holds more than the target.
    """

    def __init__(self, target_s: float = MAX_DELAY_S) -> None:
        self.target_s = target_s
        self._calm = 0  # talkspurts in a row

    def on_underrun(self) -> None:
        """Grow the delay by a step."""
        self.target_s = min(MAX_DELAY_S, self.target_s + STEP_S)
        self._calm = 0

    def on_talkspurt_end(self, spare_s: float) -> None:
        """
        Shrink the delay by a step if this is the third calm talkspurt in a row.

        ``spare_s``: the least time by which audio arrived before it was due.
        """
        if spare_s > MAX_PACED_S:
            return
        self._calm = self._calm + 1 if spare_s >= CALM_SPARE_S else 0
        if self._calm >= CALM_TALKSPURTS:
            self.target_s = max(0.0, self.target_s - STEP_S)
            self._calm = 0
