"""JSON bodies: with or without a content type, and never with broken Unicode."""

import json
from typing import Any

from fastapi import Request

from lite_gateway.errors import Refused

JSON_TYPE = "application/json"
_HINT = f"send a JSON object with the header Content-Type: {JSON_TYPE}"


def content_type(request: Request) -> str:
    """Return the media type of the body in lower case, without its parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def is_json(request: Request) -> bool:
    """Tell whether the request says that its body is JSON."""
    kind = content_type(request)
    return kind == JSON_TYPE or (
        kind.startswith("application/") and kind.endswith("+json")
    )


async def read_json(request: Request) -> Any:
    """Parse the body, whatever its content type; raise `Refused` if it is not JSON."""
    body = await request.body()
    try:
        value = json.loads(body)
    except RecursionError:
        raise Refused(422, "the body is nested too deeply") from None
    except ValueError as error:
        cause = error.msg if isinstance(error, json.JSONDecodeError) else "not UTF-8"
        raise Refused(422, f"the body is not JSON ({cause}); {_HINT}") from None
    # `json` reads lone surrogates, written as \\ud800 or as bytes that begin with 0xED.
    if b"\\u" in body or b"\xed" in body:
        refuse_surrogates(value)
    return value


def refuse_surrogates(value: Any) -> None:
    """Raise `Refused` if a string in ``value`` cannot be encoded as UTF-8."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise Refused(
            422, "a string has a surrogate without its pair; send valid Unicode"
        ) from None


class ParsedRequest(Request):
    """Request whose body has been read as JSON; its content type says so."""

    def __init__(self, request: Request, body: bytes, value: Any) -> None:
        headers = [
            pair for pair in request.scope["headers"] if pair[0] != b"content-type"
        ]
        headers.append((b"content-type", JSON_TYPE.encode()))
        super().__init__({**request.scope, "headers": headers}, request.receive)
        self._parsed_body = body
        self._parsed_json = value

    async def body(self) -> bytes:
        return self._parsed_body

    async def json(self) -> Any:
        return self._parsed_json
