"""Log, metrics and traces of a real gateway that plays one turn."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from websockets.sync.client import connect

from bench.probe.stack import KEY, running_gateway
from tests.e2e.calls import LEAN
from tests.telemetry.test_logs import TRACEPARENT
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.livekit
REQUEST = "start-of-the-test"


class _Collector(BaseHTTPRequestHandler):
    spans: list[Span]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert self.path == "/v1/traces"
        for of_resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for of_scope in of_resource.scope_spans:
                self.spans.extend(of_scope.spans)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log no requests."""


@pytest.fixture(scope="module")
def collector() -> Iterator[tuple[str, list[Span]]]:
    """URL of a receiver of OTLP over HTTP, and the spans that it has received."""
    spans: list[Span] = []
    handler = type("Collector", (_Collector,), {"spans": spans})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", spans
        finally:
            server.shutdown()
            thread.join()


@dataclass
class Observed:
    """Traces, log and metrics of a gateway that has ended."""

    session: str
    spans: list[Span]
    log: list[dict[str, Any]] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)


@pytest.fixture(scope="module")
def observed(livekit, collector, tmp_path_factory) -> Observed:
    """Return what a gateway showed that played one turn and was stopped."""
    url, spans = collector
    path = tmp_path_factory.mktemp("observed") / "gateway.log"
    settings = LEAN | {
        "LITE_API_KEYS": KEY,
        "LITE_LOG_FORMAT": "json",
        "OTEL_EXPORTER_OTLP_ENDPOINT": url,
    }
    with running_gateway(
        livekit.url, livekit.key, livekit.secret, path, mode="serve", **settings
    ) as gateway:
        created = gateway.create_session().json()["data"]
        bearer = f"Bearer {created['session_token']}"
        headers = {"Authorization": bearer, "X-Request-ID": REQUEST}
        headers["traceparent"] = TRACEPARENT
        started = gateway.post("/v1/sessions/start", headers=headers)
        assert started.headers["X-Request-ID"] == REQUEST
        assert started.status_code == 201, started.text
        speak_a_turn(started.json()["data"]["ws_url"])
        gateway.post("/v1/sessions/stop", headers=headers)
        result = Observed(created["session_id"], spans, metrics=gateway.metrics())
    result.log = [json.loads(line) for line in path.read_text().splitlines()]
    return result


def speak_a_turn(ws_url: str) -> None:
    """Speak half a second, and wait until it was heard."""
    audio = base64.b64encode(bytes(24_000)).decode()
    with connect(ws_url) as socket:
        socket.send(json.dumps({"type": "agent.speak", "audio": audio}))
        socket.send(json.dumps({"type": "agent.speak_end"}))
        while "agent.speak_ended" not in str(socket.recv(timeout=PATIENCE_S)):
            pass


def test_every_line_is_json_and_names_session_and_request(observed):
    lines = observed.log
    assert all({"ts", "level", "logger", "message"} <= set(line) for line in lines)
    [ready] = [line for line in lines if line["message"].startswith("ready, url=")]
    assert ready["url"].startswith("http://127.0.0.1:")
    of_session = [line for line in lines if line.get("session") == observed.session]
    [start] = [line for line in of_session if line["message"].startswith("session sta")]
    assert start["request"] == REQUEST
    assert start["trace"] == TRACEPARENT.split("-")[1]
    [end] = [line for line in of_session if line["message"].startswith("session ended")]
    assert end["reason"] == "USER_CLOSED"
    of_sdk = {line["level"] for line in lines if line["logger"] == "livekit"}
    assert of_sdk <= {"WARNING", "ERROR"}


def test_requests_and_the_process_are_measured(observed):
    metrics = observed.metrics
    labels = 'method="POST",route="/v1/sessions/start",status="201"'
    assert metrics[f"lite_http_requests_total{{{labels}}}"] == 1
    assert not [name for name in metrics if observed.session in name]
    limit = metrics["lite_memory_limit_bytes"]
    assert 1 << 20 < metrics["process_resident_memory_bytes"] < limit
    assert 0 < metrics["process_open_fds"] < metrics["process_max_fds"]


def test_the_collector_gets_the_turn_in_the_callers_trace(observed):
    spans = {span.name: span for span in observed.spans}
    assert set(spans) == {"turn", "wait", "render first frame", "submit first frame"}
    turn = spans["turn"]
    assert turn.trace_id.hex() == TRACEPARENT.split("-")[1]
    assert turn.parent_span_id.hex() == TRACEPARENT.split("-")[2]
    attributes = {it.key: it.value for it in turn.attributes}
    assert attributes["lite.session"].string_value == observed.session
    assert attributes["lite.outcome"].string_value == "finished"
    assert attributes["lite.audio_s"].double_value == 0.5
    for name, span in spans.items():
        if name != "turn":
            assert span.parent_span_id == turn.span_id
            assert span.start_time_unix_nano >= turn.start_time_unix_nano
            assert span.end_time_unix_nano <= turn.end_time_unix_nano
