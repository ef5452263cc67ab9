"""Every metric of the service; DESIGN's names are a contract with dashboards."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from protocol.errors import BadMessage, TooMuchAudio
from protocol.lite.messages import EndReason

_LATENCY = (0.005, 0.010, 0.015, 0.020, 0.030, 0.040, 0.060, 0.080, 0.120, 0.250, 1.0)
_STAGE = (0.001, 0.002, 0.004, 0.008, 0.012, 0.016, 0.025, 0.040, 0.080, 0.160)
_LATE = (0.001, 0.002, 0.005, 0.010, 0.020, 0.040, 0.080, 0.160)
_BATCH = (1, 2, 4, 8, 16, 32, 64, 128)
_BUFFERED = (0.02, 0.04, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60)
_STREAMS_REFUSED = ("sender", "format", "too_many", "too_much")
_REFUSED = (BadMessage.__name__, TooMuchAudio.__name__, "replaced", "unknown_session")


class Metrics:
    """One per process, passed to whoever counts. A test makes its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._sessions_and_turns()
        self._frames()
        self._wire()
        # A counter that is born at 1 hides its first, rare event from `increase`.
        for ending in EndReason:
            self.sessions_ended.labels(ending.value)
        for refused in _REFUSED:
            self.ws_refused.labels(refused)
        for reason in _STREAMS_REFUSED:
            self.streams_refused.labels(reason)

    def _sessions_and_turns(self) -> None:
        self.sessions = self._gauge("lite_sessions", "Sessions open now.")
        self.sessions_ended = self._counter(
            "lite_sessions_ended", "Sessions ended, by the reason told.", "reason"
        )
        self.turns = self._counter(
            "lite_turns",
            "Turns that were heard, by their way in and how they ended.",
            *("source", "outcome"),
        )
        self.added_latency = self._histogram(
            "lite_added_latency_seconds",
            "First sample of a turn received until that sample and its frame were "
            "both handed to the room. Budget: p50 15 ms, p99 40 ms.",
            _LATENCY,
            "source",
        )
        self.interrupt = self._histogram(
            "lite_interrupt_seconds",
            "Interrupt received until the last spoken sample was handed out. "
            "Budget: p95 40 ms.",
            _LATENCY,
        )
        self.underruns = self._counter(
            "lite_underruns", "Times that an open turn had no sound when it was due."
        )
        self.pcm_buffered = self._histogram(
            "lite_pcm_buffered_seconds",
            "Sound of the speaking turn in hand, each time a message adds to it.",
            _BUFFERED,
        )

    def _frames(self) -> None:
        self.render = self._histogram(
            "lite_render_seconds",
            "One pass of the render thread, whatever its batch. Budget: 12 ms a frame.",
            _STAGE,
        )
        self.batch_size = self._histogram(
            "lite_batch_size", "Frames rendered in one pass.", _BATCH
        )
        self.frames = self._counter("lite_frames", "Frames handed to rooms.")
        self.frames_skipped = self._counter(
            "lite_frames_skipped",
            "Frames given up because they could not be ready when due.",
        )
        self.frame_late = self._histogram(
            "lite_frame_late_seconds",
            "From the time a frame was due until it was handed to the room.",
            _LATE,
        )
        self.publish = self._histogram(
            "lite_publish_seconds", "Handing one frame to the LiveKit SDK.", _STAGE
        )
        self.loop_lag = self._histogram(
            "lite_loop_lag_seconds",
            "How late the event loop woke for a timer. Budget: 5 ms.",
            _LATE,
        )

    def _wire(self) -> None:
        self.ws_messages = self._counter(
            "lite_ws_messages", "WebSocket messages read, by type.", "type"
        )
        self.ws_refused = self._counter(
            "lite_ws_refused",
            "WebSocket messages and sockets refused, by reason.",
            "reason",
        )
        self.streams_refused = self._counter(
            "lite_streams_refused",
            "Byte streams and calls of agents in a room refused, by reason.",
            "reason",
        )

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(name, text, registry=self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _histogram(
        self, name: str, text: str, buckets: tuple[float, ...], *labels: str
    ) -> Histogram:
        return Histogram(name, text, labels, buckets=buckets, registry=self.registry)
