"""Refused requests, in the shape in which OpenAI's interface reports errors."""

import logging

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler

log = logging.getLogger(__name__)


PATHS = (
    "POST /v1/audio/transcriptions",
    "POST /v1/audio/speech",
    "POST /v1/chat/completions",
    "GET /v1/models",
    "GET /health",
)
_KINDS = {401: "authentication_error", 429: "rate_limit_error"}
RETRY_S = "1"


class RequestRefused(Exception):
    """Request that cannot be served as it is; the text says what would be right."""

    def __init__(
        self, text: str, *, status: int = 400, param: str | None = None, code: str = ""
    ) -> None:
        super().__init__(text)
        self.status = status
        self.param = param
        self.code = code or None


@web.middleware
async def refuse_in_shape(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer each error with ``{"error": {message, type, param, code}}``."""
    try:
        return await handler(request)
    except RequestRefused as refused:
        return _response(refused)
    except web.HTTPException as error:
        fix = f"The requests are {', '.join(PATHS)}."
        text = f"{request.method} {request.path}: {error.reason}. {fix}"
        return _response(RequestRefused(text, status=error.status))
    except Exception:  # boundary: one request may fail, the service goes on
        log.exception("request failed, path=%s", request.path)
        text = "The built-in speech service failed; its log says why. Try again."
        return _response(RequestRefused(text, status=500, code="internal_error"))


def _response(refused: RequestRefused) -> web.Response:
    kind = "server_error" if refused.status >= 500 else "invalid_request_error"
    error = {
        "message": str(refused),
        "type": _KINDS.get(refused.status, kind),
        "param": refused.param,
        "code": refused.code,
    }
    headers = {"Retry-After": RETRY_S} if refused.status in (429, 503) else {}
    return web.Response(
        status=refused.status,
        body=orjson.dumps({"error": error}),
        content_type="application/json",
        headers=headers,
    )


async def json_object(request: web.Request) -> dict[str, object]:
    """Return the JSON object of a request's body; `RequestRefused` for another one."""
    try:
        values = orjson.loads(await request.read())
    except orjson.JSONDecodeError as error:
        raise RequestRefused(f"The body is not JSON: {error}.") from None
    if not isinstance(values, dict):
        raise RequestRefused("The body is not a JSON object. Send one.")
    return values
