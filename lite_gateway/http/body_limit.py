"""Limit of request bodies: 413 before a body is read."""

import asyncio
import contextlib
from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lite_gateway.http.error_response import error_response

MAX_BODY_BYTES = 64 << 10  # the longest legal request has about 10 KiB
MAX_PHOTO_BYTES = 40 << 20
# Route of photos, whose bodies are longer: a form with one, and its other fields.
PHOTO_ROUTE = ("POST", "/v1/avatars")
PHOTO_TOO_LARGE = (
    f"the picture has over {MAX_PHOTO_BYTES >> 20} MB: choose a smaller one"
)
# A connection that is closed while data arrives is reset, and the client may lose the
# response. So the rest of a refused body is read and dropped for this long.
DRAIN_S = 2.0
_TOO_LARGE = (
    f"the body is longer than {MAX_BODY_BYTES >> 10} KiB; send speech over the ws_url"
)


def is_photo(scope: Mapping[str, object]) -> bool:
    """Tell whether a request may have the long body of a photo."""
    return (scope["method"], scope["path"]) == PHOTO_ROUTE


class BodyTooLong(HTTPException):
    """
    A chunked body that is too long, found while it is read.

    Of this kind, because FastAPI answers other errors of ``receive`` with 400.
    """

    def __init__(self, photo: bool) -> None:
        super().__init__(413, PHOTO_TOO_LARGE if photo else _TOO_LARGE)
        self.is_photo = photo


def refusal(photo: bool) -> JSONResponse:
    """Return the answer to a body that is too long."""
    if not photo:
        return error_response(413, _TOO_LARGE)
    reason = {"code": "too_large", "message": PHOTO_TOO_LARGE}
    return error_response(413, PHOTO_TOO_LARGE, reason=reason)


class BodyLimit:
    """
    ASGI middleware that refuses longer bodies.

    A body with ``Content-Length`` is refused before it is read, a chunked one as soon
    as it is too long. Both connections are closed.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send)
        if exchange.too_long:
            response = refusal(exchange.is_photo)
            await response(scope, exchange.receive, exchange.send)
            return
        await self._app(scope, exchange.receive, exchange.send)


class _Exchange:
    """One request and its response."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        headers = Headers(scope=scope)
        length = headers.get("content-length", "")
        declared = int(length) if length.isdecimal() else 0
        self.is_photo = is_photo(scope)
        self._limit = MAX_BODY_BYTES + (MAX_PHOTO_BYTES if self.is_photo else 0)
        self.too_long = declared > self._limit
        # A short body that nobody reads is dropped by the HTTP server.
        self._unknown_length = "transfer-encoding" in headers
        self._received = 0
        self._complete = False
        self._closes = False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._received += len(message.get("body", b""))
            self._complete = not message.get("more_body", False)
            if self._received > self._limit:
                self.too_long = True
                raise BodyTooLong(self.is_photo)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            unread = self.too_long or self._unknown_length
            self._closes = unread and not self._complete
            if self._closes:
                headers = [*message.get("headers", []), (b"connection", b"close")]
                message = {**message, "headers": headers}
        elif self._closes and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            await self._drain()
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self._send(message)

    async def _drain(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                while True:
                    message = await self._receive()
                    if not message.get("more_body", False):
                        return
