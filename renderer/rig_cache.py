"""
Cache of rigs, which sessions with the same avatar, size and background share.

A rig takes tens of megabytes and up to seconds to build. Rigs with the avatar's own
background are kept apart from those with another one, so that many backgrounds drop no
other rig.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from weakref import WeakValueDictionary

from renderer.rig import Rig

MAX_RIGS = 12  # with the avatar's own background
MAX_OTHER_BACKGROUNDS = 4  # rigs with another one


@dataclass(frozen=True, slots=True)
class RigKey:
    """Avatar, size and background of a rig; an empty background is the avatar's own."""

    avatar: str
    width: int
    height: int
    background: str = ""

    @property
    def timed(self) -> "RigKey":
        """Key of the time to draw, which does not depend on the background."""
        return RigKey(self.avatar, self.width, self.height)


class RigCache:
    """
    Rigs that were used last, and the time that each one takes to draw a face.

    A rig that was dropped is found again as long as a session has it, so that there are
    never two of a kind. One thread at a time may change the cache; any thread may ask
    for a `draw_time`.
    """

    def __init__(self, time_draw: Callable[[Rig], float]) -> None:
        """``time_draw`` returns the least time to draw one face, in seconds."""
        self._time_draw = time_draw
        self._rigs: OrderedDict[RigKey, Rig] = OrderedDict()  # the newest use last
        self._alive: WeakValueDictionary[RigKey, Rig] = WeakValueDictionary()
        self._draw_times: dict[RigKey, float] = {}

    def find_or_build(self, key: RigKey, build: Callable[[], Rig]) -> Rig:
        """Return the rig; those that have not been used for long are dropped."""
        rig = self._alive.get(key)
        if rig is None:
            rig = build()
            # Not later: another thread may draw with a rig that a session has.
            if key.timed not in self._draw_times:
                self._draw_times[key.timed] = self._time_draw(rig)
            self._alive[key] = rig
        self._rigs[key] = rig
        self._rigs.move_to_end(key)
        for other, most in ((False, MAX_RIGS), (True, MAX_OTHER_BACKGROUNDS)):
            keys = [key for key in self._rigs if bool(key.background) is other]
            self._drop(keys[: max(0, len(keys) - most)])
        return rig

    def draw_time(self, avatar: str, width: int, height: int) -> float | None:
        """Return the time to draw one face, in seconds; None: there is no such rig."""
        return self._draw_times.get(RigKey(avatar, width, height))

    def evict(self, avatars: set[str]) -> None:
        """Drop the rigs of avatars; they are not found again."""
        for key in [key for key in self._alive if key.avatar in avatars]:
            self._alive.pop(key, None)
        self._drop([key for key in self._rigs if key.avatar in avatars])

    def _drop(self, keys: list[RigKey]) -> None:
        for key in keys:
            del self._rigs[key]
        for timed in self._draw_times.keys() - {key.timed for key in self._alive}:
            del self._draw_times[timed]
