"""Spans of turns, made of the events of playout, as an exporter gets them."""

import asyncio
import contextvars
import logging
import socket
import subprocess
import sys
import time

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from lite_gateway.playout.trace import Event, TurnCut, both, untraced
from lite_gateway.telemetry import spans
from lite_gateway.telemetry.context import traceparent
from lite_gateway.telemetry.tracing import exporting, wants_traces
from protocol.lite.messages import SAMPLE_RATE
from tests.playout.fixtures import running_playout, trace_turns
from tests.telemetry.test_logs import TRACEPARENT
from tests.virtual import run

SECOND = SAMPLE_RATE


def exported(events: list[Event], parent: str = "") -> list[ReadableSpan]:
    """Return the spans of one session's events."""
    exporter = InMemorySpanExporter()

    def write() -> None:
        traceparent.set(parent)
        with spans.turn_spans(SimpleSpanProcessor(exporter)) as traces:
            trace = traces("s1", "websocket")
            for event in events:
                trace(event)

    contextvars.Context().run(write)
    return list(exporter.get_finished_spans())


def turns_of(found: list[ReadableSpan]) -> list[ReadableSpan]:
    return [span for span in found if span.name == "turn"]


def seconds(span: ReadableSpan) -> float:
    return (span.end_time - span.start_time) / 1e9


def at_s(turn: ReadableSpan, name: str) -> float:
    """Return the time of an event, from the start of its span."""
    [event] = [event for event in turn.events if event.name == name]
    return (event.timestamp - turn.start_time) / 1e9


