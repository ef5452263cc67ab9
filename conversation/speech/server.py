"""HTTP server of the speech service: its parts, its paths, its key."""

import asyncio
import contextlib
import hmac
import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Self

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler

from conversation.speech import completions, recognizer
from conversation.speech.completions import complete
from conversation.speech.model_thread import ModelThread
from conversation.speech.recognizer import Recognizer
from conversation.speech.refusals import RequestRefused, refuse_in_shape
from conversation.speech.speaking import SpeakingRoute
from conversation.speech.transcriptions import TranscriptionRoute
from conversation.speech.voices import Voice, load_voices

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
MAX_JSON = 8 * 1024 * 1024  # bytes of a body: a conversation of an hour has one
_CLOSE_GRACE_S = 0.5
_OPEN_PATHS = ("/health",)  # without a key


@dataclass(frozen=True, slots=True)
class SpeechParts:
    """Recognizer and voices of this machine; what is not installed is missing."""

    recognizer: Recognizer | None
    voices: Mapping[str, Voice]

    @classmethod
    async def load(cls, hearing: ModelThread, speaking: ModelThread) -> Self:
        """Load and warm the models, each in its thread."""
        async with asyncio.TaskGroup() as group:
            ears = group.create_task(hearing.run(Recognizer.load), name="recognizer")
            voices = group.create_task(speaking.run(load_voices), name="voices")
        return cls(ears.result(), voices.result())

    @property
    def models(self) -> list[str]:
        """Names of what is there, for people: any name is accepted in a request."""
        ears = [recognizer.MODEL_NAME] if self.recognizer else []
        return [completions.MODEL_NAME, *ears, *self.voices]


@contextlib.asynccontextmanager
async def serving(key: str, port: int = 0) -> AsyncIterator[tuple[str, SpeechParts]]:
    """
    Serve on a port of loopback, and yield the base URL and the parts.

    A request must carry ``key`` as its bearer token. Port 0 is any free one.
    """
    hearing, speaking = ModelThread("recognizer"), ModelThread("voice")
    try:
        parts = await SpeechParts.load(hearing, speaking)
        app = _application(key, parts, hearing, speaking)
        # A client that leaves needs no more of its speech.
        runner = web.AppRunner(
            app,
            access_log=None,
            handler_cancellation=True,
            shutdown_timeout=_CLOSE_GRACE_S,
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, HOST, port).start()
            yield f"http://{HOST}:{runner.addresses[0][1]}/v1", parts
        finally:
            await runner.cleanup()
    finally:
        hearing.close()
        speaking.close()


def _application(
    key: str, parts: SpeechParts, hearing: ModelThread, speaking: ModelThread
) -> web.Application:
    expected = f"Bearer {key}".encode()

    @web.middleware
    async def require_key(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").encode(errors="replace")
        if request.path not in _OPEN_PATHS and not hmac.compare_digest(given, expected):
            raise RequestRefused(
                "The key is missing or wrong. The gateway that started this service"
                " knows it.",
                status=401,
                code="invalid_api_key",
            )
        return await handler(request)

    app = web.Application(
        middlewares=(refuse_in_shape, require_key), client_max_size=MAX_JSON
    )
    transcriptions = TranscriptionRoute(parts.recognizer, hearing)
    app.add_routes(
        (
            web.post("/v1/audio/transcriptions", transcriptions.__call__),
            web.post(
                "/v1/audio/speech", SpeakingRoute(parts.voices, speaking).__call__
            ),
            web.post("/v1/chat/completions", complete),
            web.get("/v1/models", _listing(parts)),
            web.get("/health", _health(parts)),
        )
    )
    return app


def _listing(parts: SpeechParts) -> Handler:
    models = [
        {"id": name, "object": "model", "created": 0, "owned_by": "lite-gateway"}
        for name in parts.models
    ]
    body = orjson.dumps({"object": "list", "data": models})

    async def respond(request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, content_type="application/json")

    return respond


def _health(parts: SpeechParts) -> Handler:
    values = {"recognizer": parts.recognizer is not None, "voices": [*parts.voices]}
    body = orjson.dumps({"status": "ok", **values})

    async def respond(request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, content_type="application/json")

    return respond
