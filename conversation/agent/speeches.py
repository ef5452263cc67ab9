"""Speeches of an agent session, and the commands of clients that asked for them."""

from collections.abc import Callable
from typing import Any


class Speeches:
    """
    Speeches that run, and the ids of the commands behind them.

    A speech is a ``SpeechHandle`` of livekit-agents. ``current`` returns the one that
    the session speaks now, None if it speaks none.
    """

    def __init__(self, current: Callable[[], Any]) -> None:
        self._current = current
        # Those that commands asked for, by id, each with the id of its command.
        self._asked: dict[str, tuple[Any, str | None]] = {}

    @property
    def current(self) -> Any:
        """Handle of the speech that the session speaks now, or None."""
        return self._current()

    def note(self, handle: Any, event_id: str | None) -> None:
        """Note the command that asked for a speech; its id may be missing."""
        self._asked[handle.id] = handle, event_id
        handle.add_done_callback(lambda _: self._asked.pop(handle.id, None))

    @property
    def oldest(self) -> Any:
        """Handle of a speech that is not over, None if all are: also of one waiting."""
        asked = (handle for handle, _ in self._asked.values())
        current = self.current
        return next(asked, None) if current is None else current

    def source_of(self, handle: Any) -> str | None:
        """Return the id of the command that asked for a speech, if one did."""
        return self._asked.get(handle.id, (None, None))[1] if handle else None
