"""Server of the counterpart: its routes, and its refusals as OpenAI writes them."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from tests.openai_counterpart import audio, chat, control
from tests.openai_counterpart.faults import ApiFailure, error_response
from tests.openai_counterpart.realtime.connection import realtime
from tests.openai_counterpart.script import Script
from tests.openai_counterpart.state import COUNTERPART, Counterpart, counterpart_of

MODELS = ("gpt-4o-mini", "gpt-4o-mini-tts", "gpt-realtime", "tts-1", "whisper-1")
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def _refusals(request: web.Request, handler: _Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except ApiFailure as refusal:
        return error_response(refusal)


async def models(request: web.Request) -> web.Response:
    """Answer with the models that exist."""
    counterpart = counterpart_of(request)
    key = counterpart.bearer(request)
    record = counterpart.records.add("models", key, {}, counterpart.headers(request))
    with counterpart.watched(record):
        counterpart.check_key(key)
        record.end("complete")
    names = counterpart.script.models or MODELS
    data = [
        {"id": name, "object": "model", "created": 1, "owned_by": "counterpart"}
        for name in names
    ]
    return web.json_response({"object": "list", "data": data})


def application(script: Script) -> web.Application:
    """Return the application of a counterpart with a script."""
    app = web.Application(middlewares=[_refusals], client_max_size=32 << 20)
    app[COUNTERPART] = Counterpart(script)
    app.add_routes(
        [
            web.post("/v1/chat/completions", chat.completions),
            web.post("/v1/audio/transcriptions", audio.transcriptions),
            web.post("/v1/audio/speech", audio.speech),
            web.get("/v1/models", models),
            web.get("/v1/realtime", realtime),
            web.post("/control", control.update),
            web.post("/control/reset", control.reset),
            web.get("/control/requests", control.requests),
            web.post("/control/clips", control.teach),
            web.get("/control/realtime", control.connections),
            web.post("/control/realtime", control.act),
        ]
    )
    return app
