"""Request ids and HTTP metrics, as an application with the middleware has them."""

import asyncio
import contextvars
import json
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI, WebSocket
from fastapi.staticfiles import StaticFiles

from lite_gateway.metrics import Metrics
from lite_gateway.telemetry.context import context_ids
from lite_gateway.telemetry.requests import RequestTelemetry
from tests.telemetry.test_logs import TRACEPARENT


class Server:
    """Application with the middleware, its metrics, and a client of it."""

    def __init__(self, folder) -> None:
        self.metrics = Metrics()
        router = APIRouter(prefix="/v1")
        router.add_api_route("/ids/{name}", self.ids, methods=["GET"])
        router.add_api_route("/fails", self.fails, methods=["GET"])
        self.app = FastAPI()
        self.app.add_middleware(RequestTelemetry, metrics=self.metrics)
        self.app.include_router(router)
        self.app.add_api_websocket_route("/ws", self.socket)
        self.app.mount("/", StaticFiles(directory=folder, html=True))

    async def ids(self, name: str) -> dict[str, str]:
        return context_ids()

    async def fails(self) -> None:
        raise ValueError

    async def socket(self, socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_json(context_ids())
        await socket.close()

    def call(self, path: str, method: str = "GET", **headers: str) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://gateway"
            ) as client:
                return await client.request(method, path, headers=headers)

        return contextvars.Context().run(asyncio.run, send())

    async def connect(self, headers: dict[str, str]) -> list[dict[str, Any]]:
        """Open the WebSocket, and return the messages that the application sends."""
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, str]:
            return {"type": "websocket.connect"}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        pairs = [(name.encode(), text.encode()) for name, text in headers.items()]
        scope = {"type": "websocket", "path": "/ws", "headers": pairs}
        scope |= {"query_string": b"", "subprotocols": []}
        await self.app(scope, receive, send)
        return sent

    def count(self, method: str, route: str, status: int) -> float | None:
        labels = {"method": method, "route": route, "status": str(status)}
        registry = self.metrics.registry
        return registry.get_sample_value("lite_http_requests_total", labels)


@pytest.fixture
def server(tmp_path):
    (tmp_path / "page.html").write_text("page")
    return Server(tmp_path)


def test_an_answer_has_the_id_of_its_request(server):
    answer = server.call("/v1/ids/a", **{"X-Request-ID": "mine-1", "traceparent": "x"})
    assert answer.headers["X-Request-ID"] == "mine-1"
    assert answer.json() == {"request": "mine-1"}
    answer = server.call("/v1/ids/a", traceparent=TRACEPARENT)
    assert answer.json()["request"] == answer.headers["X-Request-ID"]
    assert answer.json()["trace"] == TRACEPARENT.split("-")[1]


@pytest.mark.parametrize("given", ["", "two words", "x" * 129, 'a"b', "a\tb"])
def test_an_id_that_is_not_plain_is_replaced(server, given):
    answer = server.call("/v1/ids/a", **{"X-Request-ID": given})
    assert answer.headers["X-Request-ID"] != given
    assert len(answer.headers["X-Request-ID"]) == 32


def test_requests_are_counted_by_their_operation_and_nothing_that_callers_choose(
    server,
):
    for path in ("/v1/ids/a", "/v1/ids/b", "/v1/fails", "/nowhere", "/page.html"):
        server.call(path)
    server.call("/v1/ids/a", "DELETE")
    server.call("/v1/ids/a", "BREW")
    assert server.count("GET", "/v1/ids/{name}", 200) == 2
    assert server.count("GET", "/v1/fails", 500) == 1
    assert server.count("GET", "static", 404) == 1
    assert server.count("GET", "static", 200) == 1
    assert server.count("DELETE", "static", 405) == 1
    assert server.count("other", "static", 405) == 1
    seconds = server.metrics.registry.get_sample_value
    labels = {"route": "/v1/ids/{name}"}
    assert seconds("lite_http_request_seconds_count", labels) == 2


def test_a_socket_has_an_id_and_is_not_counted(server):
    sent = asyncio.run(server.connect({"x-request-id": "mine-2"}))
    assert json.loads(sent[1]["text"]) == {"request": "mine-2"}
    families = {family.name: family for family in server.metrics.registry.collect()}
    assert not families["lite_http_requests"].samples


def test_process_metrics_are_those_of_this_process():
    value = Metrics().registry.get_sample_value
    assert value("process_resident_memory_bytes") > 1 << 20
    assert value("process_open_fds") > 2
    assert value("process_max_fds") > value("process_open_fds")
    assert value("process_cpu_seconds_total") > 0
    assert value("python_gc_collections_total", {"generation": "0"}) is not None
