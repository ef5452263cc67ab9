"""`/control`: how tests script the counterpart, and read what it got."""

import base64

import numpy as np
from aiohttp import web

from tests.openai_counterpart.realtime.events import RefusedEvent
from tests.openai_counterpart.script import NotAScript
from tests.openai_counterpart.state import counterpart_of


async def update(request: web.Request) -> web.Response:
    """Replace the parts of the script that the body names."""
    try:
        counterpart_of(request).script.update(await request.json())
    except (NotAScript, ValueError, TypeError) as error:
        return web.json_response({"error": str(error)}, status=400)
    return web.json_response({})


async def reset(request: web.Request) -> web.Response:
    """Forget script, clips and records; break all connections of Realtime."""
    counterpart = counterpart_of(request)
    for connection in counterpart.connections:
        if connection.is_open:
            connection.drop()
    counterpart.connections.clear()
    counterpart.reset()
    return web.json_response({})


async def requests(request: web.Request) -> web.Response:
    """Return all requests of HTTP."""
    return web.json_response(counterpart_of(request).records.as_json())


async def teach(request: web.Request) -> web.Response:
    """Learn a clip: name, words, PCM as base64, and its rate."""
    body = await request.json()
    pcm = np.frombuffer(base64.b64decode(body["pcm"]), "<i2").astype(np.int16)
    clips = counterpart_of(request).clips
    clips.teach(body["name"], body["words"], pcm, body["rate"])
    return web.json_response({})


async def connections(request: web.Request) -> web.Response:
    """Return the connections of Realtime, with all their events."""
    return web.json_response(
        [each.as_json() for each in counterpart_of(request).connections]
    )


async def act(request: web.Request) -> web.Response:
    """Do something to the connections of Realtime: drop, close, error."""
    body = await request.json()
    for connection in counterpart_of(request).connections:
        if not connection.is_open or body.get("key", connection.key) != connection.key:
            continue
        match body["do"]:
            case "drop":
                connection.drop()
            case "close":
                reason = body.get("reason", "")
                await connection.close(body.get("code", 1001), reason)
            case "error":
                values = {"type": "server_error", "code": None} | body["error"]
                error = RefusedEvent(
                    values["message"], values["code"], kind=values["type"]
                )
                await connection.send("error", error=error.error(None))
            case other:
                return web.json_response({"error": f"no act {other!r}"}, status=400)
    return web.json_response({})
