"""Token bucket: a limit on how often something may happen."""


class TokenBucket:
    """
    Bucket of up to ``capacity`` tokens that refills by ``per_s`` tokens a second.

    It starts full. Times are seconds of any clock that does not go back.
    """

    def __init__(self, capacity: int, per_s: float, now_s: float) -> None:
        self._capacity = float(capacity)
        self._per_s = per_s
        self._tokens = float(capacity)
        self._updated_s = now_s

    def acquire(self, now_s: float) -> float:
        """Take a token and return 0.0, or return the seconds until there is one."""
        wait_s = self.wait_s(now_s)
        if not wait_s:
            self._tokens -= 1.0
        return wait_s

    def wait_s(self, now_s: float) -> float:
        """Return the seconds until there is a token, 0.0 if there is one."""
        refill = (now_s - self._updated_s) * self._per_s
        self._tokens = min(self._capacity, self._tokens + refill)
        self._updated_s = now_s
        return 0.0 if self._tokens >= 1.0 else (1.0 - self._tokens) / self._per_s
