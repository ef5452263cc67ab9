"""
Spans of OpenTelemetry: one per turn, with its way from message to frame as children.

The events of playout are the source. A turn's spans are made when it has ended, in a
thread of their own, so that they cost playout the append to a list.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from opentelemetry import trace as otel
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from lite_gateway import __version__
from lite_gateway.playout.trace import (
    AudioReceived,
    AudioSent,
    Event,
    EventThread,
    FadeSent,
    FrameSent,
    Trace,
    Traces,
    TurnCut,
    TurnHeard,
)
from lite_gateway.telemetry.context import traceparent
from protocol.lite.messages import SAMPLE_RATE

log = logging.getLogger(__name__)

SHUTDOWN_S = 3.0  # a collector that does not answer delays the end by no more
_Attributes = Mapping[str, str | int | float]


def otlp_processor() -> SpanProcessor:
    """Return a processor that sends spans to the endpoint that ``OTEL_*`` names."""
    return BatchSpanProcessor(OTLPSpanExporter())


@contextlib.contextmanager
def turn_spans(processor: SpanProcessor) -> Iterator[Traces]:
    """Yield traces whose turns become spans that ``processor`` takes."""
    # The names of OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES replace ours.
    own = {SERVICE_NAME: "lite-gateway", "service.version": __version__}
    resource = Resource.create(own | dict(OTELResourceDetector().detect().attributes))
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(processor)
    writer = _SpanWriter(provider.get_tracer("lite_gateway", __version__))
    thread = EventThread("spans", writer.write)

    def trace_of(session: str, source: str) -> Trace:
        return thread.trace(_SessionTurns(session, source, _caller()))

    with thread.running():
        yield trace_of
    writer.finish()
    _shut_down(provider)


def _caller() -> Context:
    """Return the context of the caller's trace, as the request's header names it."""
    header = traceparent.get()
    carrier = {"traceparent": header} if header else {}
    # An explicit context: a trace that happens to be current is no caller.
    return TraceContextTextMapPropagator().extract(carrier, Context())


def _shut_down(provider: TracerProvider) -> None:
    """Send what is left, but wait for the collector only a while."""
    thread = threading.Thread(target=provider.shutdown, name="spans", daemon=True)
    thread.start()
    thread.join(SHUTDOWN_S)
    if thread.is_alive():
        log.warning("the last traces were not sent within %.0f s", SHUTDOWN_S)


@dataclass(slots=True)
class _Turn:
    """Events of one turn that matter to its spans."""

    number: int
    received_s: float
    samples: int = 0
    messages: int = 0
    frames: int = 0
    last_received_s: float = 0.0
    first_frame: FrameSent | None = None
    first_audio_s: float | None = None
    cut: TurnCut | None = None


@dataclass(slots=True, eq=False)
class _SessionTurns:
    """Turns of one session that have not ended."""

    session: str
    source: str
    caller: Context
    turns: dict[int, _Turn] = field(default_factory=dict)


class _SpanWriter:
    """Writer of spans. It is called by one thread, with the events of a period."""

    def __init__(self, tracer: otel.Tracer) -> None:
        self._tracer = tracer
        self._cut: list[tuple[_SessionTurns, _Turn]] = []  # wait for their fade
        self._offset_ns = 0

    def write(self, events: list[tuple[_SessionTurns, Event]]) -> None:
        self._offset_ns = time.time_ns() - time.monotonic_ns()
        earlier, self._cut = self._cut, []
        for session, event in events:
            self._take(session, event)
        for session, turn in earlier:  # a session that ended plays no fade
            if session.turns.pop(turn.number, None) and turn.cut:
                self._end(session, turn, turn.cut.at_s, turn.cut.outcome)

    def finish(self) -> None:
        """Write the turns that still wait for their fade."""
        self.write([])

    def _take(self, session: _SessionTurns, event: Event) -> None:
        turn = session.turns.get(event.turn)
        match event:
            case AudioReceived(at_s, number, total):
                if turn is None:
                    turn = session.turns[number] = _Turn(number, at_s)
                turn.messages += 1
                turn.samples, turn.last_received_s = total, at_s
            case _ if turn is None:  # a frame without speech, or a turn without audio
                pass
            case FrameSent():
                turn.frames += 1
                turn.first_frame = turn.first_frame or event
            case AudioSent(at_s=at_s) if turn.first_audio_s is None:
                turn.first_audio_s = at_s
            case TurnHeard(at_s):
                del session.turns[turn.number]
                self._end(session, turn, at_s, "finished")
            case TurnCut():
                self._take_cut(session, turn, event)
            case FadeSent(at_s) if turn.cut is not None:
                del session.turns[turn.number]
                self._end(session, turn, at_s, turn.cut.outcome)

    def _take_cut(self, session: _SessionTurns, turn: _Turn, cut: TurnCut) -> None:
        turn.cut = cut
        if turn.first_audio_s is None:
            del session.turns[turn.number]
            self._end(session, turn, cut.at_s, cut.outcome)
        else:
            self._cut.append((session, turn))
        for number in sorted(session.turns):
            if cut.turn < number <= cut.upto:
                self._end(session, session.turns.pop(number), cut.at_s, "dropped")

    def _end(
        self, session: _SessionTurns, turn: _Turn, end_s: float, outcome: str
    ) -> None:
        """Write the spans of a turn that has ended."""
        attributes: dict[str, str | int | float] = {
            "lite.session": session.session,
            "lite.turn": turn.number,
            "lite.source": session.source,
            "lite.outcome": outcome,
            "lite.messages": turn.messages,
            "lite.frames": turn.frames,
            "lite.audio_s": turn.samples / SAMPLE_RATE,
        }
        frame, audio_s = turn.first_frame, turn.first_audio_s
        if frame is not None and audio_s is not None:
            started_s = max(frame.shown_s, audio_s)
            attributes["lite.start_ms"] = 1000 * (started_s - turn.received_s)
        if turn.cut is not None and turn.cut.turn == turn.number:
            attributes["lite.heard_s"] = turn.cut.heard / SAMPLE_RATE
        span = self._start("turn", turn.received_s, session.caller, attributes)
        self._add_events(span, turn)
        if frame is not None:
            within = otel.set_span_in_context(span, session.caller)
            self._add_child("wait", within, turn.received_s, frame.begun_s)
            self._add_child("render first frame", within, frame.begun_s, frame.drawn_s)
            self._add_child("submit first frame", within, frame.drawn_s, frame.shown_s)
        span.end(self._ns(max(end_s, turn.received_s)))

    def _add_events(self, span: otel.Span, turn: _Turn) -> None:
        times = {
            "first message": turn.received_s,
            "last message": turn.last_received_s,
            "first audio submitted": turn.first_audio_s,
            "interrupt": turn.cut.at_s if turn.cut is not None else None,
        }
        for name, at_s in times.items():
            if at_s is not None:
                span.add_event(name, timestamp=self._ns(at_s))

    def _add_child(
        self, name: str, within: Context, start_s: float, end_s: float
    ) -> None:
        span = self._start(name, start_s, within, {})
        span.end(self._ns(max(start_s, end_s)))

    def _start(
        self, name: str, at_s: float, within: Context, attributes: _Attributes
    ) -> otel.Span:
        return self._tracer.start_span(
            name, within, attributes=attributes, start_time=self._ns(at_s)
        )

    def _ns(self, at_s: float) -> int:
        """Return nanoseconds of Unix time."""
        return round(at_s * 1e9) + self._offset_ns
