"""Texts of errors that the libraries find: what failed, and what would be right."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException

_OF_PYDANTIC = "Value error, "  # before the text of a validator of ours
_NO_OBJECT = ("model_type", "model_attributes_type", "dict_type")
_NO_UUID = ("uuid_parsing", "uuid_type")


def http_error_text(method: str, error: HTTPException) -> str:
    """Return the text of an error of routing, which Starlette names by its status."""
    text = str(error.detail)
    if text != HTTPStatus(error.status_code).phrase:
        return text
    if error.status_code == HTTPStatus.NOT_FOUND:
        return "there is nothing at this path; /docs lists all paths"
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = (error.headers or {}).get("Allow", "")
        use = f"; use {allowed}" if allowed else "; /docs lists all calls"
        return f"{method} is not possible at this path{use}"
    return text


def validation_text(problems: Iterable[Mapping[str, Any]]) -> str:
    """Return one text of all problems of a request, each with its field."""
    return "; ".join(
        f"{'.'.join(map(str, problem['loc']))}: {_problem_text(problem)}"
        for problem in problems
    )


def _problem_text(problem: Mapping[str, Any]) -> str:
    if problem["type"] in _NO_OBJECT:
        return "must be a JSON object"
    if problem["type"] in _NO_UUID:
        return "must be a UUID"
    if problem["type"] == "missing" and [*problem["loc"]] == ["body"]:
        return "is empty; send a JSON object"
    return str(problem["msg"]).removeprefix(_OF_PYDANTIC)
