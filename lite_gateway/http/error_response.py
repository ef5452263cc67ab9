"""Error responses in the envelope of the REST API."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse

from lite_gateway.foreign.text import foreign_text

_MAX_MESSAGE = 2000  # characters


def error_body(status: int, text: str, **more: object) -> dict[str, Any]:
    """Return the envelope of an error; ``more`` are further fields."""
    message = foreign_text(text, limit=_MAX_MESSAGE)  # it may repeat a request
    return {"code": 4000 + status % 1000, "data": None, "message": message, **more}


def error_response(
    status: int, text: str, *, headers: Mapping[str, str] | None = None, **more: object
) -> JSONResponse:
    """Return an error as a response. Text that UTF-8 cannot encode is escaped."""
    body = _encodable(error_body(status, text, **more))
    return JSONResponse(body, status, headers=headers)


def _encodable(value: Any) -> Any:
    """Escape lone surrogates: an error may repeat the name of a caller's field."""
    match value:
        case str():
            return value.encode("utf-8", "backslashreplace").decode()
        case dict():
            return {name: _encodable(item) for name, item in value.items()}
        case list() | tuple():
            return [_encodable(item) for item in value]
        case _:
            return value
