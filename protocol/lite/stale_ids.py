"""Ids of turns that were cut before their client had ended them."""

MAX_STALE_IDS = 64  # kept; the oldest are forgotten first


class StaleIds:
    """Bounded set of event ids, with a note of those that were warned about."""

    def __init__(self) -> None:
        self._warned: dict[str | None, bool] = {}  # oldest first

    def __contains__(self, event_id: str | None) -> bool:
        return event_id in self._warned

    def add(self, event_id: str) -> None:
        self._warned.pop(event_id, None)
        self._warned[event_id] = False
        if len(self._warned) > MAX_STALE_IDS:
            del self._warned[next(iter(self._warned))]

    def discard(self, event_id: str | None) -> None:
        self._warned.pop(event_id, None)

    def warn_once(self, event_id: str | None) -> bool:
        """Return True the first time that audio with this stale id is dropped."""
        if self._warned[event_id]:
            return False
        self._warned[event_id] = True
        return True
