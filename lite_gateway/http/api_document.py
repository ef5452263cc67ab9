"""OpenAPI document, which is built when somebody asks for it first."""

import asyncio
from collections.abc import Callable
from typing import Any

from starlette.responses import JSONResponse, Response

from lite_gateway.threads import in_daemon_thread


class ApiDocument:
    """
    Answer to ``GET /openapi.json``.

    Building it takes a fifth of the processor time of a start, and few gateways are
    asked for it. A thread builds it, because frames must not wait for that.
    """

    def __init__(self, build: Callable[[], dict[str, Any]]) -> None:
        """``build`` returns the document."""
        self._build = build
        self._building = asyncio.Lock()
        self._body = b""

    async def answer(self) -> Response:
        """Return the document as JSON; the first call waits until it is built."""
        async with self._building:
            if not self._body:
                self._body = await in_daemon_thread(self._render, "openapi")
        return Response(self._body, media_type="application/json")

    def _render(self) -> bytes:
        return bytes(JSONResponse(self._build()).body)
