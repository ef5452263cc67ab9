"""Ids and counts of requests, as the gateway's whole application has them."""

import contextlib
import logging

import pytest
from sqlalchemy.exc import OperationalError

from lite_gateway.telemetry.context import context_ids
from tests.http.asgi import request
from tests.http.conftest import KEY

ID = {"x_request_id": "mine-1"}


def count(app, route: str, status: int) -> float | None:
    labels = {"method": "GET", "route": route, "status": str(status)}
    registry = app.state.service.metrics.registry
    return registry.get_sample_value("lite_http_requests_total", labels)


@pytest.mark.parametrize(
    ("path", "route", "status"),
    [
        ("/health", "/health", 200),
        ("/v1/avatars/public", "/v1/avatars/public", 200),
        ("/v1/sessions/no-uuid", "/v1/sessions/{session_id}", 422),
        ("/v1/nothing", "static", 404),
    ],
)
def test_every_answer_has_its_id_and_counts_for_its_operation(app, path, route, status):
    before = count(app, route, status) or 0
    answer = request(app, "GET", path, x_api_key=KEY, **ID)
    assert answer.status == status
    assert answer.headers["x-request-id"] == "mine-1"
    assert count(app, route, status) == before + 1


def test_an_internal_error_has_its_id_and_is_counted(build_app):
    app = build_app()

    async def fail() -> None:
        raise ValueError

    async def as_a_server(scope, receive, send) -> None:
        """Call the application, and go on after its errors, as uvicorn does."""
        with contextlib.suppress(ValueError):
            await app(scope, receive, send)

    app.state.service.fault = fail
    answer = request(as_a_server, "GET", "/ready", **ID)
    assert answer.status == 500
    assert answer.headers["x-request-id"] == "mine-1"
    assert count(app, "/ready", 500) == 1


def test_log_lines_of_a_database_thread_have_the_id_of_their_request(app, caplog):
    store = app.state.service.store
    seen = []

    class Ids(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append((record.getMessage(), context_ids().get("request")))

    handler = Ids()
    logging.getLogger("lite_gateway.store").addHandler(handler)
    run = store.read_public

    async def failing(work, *args, **kwargs):
        def broken(db):
            raise OperationalError("select", {}, Exception("away"))

        return await run(broken, *args, **kwargs)

    store.read_public = failing
    try:
        answer = request(app, "GET", "/v1/avatars/public", x_api_key=KEY, **ID)
    finally:
        del store.read_public
        logging.getLogger("lite_gateway.store").removeHandler(handler)
    assert answer.status == 503
    assert seen
    assert {id_ for _, id_ in seen} == {"mine-1"}