def test_a_turn_is_a_span_from_its_first_message_to_its_last_sample_heard():
    events = run(trace_turns([(SECOND, SECOND // 50, 0.02, False)], takes_s=0.010))
    found = exported(events)
    [turn] = turns_of(found)
    assert seconds(turn) == pytest.approx(1.0, abs=0.1)
    assert turn.attributes["lite.session"] == "s1"
    assert turn.attributes["lite.source"] == "websocket"
    assert turn.attributes["lite.turn"] == 1
    assert turn.attributes["lite.outcome"] == "finished"
    assert turn.attributes["lite.messages"] == 50
    assert turn.attributes["lite.audio_s"] == 1.0
    assert turn.attributes["lite.frames"] == pytest.approx(25, abs=2)
    assert at_s(turn, "first message") == 0
    assert at_s(turn, "last message") == pytest.approx(0.98, abs=0.01)
    children = {span.name: span for span in found if span is not turn}
    assert set(children) == {"wait", "render first frame", "submit first frame"}
    for span in children.values():
        assert span.parent.span_id == turn.context.span_id
    assert seconds(children["render first frame"]) == pytest.approx(0.010, abs=1e-6)
    shown_ms = turn.attributes["lite.start_ms"]
    assert shown_ms == pytest.approx(1000 * sum(map(seconds, children.values())), abs=1)
    wait_s = seconds(children["wait"])
    assert at_s(turn, "first audio submitted") == pytest.approx(wait_s, abs=0.001)
    assert not [event for event in turn.events if event.name == "interrupt"]


def test_a_cut_turn_ends_with_its_fade_and_says_how_far_it_was_heard():
    [turn] = turns_of(exported(run(trace_turns([(2 * SECOND, SECOND, 0.0, True)]))))
    assert turn.attributes["lite.outcome"] == "interrupted"
    assert turn.attributes["lite.heard_s"] == pytest.approx(1.0, abs=0.02)
    silence_s = seconds(turn) - at_s(turn, "interrupt")
    assert 0 <= silence_s <= 0.010


async def _queued_turns() -> list[Event]:
    events: list[Event] = []
    async with running_playout(trace=events.append) as s:
        for turn in (1, 2, 3):
            s.playout.append(turn, bytes(2 * SECOND))
            s.playout.seal(turn)
        await asyncio.sleep(0.5)
        s.playout.flush(2, "stopped")
        await asyncio.sleep(2)
    return events


def test_turns_that_waited_behind_a_cut_one_end_as_dropped():
    found = turns_of(exported(run(_queued_turns())))
    outcomes = {
        span.attributes["lite.turn"]: span.attributes["lite.outcome"] for span in found
    }
    assert outcomes == {1: "stopped", 2: "dropped", 3: "finished"}


def test_a_turn_whose_session_ends_before_the_fade_still_ends():
    events = run(trace_turns([(2 * SECOND, SECOND, 0.0, True)]))
    cut = next(place for place, it in enumerate(events) if isinstance(it, TurnCut))
    [turn] = turns_of(exported(events[: cut + 1]))
    assert turn.attributes["lite.outcome"] == "interrupted"
    assert seconds(turn) == pytest.approx(at_s(turn, "interrupt"))


def test_a_turn_belongs_to_the_trace_of_the_caller():
    events = run(trace_turns([(SECOND // 10, SECOND, 0.0, False)]))
    [turn] = turns_of(exported(events, TRACEPARENT))
    assert f"{turn.context.trace_id:032x}" == TRACEPARENT.split("-")[1]
    assert f"{turn.parent.span_id:016x}" == TRACEPARENT.split("-")[2]
    [own] = turns_of(exported(events))
    assert own.parent is None


def test_a_caller_who_does_not_sample_gets_no_spans():
    events = run(trace_turns([(SECOND // 10, SECOND, 0.0, False)]))
    assert not exported(events, TRACEPARENT[:-1] + "0")


def test_the_resource_has_the_name_of_the_environment(monkeypatch):
    events = run(trace_turns([(SECOND // 10, SECOND, 0.0, False)]))
    assert exported(events)[0].resource.attributes["service.name"] == "lite-gateway"
    monkeypatch.setenv("OTEL_SERVICE_NAME", "avatars")
    assert exported(events)[0].resource.attributes["service.name"] == "avatars"


ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}


@pytest.mark.parametrize(
    ("env", "wanted"),
    [
        ({}, False),
        (ENDPOINT, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:1"}, True),
        (ENDPOINT | {"OTEL_SDK_DISABLED": "true"}, False),
        (ENDPOINT | {"OTEL_TRACES_EXPORTER": "none"}, False),
        (ENDPOINT | {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, False),
        (ENDPOINT | {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, True),
    ],
)
def test_traces_are_sent_only_to_an_endpoint_that_is_set(env, wanted):
    assert wants_traces(env) is wanted


def test_nothing_is_traced_without_an_endpoint():
    with exporting(False) as traces:
        assert traces("s1", "websocket") is untraced
        assert both(traces, traces)("s1", "websocket") is untraced


def test_without_the_extra_the_log_says_what_to_install(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "lite_gateway.telemetry.spans", None)
    monkeypatch.delattr("lite_gateway.telemetry.spans")
    with caplog.at_level(logging.WARNING), exporting(True) as traces:
        assert traces("s1", "websocket") is untraced
    assert "pip install 'lite-gateway[otel]'" in caplog.text


def test_events_reach_both_traces_of_two():
    first, second = [], []
    traces = both(lambda *_: first.append, lambda *_: second.append)
    traces("s1", "websocket")(TurnCut(1.0, 1, 0))
    assert first == second == [TurnCut(1.0, 1, 0)]


SILENT = """
import sys
from lite_gateway.playout.trace import AudioReceived, TurnHeard
from lite_gateway.telemetry.tracing import exporting
with exporting(True) as traces:
    trace = traces("s1", "websocket")
    trace(AudioReceived(1.0, 1, 480))
    trace(TurnHeard(2.0, 1))
"""


@pytest.mark.process
def test_a_silent_collector_does_not_keep_the_process():
    with socket.create_server(("127.0.0.1", 0)) as collector:
        url = f"http://127.0.0.1:{collector.getsockname()[1]}"
        started_s = time.monotonic()
        subprocess.run(
            [sys.executable, "-c", SILENT],
            env={"OTEL_EXPORTER_OTLP_ENDPOINT": url},
            check=True,
            timeout=60,
        )
        assert time.monotonic() - started_s < 10 * spans.SHUTDOWN_S
