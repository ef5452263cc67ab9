"""
Switch for traces of turns: on if ``OTEL_*`` settings name an endpoint of OTLP.

OpenTelemetry's SDK reads these settings itself. It is an extra, `lite-gateway[otel]`,
and only `lite_gateway.telemetry.spans` imports it.
"""

import contextlib
import logging
from collections.abc import Iterator, Mapping

from lite_gateway.playout.trace import Traces, untraced

log = logging.getLogger(__name__)

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")


def wants_traces(env: Mapping[str, str]) -> bool:
    """Return whether ``OTEL_*`` names an endpoint to which traces can be sent."""
    if not any(env.get(name) for name in _ENDPOINTS):
        return False
    if env.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    if env.get("OTEL_TRACES_EXPORTER", "otlp") not in ("otlp", ""):
        return False
    protocol = env.get(_PROTOCOLS[1]) or env.get(_PROTOCOLS[0]) or "http/protobuf"
    if protocol != "http/protobuf":
        log.warning("no traces are sent: only OTLP over http/protobuf is supported")
        return False
    return True


@contextlib.contextmanager
def exporting(enabled: bool) -> Iterator[Traces]:
    """Yield traces that go to the OTLP endpoint; they do nothing unless ``enabled``."""
    turn_spans = _turn_spans() if enabled else None
    if turn_spans is None:
        yield lambda session, source: untraced
        return
    with turn_spans as traces:
        yield traces


def _turn_spans() -> contextlib.AbstractContextManager[Traces] | None:
    """Return the traces that make spans; None if the extra is not installed."""
    try:
        from lite_gateway.telemetry import spans
    except ImportError as error:
        text = "no traces are sent (%s): run pip install 'lite-gateway[otel]'"
        log.warning(text, error)
        return None
    return spans.turn_spans(spans.otlp_processor())
