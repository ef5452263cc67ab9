"""
When each thing of a turn happened: one JSON line an event, for whoever asks why.

Times are `time.monotonic` seconds of this machine, positions are samples from the
turn's start.  Playout tells its events to a `Trace`; `recording` makes one a session,
which costs a list's append: a thread of its own writes them down.
"""

import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import IO

import orjson

from lite_gateway.errors import ConfigError

log = logging.getLogger(__name__)

PERIOD_S = 1.0  # the most that a crash can lose


@dataclass(frozen=True, slots=True)
class AudioReceived:
    """A message brought sound."""

    at_s: float
    turn: int
    total: int  # samples of the turn that are here now


@dataclass(frozen=True, slots=True)
class FrameSent:
    """A picture was handed to the room."""

    index: int  # counted through the whole session
    turn: int  # 0: nothing is said
    due_s: float
    begun_s: float  # given to the renderer
    drawn_s: float
    shown_s: float  # the room has it
    first: int  # sample of the turn at which the frame begins
    samples: int  # how many it lasts


@dataclass(frozen=True, slots=True)
class AudioSent:
    """A piece of a turn's sound was handed to the room."""

    at_s: float
    turn: int
    first: int
    samples: int
    queued_s: float  # sound in the room that must be heard before it


@dataclass(frozen=True, slots=True)
class TurnCut:
    """A turn was interrupted, or stopped with its session."""

    at_s: float
    turn: int
    heard: int  # samples of it that had been heard


@dataclass(frozen=True, slots=True)
class FadeSent:
    """The last sound of a turn that was cut was handed to the room."""

    at_s: float
    turn: int


Event = AudioReceived | FrameSent | AudioSent | TurnCut | FadeSent
Trace = Callable[[Event], None]  # where one session's playout tells its events
Traces = Callable[[str], Trace]  # the trace of a session, by the session's id

_KINDS = {
    "received": AudioReceived,
    "frame": FrameSent,
    "step": AudioSent,
    "cut": TurnCut,
    "faded": FadeSent,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}


def untraced(_: Event) -> None:
    """Nobody asked."""


@contextlib.contextmanager
def recording(path: str) -> Iterator[Traces]:
    """
    Append what every session tells to a file; without a path, forget it.

    `ConfigError` when the file cannot be opened.  Everything is in it at the end.
    """
    if not path:
        yield lambda session: untraced
        return
    try:
        file: IO[bytes] = Path(path).open("ab", buffering=0)  # noqa: SIM115 -- below
    except OSError as failed:
        problem = f"{path} cannot be written ({failed.strerror})"
        fix = "Name a file that the gateway may write."
        raise ConfigError("LITE_TRACE", problem, fix) from None
    with file:
        recorder = _Recorder(file)
        thread = threading.Thread(target=recorder.run, name="trace")
        thread.start()
        try:
            yield recorder.of
        finally:
            recorder.over.set()
            thread.join()


class _Recorder:
    def __init__(self, file: IO[bytes]) -> None:
        self.over = threading.Event()
        self._file = file
        self._torn = False  # the last line of the file may be cut
        # Threads append and pop without a lock; the writer empties it every period.
        self._told: deque[tuple[str, Event]] = deque()

    def of(self, session: str) -> Trace:
        return lambda event: self._told.append((session, event))

    def run(self) -> None:
        """Write until it is over, and then what is left."""
        while not self.over.wait(PERIOD_S):
            self._write()
        self._write()

    def _write(self) -> None:
        lines = []
        while self._told:
            lines.append(_line(*self._told.popleft()))
        left = b"".join(lines)
        if left and self._torn:
            left = b"\n" + left
        try:
            while left:  # a raw file takes as much as it can
                left = left[self._file.write(left) :]
                self._torn = False
        except OSError as failed:  # a full disk is no reason to stop talking
            self._torn = True
            lost = left.lstrip(b"\n").count(b"\n")
            log.warning("%d events of the trace are lost: %s", lost, failed)


def _line(session: str, event: Event) -> bytes:
    kind = _NAMES[type(event)]
    what = {each.name: getattr(event, each.name) for each in fields(event)}
    line = {"event": kind, "session": session, **what}
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


def read(path: Path) -> list[tuple[str, Event]]:
    """Session and event of each line that is whole, in the order they were told."""
    told: list[tuple[str, Event]] = []
    for line in path.read_bytes().splitlines(keepends=True):
        if not line.endswith(b"\n"):
            continue
        with contextlib.suppress(orjson.JSONDecodeError):  # cut by a full disk
            what = orjson.loads(line)
            kind, session = _KINDS[what.pop("event")], what.pop("session")
            told.append((session, kind(**what)))
    return told
