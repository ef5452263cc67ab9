"""ASGI middleware: ids of each request, and metrics of each HTTP request."""

import re
import time
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lite_gateway.metrics import Metrics
from lite_gateway.telemetry.context import (
    request_id,
    traceparent,
    valid_traceparent,
)

REQUEST_ID_HEADER = "X-Request-ID"
OTHER = "other"  # label of what is not in a closed set, such as an unknown path
STATIC = "static"  # label of the files of the demo page
METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
_REQUEST_ID = re.compile(r"[\w.:/+=-]{1,128}", re.ASCII)


class RequestTelemetry:
    """
    Middleware that gives each request an id, and counts and times HTTP requests.

    The ids stay in the context of the request's task, so that log lines that the
    server writes afterwards have them. Frames of a WebSocket do not pass through it.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        sent_id = headers.get(REQUEST_ID_HEADER, "")
        own_id = sent_id if _REQUEST_ID.fullmatch(sent_id) else uuid.uuid4().hex
        request_id.set(own_id)
        traceparent.set(valid_traceparent(headers.get("traceparent", "")))
        if scope["type"] == "websocket":
            await self._app(scope, receive, send)
            return
        await self._timed(scope, receive, send, own_id)

    async def _timed(
        self, scope: Scope, receive: Receive, send: Send, own_id: str
    ) -> None:
        status = 500  # of a request that fails before its answer begins
        started_s = time.monotonic()

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID_HEADER] = own_id
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            route = _route(scope)
            method = scope["method"] if scope["method"] in METHODS else OTHER
            self._metrics.http_requests.labels(method, route, status).inc()
            elapsed_s = time.monotonic() - started_s
            self._metrics.http_seconds.labels(route).observe(elapsed_s)


def _route(scope: Scope) -> str:
    """Return the path of the operation with its parameters' names, not their values."""
    route = scope.get("route")
    if route is not None:
        return str(getattr(route, "path", OTHER))
    return STATIC if "endpoint" in scope else OTHER
