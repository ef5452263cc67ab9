"""How much sound to hold before a stretch of speech begins: 0 to 40 ms, learnt."""

MAX_S = 0.040
STEP_S = 0.010
SPARE_S = 0.030  # what a stretch must have had to spare before the cushion shrinks
PACED_S = 0.200  # whoever sends further ahead than this says nothing about jitter
PATIENCE = 3  # calm stretches in a row


class JitterBuffer:
    """
    Grows by a step when speech ran dry, shrinks when there was sound to spare.

    Bursts never notice it: their first message already holds more than the target.
    """

    def __init__(self, target_s: float = MAX_S) -> None:
        self.target_s = target_s
        self._calm = 0

    def ran_dry(self) -> None:
        self.target_s = min(MAX_S, self.target_s + STEP_S)
        self._calm = 0

    def stretch_over(self, spare_s: float) -> None:
        """``spare_s``: the least time by which sound was there before it was due."""
        if spare_s > PACED_S:
            return
        self._calm = self._calm + 1 if spare_s >= SPARE_S else 0
        if self._calm >= PATIENCE:
            self.target_s = max(0.0, self.target_s - STEP_S)
            self._calm = 0
