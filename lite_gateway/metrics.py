"""Metrics of the service. Dashboards and alerts depend on their names."""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)

from lite_gateway.playout.degradation import GROUPS
from lite_gateway.telemetry.memory import memory_limit
from protocol.errors import BadMessage, TooMuchAudio
from protocol.lite.messages import EndReason, WarningKind

_LATENCY = (0.005, 0.010, 0.015, 0.020, 0.030, 0.040, 0.060, 0.080, 0.120, 0.250, 1.0)
_DURATION = (0.001, 0.002, 0.004, 0.008, 0.012, 0.016, 0.025, 0.040, 0.080, 0.160)
_LATE = (0.001, 0.002, 0.005, 0.010, 0.020, 0.040, 0.080, 0.160)
_GAPS = (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_BATCH = (1, 2, 4, 8, 16, 32, 64, 128)
_BUFFERED = (0.02, 0.04, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60)
_STAGES = (0.005, 0.02, 0.06, 0.15, 0.3, 0.45, 0.65, 0.9, 1.5, 3, 6, 12)
_LINK = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.010, 0.025, 0.1, 1)
DEPENDENCIES = ("livekit", "database")
_REQUEST = (0.005, 0.025, 0.1, 0.5, 1, 2.5, 5, 10)
_STREAMS_REFUSED = ("sender", "format", "broken", "too_many", "too_much")
_HISTORY_DROPPED = ("data", "conflict", "error", "unwritable", "full", "closed")
_TRANSCRIPT_DROPPED = ("data", "conflict", "error", "full", "closed")
CONNECTIONS_REFUSED = ("server_full", "address_full", "slow")
_WS_REFUSED = (
    BadMessage.__name__,
    TooMuchAudio.__name__,
    "replaced",
    "unknown_session",
)


