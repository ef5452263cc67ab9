"""
Trace of playout: times of the audio and video events of each turn, as JSON lines.

Times are `time.monotonic` seconds of this machine, positions are samples from the
start of the turn.  Playout passes its events to a `Trace`.  `recording` makes one per
session, which costs playout the append to a list: an `EventThread` writes the file.
"""

import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import IO, Any

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
    upto: int = 0  # turns up to this one that waited behind it were dropped
    outcome: str = "interrupted"  # or stopped


@dataclass(frozen=True, slots=True)
class TurnHeld:
    """A turn was held: what was sent from ``heard`` on is sent again after it."""

    at_s: float
    turn: int
    heard: int  # position up to which the listener heard the turn


@dataclass(frozen=True, slots=True)
class TurnReleased:
    """A turn that was held goes on."""

    at_s: float
    turn: int


@dataclass(frozen=True, slots=True)
class FadeSent:
    """The fade of a turn that was cut or held was submitted to the room."""

    at_s: float
    turn: int


@dataclass(frozen=True, slots=True)
class TurnHeard:
    """A turn was heard to its end."""

    at_s: float
    turn: int


Event = (
    AudioReceived
    | FrameSent
    | AudioSent
    | TurnCut
    | TurnHeld
    | TurnReleased
    | FadeSent
    | TurnHeard
)
Trace = Callable[[Event], None]  # takes the events of one session
# Returns the trace of a session, by its id and the source of its speech.
Traces = Callable[[str, str], Trace]

_KINDS = {
    "received": AudioReceived,
    "frame": FrameSent,
    "step": AudioSent,
    "cut": TurnCut,
    "held": TurnHeld,
    "released": TurnReleased,
    "faded": FadeSent,
    "heard": TurnHeard,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}


def untraced(_: Event) -> None:
    """Drop an event: the trace of a session that is not traced."""


class EventThread:
    """Thread that hands on the events of all sessions, once per period."""

    def __init__(
        self, name: str, consume: Callable[[list[tuple[Any, Event]]], None]
    ) -> None:
        self._name = name
        self._consume = consume
        self._stopped = threading.Event()
        # A deque needs no lock. The thread empties it every period.
        self._events: deque[tuple[Any, Event]] = deque()

    def trace(self, key: object) -> Trace:
        """Return a trace whose events are handed on together with ``key``."""
        events = self._events
        return lambda event: events.append((key, event))

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Run the thread; on exit it has handed on every event."""
        thread = threading.Thread(target=self._run, name=self._name)
        thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(PERIOD_S):
            self._hand_on()
        self._hand_on()

    def _hand_on(self) -> None:
        events = []
        while self._events:
            events.append(self._events.popleft())
        try:
            self._consume(events)
        except Exception:  # boundary: the thread goes on, and the list stays short
            log.exception("%d events of the %s are lost", len(events), self._name)


@contextlib.contextmanager
def recording(path: str) -> Iterator[Traces]:
    """
    Yield traces that append to the file ``path``; with an empty path they do nothing.

    Raises `ConfigError` if the file cannot be opened.  On exit every event has been
    written.
    """
    if not path:
        yield lambda session, source: untraced
        return
    try:
        file: IO[bytes] = Path(path).open("ab", buffering=0)  # noqa: SIM115 -- below
    except OSError as error:
        problem = f"the file cannot be written ({error.strerror})"
        fix = "Name a file that the gateway may write."
        raise ConfigError("LITE_TRACE", problem, fix) from None
    with file:
        thread = EventThread("trace", _TraceFile(file).write)
        with thread.running():
            yield lambda session, source: thread.trace(session)


def both(first: Traces, second: Traces) -> Traces:
    """Return traces that pass each event on to two others."""

    def trace_of(session: str, source: str) -> Trace:
        one, other = first(session, source), second(session, source)
        if one is untraced:
            return other
        if other is untraced:
            return one

        def trace(event: Event) -> None:
            one(event)
            other(event)

        return trace

    return trace_of


class _TraceFile:
    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._torn = False  # the last line of the file may be incomplete

    def write(self, events: list[tuple[str, Event]]) -> None:
        unwritten = b"".join(_line(*event) for event in events)
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
