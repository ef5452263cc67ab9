"""
Trace of playout: times of the audio and video events of each turn, as JSON lines.

Times are `time.monotonic` seconds of this machine, positions are samples from the
start of the turn.  Playout passes its events to a `Trace`.  `recording` makes one per
session, which costs playout the append to a list: a separate thread writes the file.
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

PERIOD_S = 1.0  # between writes: a crash loses the events of one period


@dataclass(frozen=True, slots=True)
class AudioReceived:
    """A message with audio arrived."""

    at_s: float
    turn: int
    total: int  # samples of the turn that have arrived so far


@dataclass(frozen=True, slots=True)
class FrameSent:
    """A frame was sent to the room."""

    index: int  # counted through the whole session
    turn: int  # 0 for a frame without speech
    due_s: float
    begun_s: float  # passed to the renderer
    drawn_s: float  # rendered
    shown_s: float  # accepted by the room
    first: int  # position in the turn at which the frame begins
    samples: int  # that the frame lasts


@dataclass(frozen=True, slots=True)
class AudioSent:
    """A step of a turn's audio was submitted to the room."""

    at_s: float
    turn: int
    first: int
    samples: int
    queued_s: float  # audio that the listener hears before it


@dataclass(frozen=True, slots=True)
class TurnCut:
    """A turn was interrupted, or stopped with its session."""

    at_s: float
    turn: int
    heard: int  # position up to which the listener heard the turn


@dataclass(frozen=True, slots=True)
class FadeSent:
    """The fade at the end of a cut turn was submitted to the room."""

    at_s: float
    turn: int


Event = AudioReceived | FrameSent | AudioSent | TurnCut | FadeSent
Trace = Callable[[Event], None]  # takes the events of one session
Traces = Callable[[str], Trace]  # returns the trace of a session, by its id

_KINDS = {
    "received": AudioReceived,
    "frame": FrameSent,
    "step": AudioSent,
    "cut": TurnCut,
    "faded": FadeSent,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}


def untraced(_: Event) -> None:
    """Drop an event: the trace of a session that is not traced."""


@contextlib.contextmanager
def recording(path: str) -> Iterator[Traces]:
    """
    Yield traces that append to the file ``path``; with an empty path they do nothing.

    Raises `ConfigError` if the file cannot be opened.  On exit every event has been
    written.
    """
    if not path:
        yield lambda session: untraced
        return
    try:
        file: IO[bytes] = Path(path).open("ab", buffering=0)  # noqa: SIM115 -- below
    except OSError as error:
        problem = f"{path} cannot be written ({error.strerror})"
        fix = "Name a file that the gateway may write."
        raise ConfigError("LITE_TRACE", problem, fix) from None
    with file:
        recorder = _Recorder(file)
        thread = threading.Thread(target=recorder.run, name="trace")
        thread.start()
        try:
            yield recorder.trace
        finally:
            recorder.stopped.set()
            thread.join()


class _Recorder:
    def __init__(self, file: IO[bytes]) -> None:
        self.stopped = threading.Event()
        self._file = file
        self._torn = False  # the last line of the file may be incomplete
        # A deque needs no lock. The writer empties it every period.
        self._events: deque[tuple[str, Event]] = deque()

    def trace(self, session: str) -> Trace:
        return lambda event: self._events.append((session, event))

    def run(self) -> None:
        """Write every period until stopped, and then the remaining events."""
        while not self.stopped.wait(PERIOD_S):
            self._write()
        self._write()

    def _write(self) -> None:
        lines = []
        while self._events:
            lines.append(_line(*self._events.popleft()))
        unwritten = b"".join(lines)
        if unwritten and self._torn:
            unwritten = b"\n" + unwritten
        try:
            while unwritten:  # a raw file may take a part only
                unwritten = unwritten[self._file.write(unwritten) :]
                self._torn = False
        except OSError as error:  # sessions go on when the disk is full
            self._torn = True
            lost = unwritten.lstrip(b"\n").count(b"\n")
            log.warning("%d events of the trace are lost: %s", lost, error)


def _line(session: str, event: Event) -> bytes:
    kind = _NAMES[type(event)]
    values = {field.name: getattr(event, field.name) for field in fields(event)}
    line = {"event": kind, "session": session, **values}
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


def read(path: Path) -> list[tuple[str, Event]]:
    """Return session and event of each complete line, in the order of the file."""
    events: list[tuple[str, Event]] = []
    for line in path.read_bytes().splitlines(keepends=True):
        if not line.endswith(b"\n"):
            continue
        with contextlib.suppress(orjson.JSONDecodeError):  # torn by a full disk
            values = orjson.loads(line)
            kind, session = _KINDS[values.pop("event")], values.pop("session")
            events.append((session, kind(**values)))
    return events
