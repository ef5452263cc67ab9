"""Sessions that were created and wait for their start, bounded per API key."""

from collections import defaultdict

from lite_gateway.errors import Refused
from lite_gateway.sessions.record import SessionRecord

MAX_OF_KEY = 1_000  # then the key's oldest one is dropped
MAX_IN_ALL = 10_000
_RETRY_S = 60.0


class UnstartedSessions:
    """
    Sessions that wait for their start, oldest first for each API key.

    A key that creates too many loses its own oldest ones, never those of another key.
    Those of visitors of its pages go first: everybody can open a page.
    """

    def __init__(
        self, *, max_of_key: int = MAX_OF_KEY, max_in_all: int = MAX_IN_ALL
    ) -> None:
        self._max_of_key = max_of_key
        self._max_in_all = max_in_all
        self._of_key: defaultdict[str, dict[str, SessionRecord]] = defaultdict(dict)
        self._count = 0

    def make_room(self, key_id: str) -> SessionRecord | None:
        """Remove and return the key's oldest session if it has too many, else None."""
        waiting = self._of_key.get(key_id, {})
        if len(waiting) < self._max_of_key and self._count < self._max_in_all:
            return None
        of_callers_last = sorted(
            waiting.values(), key=lambda record: record.owner.embed_id is None
        )
        for record in of_callers_last:
            if record.unstarted:  # others join at this moment: no more than the slots
                self.discard(record)
                return record
        raise Refused(
            429,
            f"{self._count} sessions wait to be started; start or stop one of them, or "
            "try again later",
            retry_s=_RETRY_S,
        )

    def add(self, record: SessionRecord) -> None:
        self._of_key[record.owner.key_id][record.id] = record
        self._count += 1

    def discard(self, record: SessionRecord) -> None:
        """Remove a session that has started or ended, if it is here."""
        waiting = self._of_key.get(record.owner.key_id, {})
        if waiting.pop(record.id, None) is not None:
            self._count -= 1
            if not waiting:
                del self._of_key[record.owner.key_id]
