"""Failures of OpenAI's HTTP interface, with its statuses and error bodies."""

import asyncio
from typing import Any

from aiohttp import web

from tests.openai_counterpart.records import RequestRecord
from tests.openai_counterpart.script import Answer

PAGE = "<!doctype html><html><body><h1>Welcome</h1></body></html>"
# Longer than any client waits. The client's leaving ends it earlier.
FOREVER_S = 3600.0


class ApiFailure(Exception):
    """Refusal with a status and an error body, as OpenAI answers."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = {
            "error": {"message": message, "type": kind, "param": param, "code": code}
        }


def wrong_key(key: str) -> ApiFailure:
    """Return the refusal of a key. It repeats the key, which is the worst case."""
    text = f"Incorrect API key provided: {key}. You can find your API key at your host."
    return ApiFailure(401, text, code="invalid_api_key")


def no_key() -> ApiFailure:
    """Return the refusal of a request without a key."""
    return ApiFailure(401, "You didn't provide an API key.")


def no_model(model: str) -> ApiFailure:
    """Return the refusal of a model."""
    text = f"The model `{model}` does not exist or you do not have access to it."
    return ApiFailure(404, text, code="model_not_found")


def wrong_field(param: str, message: str, code: str | None = None) -> ApiFailure:
    """Return the refusal of a field of a request."""
    return ApiFailure(400, message, param=param, code=code)


def failure(fault: str, key: str, model: str) -> ApiFailure | None:
    """Return the refusal that a fault names, None if it is none."""
    match fault:
        case "auth":
            return wrong_key(key)
        case "model":
            return no_model(model)
        case "quota":
            text = "You exceeded your current quota, please check your plan."
            return ApiFailure(
                429, text, kind="insufficient_quota", code="insufficient_quota"
            )
        case "rate":
            text = "Rate limit reached for requests."
            return ApiFailure(429, text, kind="requests", code="rate_limit_exceeded")
        case "server":
            text = "The server had an error while processing your request."
            return ApiFailure(500, text, kind="server_error")
        case "bad_request":
            return ApiFailure(400, "Your request is malformed.")
    return None


async def failed_response(
    request: web.Request, answer: Answer, record: RequestRecord, model: str
) -> web.StreamResponse | None:
    """Return the response of an answer with a fault, None if it has none."""
    if answer.status:
        record.end(str(answer.status))
        return web.Response(
            status=answer.status, text=answer.body, content_type=answer.content_type
        )
    if refusal := failure(answer.fault, record.key, model):
        raise refusal
    match answer.fault:
        case "html":
            record.end("html")
            return web.Response(text=PAGE, content_type="text/html")
        case "hang":
            await asyncio.sleep(FOREVER_S)
        case "drop":
            record.end("drop")
            drop(request)
            return web.Response()
        case "redirect":
            record.end("redirect")
            return web.Response(status=307, headers={"Location": answer.location})
    return None


def drop(request: web.Request) -> None:
    """Close the connection of a request in the middle of whatever it sends."""
    if request.transport is not None:
        request.transport.abort()


def error_response(failure_: ApiFailure) -> web.Response:
    """Return the response of a refusal."""
    body: dict[str, Any] = failure_.body
    return web.json_response(body, status=failure_.status)