class Metrics:
    """Metrics of one process, passed to the code that counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)  # process_*: memory, descriptors
        PlatformCollector(registry=self.registry)  # python_info
        GCCollector(registry=self.registry)  # python_gc_*
        self._gauge(
            "lite_memory_limit_bytes",
            "Memory that the control group, or else the machine, allows.",
        ).set(memory_limit())
        self._sessions_and_turns()
        self._rooms()
        self._frames()
        self._wire()
        self._readiness()
        self._http()
        self._history()
        self._conversations()
        self._created_avatars()
        # Create each series at 0: `increase` does not see a series that starts at 1.
        for end_reason in EndReason:
            self.sessions_ended.labels(end_reason.value)
        for reason in _WS_REFUSED:
            self.ws_refused.labels(reason)
        for reason in CONNECTIONS_REFUSED:
            self.connections_refused.labels(reason)
        for reason in _STREAMS_REFUSED:
            self.streams_refused.labels(reason)
        for cause in ("audio", "server"):
            self.turn_gaps.labels(cause)
        for source in ("websocket", "datastream", "conversation"):
            self.added_latency.labels(source)
            self.turns_held.labels(source)
            for outcome in ("finished", "interrupted", "stopped"):
                self.turns.labels(source, outcome)
        self.channel_refused.labels(BadMessage.__name__)
        for kind in WarningKind:
            self.warnings.labels(kind.value)
        for dependency in DEPENDENCIES:
            self.dependency_up.labels(dependency)

    def _sessions_and_turns(self) -> None:
        self.sessions = self._gauge("lite_sessions", "Sessions open now.")
        self.sessions_ended = self._counter(
            "lite_sessions_ended", "Sessions that ended, by reason.", "reason"
        )
        self.turns = self._counter(
            "lite_turns",
            "Turns that were played, by their input and by how they ended.",
            *("source", "outcome"),
        )
        self.turns_held = self._counter(
            "lite_turns_held",
            "Times that a turn was held: silent for a while, to go on where it was.",
            "source",
        )
        self.phones_late = self._counter(
            "lite_phones_late",
            "Phones of clients that came after their audio was played, and were left "
            "out: the driver heard in their place.",
        )
        self.added_latency = self._histogram(
            "lite_added_latency_seconds",
            "From receiving the first sample of a turn until that sample and its "
            "video frame were sent to the room. Budget: p50 15 ms, p99 40 ms.",
            _LATENCY,
            "source",
        )
        self.interrupt = self._histogram(
            "lite_interrupt_seconds",
            "From receiving an interrupt until the last spoken sample was sent. "
            "Budget: p95 40 ms.",
            _LATENCY,
        )
        self.underruns = self._counter(
            "lite_underruns", "Times that an open turn had no audio when it was due."
        )
        self.turn_gaps = self._histogram(
            "lite_turn_gaps_seconds",
            "Silence within a turn, of turns that had any, by cause: the audio arrived "
            "late, or the server submitted it late.",
            _GAPS,
            "cause",
        )
        self.pcm_buffered = self._histogram(
            "lite_pcm_buffered_seconds",
            "Buffered audio of the speaking turn, observed at each message.",
            _BUFFERED,
        )

    def _rooms(self) -> None:
        self.backgrounds = self._gauge(
            "lite_backgrounds",
            "Backgrounds that running sessions show in place of the avatar's own, "
            "counted for each avatar and size. Maximum: 12.",
        )
        self.joins_refused = self._counter(
            "lite_joins_refused",
            "Starts refused because too many sessions were joining their rooms.",
        )
        self.joins_late = self._counter(
            "lite_joins_late",
            "Joins that took longer than 10 s. Their sessions were given up, and the "
            "rooms are left when LiveKit's SDK has joined them.",
        )
        self.sdk_panics = self._counter(
            "lite_sdk_panics", "Internal errors that LiveKit's SDK reported."
        )

    def observe_gaps(self, audio_late_s: float, server_late_s: float) -> None:
        """Observe the silence within one turn, of each cause that there was."""
        for cause, gap_s in (("audio", audio_late_s), ("server", server_late_s)):
            if gap_s > 0:
                self.turn_gaps.labels(cause).observe(gap_s)

    def _frames(self) -> None:
        self.render = self._histogram(
            "lite_render_seconds",
            "Time to render one batch. Budget: 12 ms per frame.",
            _DURATION,
        )
        self.batch_size = self._histogram(
            "lite_batch_size", "Frames rendered in one batch.", _BATCH
        )
        self.frames = self._counter("lite_frames", "Video frames sent to rooms.")
        self.frames_failed = self._counter(
            "lite_frames_failed", "Video frames that the renderer could not draw."
        )
        self.frames_skipped = self._counter(
            "lite_frames_skipped",
            "Video frames skipped because they could not be ready when due.",
        )
        self.frames_left_out = self._counter(
            "lite_frames_left_out",
            "Video frames left out on purpose, because the machine was late: every "
            "second one of faces in this pose (listening: also thinking).",
            "pose",
        )
        for pose in GROUPS:
            self.frames_left_out.labels(pose)
        self.degradation_level = self._gauge(
            "lite_degradation_level",
            "Poses that are shown with half the frame rate, because frames were late: "
            "0 none, 1 idle, 2 also listening, 3 all.",
        )
        self.frame_late = self._histogram(
            "lite_frame_late_seconds",
            "From the time a video frame was due until it was sent to the room.",
            _LATE,
        )
        self.publish = self._histogram(
            "lite_publish_seconds",
            "Time to pass one video frame to the LiveKit SDK.",
            _DURATION,
        )
        self.loop_lag = self._histogram(
            "lite_loop_lag_seconds",
            "Delay of a timer of the event loop. Budget: 5 ms.",
            _LATE,
        )

    def _wire(self) -> None:
        self.ws_messages = self._counter(
            "lite_ws_messages", "WebSocket messages received, by type.", "type"
        )
        self.connections_refused = self._counter(
            "lite_connections_refused",
            "Connections closed because too many were open, on the server or of one "
            "address, or because a request was not complete in time, by reason.",
            "reason",
        )
        self.ws_refused = self._counter(
            "lite_ws_refused",
            "WebSocket messages and connections refused, by reason.",
            "reason",
        )
        self.streams_refused = self._counter(
            "lite_streams_refused",
            "Byte streams and RPCs of participants refused, by reason.",
            "reason",
        )
        self.channel_commands = self._counter(
            "lite_channel_commands", "Data channel commands taken, by type.", "type"
        )
        self.channel_refused = self._counter(
            "lite_channel_refused",
            "Data channel commands refused, by reason.",
            "reason",
        )
        self.channel_events_dropped = self._counter(
            "lite_channel_events_dropped",
            "Data channel events that did not reach the room.",
        )
        self.warnings = self._counter(
            "lite_warnings", "Warnings about the input of sessions, by type.", "type"
        )

    def _readiness(self) -> None:
        self.ready = self._gauge(
            "lite_ready", "1 if a session could start now, else 0; as /ready answers."
        )
        self.dependency_up = self._gauge(
            "lite_dependency_up",
            "1 if LiveKit answers and accepts the API key, if the database can be "
            "written; else 0.",
            "dependency",
        )
        self.slots_free = self._gauge("lite_slots_free", "Sessions that could start.")
        self.capacity_sessions = self._gauge(
            "lite_capacity_sessions",
            "Sessions that may run at once: --max-sessions, or as many of the default "
            "avatar at 512x512 as this machine was measured to carry.",
        )
        self.task_restarts = self._counter(
            "lite_task_restarts",
            "Restarts of the process's own long-lived tasks after a failure.",
            "task",
        )

    def _http(self) -> None:
        self.http_requests = self._counter(
            "lite_http_requests",
            "HTTP requests answered, by method, path of the operation and status.",
            *("method", "route", "status"),
        )
        self.http_seconds = self._histogram(
            "lite_http_request_seconds",
            "From the headers of an HTTP request until its answer was complete.",
            _REQUEST,
            "route",
        )

    def _history(self) -> None:
        self.history_pending = self._gauge(
            "lite_history_pending", "Writes to the session history that are queued."
        )
        self.history_pending_seconds = self._gauge(
            "lite_history_pending_seconds",
            "Time that the oldest queued write to the session history has waited.",
        )
        self.history_dropped = self._counter(
            "lite_history_dropped",
            "Writes to the session history that were given up, by reason.",
            "reason",
        )
        for reason in _HISTORY_DROPPED:
            self.history_dropped.labels(reason)

    def _conversations(self) -> None:
        self.transcript_lines_dropped = self._counter(
            "lite_transcript_lines_dropped",
            "Lines of transcripts that were given up, by reason.",
            "reason",
        )
        for reason in _TRANSCRIPT_DROPPED:
            self.transcript_lines_dropped.labels(reason)
        self.conversation_children_started = self._counter(
            "lite_conversation_children_started",
            "Starts of the agent process, in which conversations run.",
        )
        self.conversation_stage = self._histogram(
            "lite_conversation_stage_seconds",
            "Stages of answers to the user's voice, from its last loud sample to the "
            "avatar's first one, and their total. Budget of the total: p50 650 ms, p95 "
            "900 ms.",
            _STAGES,
            "stage",
        )
        self.conversation_link = self._histogram(
            "lite_conversation_link_seconds",
            "Time of a message on the link to the agent process. Budget: p95 3 ms.",
            _LINK,
            "direction",
        )
        for direction in ("to_agent", "to_gateway"):
            self.conversation_link.labels(direction)
        self.conversation_turns = self._counter(
            "lite_conversation_turns",
            "Turns of the avatar in conversations, by how they ended.",
            "outcome",
        )
        for outcome in ("finished", "interrupted"):
            self.conversation_turns.labels(outcome)
        self.conversation_errors = self._counter(
            "lite_conversation_errors",
            "Errors that clients of conversations were told, by the part that failed.",
            *("part", "kind"),
        )

    def _created_avatars(self) -> None:
        self.avatar_jobs = self._counter(
            "lite_avatar_jobs",
            "Jobs that make an avatar from a photo, by how they ended.",
            "outcome",
        )
        for outcome in ("finished", "failed", "cancelled"):
            self.avatar_jobs.labels(outcome)
        self.avatar_drafts = self._gauge(
            "lite_avatar_drafts", "Avatars from photos that wait to be kept."
        )
        self.created_avatars = self._gauge(
            "lite_created_avatars", "Avatars that people have made and kept."
        )

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _histogram(
        self, name: str, text: str, buckets: tuple[float, ...], *labels: str
    ) -> Histogram:
        return Histogram(name, text, labels, buckets=buckets, registry=self.registry)
