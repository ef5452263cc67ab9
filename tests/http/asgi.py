"""Requests to an ASGI application in this process, piece by piece."""

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp


@dataclass
class Answer:
    """Response, and how many pieces of the body were read before it began."""

    status: int = 0
    headers: dict[str, str] = None
    body: bytes = b""
    reads: int = 0

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def message(self) -> str:
        return self.json["message"]


def request(
    app: ASGIApp,
    method: str,
    path: str,
    body: bytes | Iterable[bytes] = b"",
    *,
    client: str = "192.0.2.1",
    scheme: str = "http",
    **headers: str,
) -> Answer:
    """
    Make one request.

    A body of bytes is sent with its length, one of pieces is chunked. Names of
    ``headers`` have ``_`` for ``-``.
    """
    given = {name.replace("_", "-").lower(): text for name, text in headers.items()}
    if isinstance(body, bytes):
        pieces = [body]
        if body:
            given.setdefault("content-length", str(len(body)))
    else:
        pieces = body
        given["transfer-encoding"] = "chunked"
    return asyncio.run(_request(app, method, path, iter(pieces), client, scheme, given))


async def _request(app, method, path, pieces, client, scheme, headers) -> Answer:
    answer = Answer()
    reads = 0
    path, _, query = path.partition("?")

    async def receive() -> dict[str, Any]:
        nonlocal reads
        reads += 1
        await asyncio.sleep(0)
        try:
            return {"type": "http.request", "body": next(pieces), "more_body": True}
        except StopIteration:
            return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            answer.reads = reads
            answer.status = message["status"]
            answer.headers = {
                name.decode(): text.decode() for name, text in message["headers"]
            }
        else:
            answer.body += message.get("body", b"")

    headers = {"host": "127.0.0.1:8080", **headers}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": scheme,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(n.encode(), t.encode("latin-1")) for n, t in headers.items()],
        "client": (client, 50_000),
        "server": ("127.0.0.1", 8080),
        "state": {},
    }
    await app(scope, receive, send)
    return answer
