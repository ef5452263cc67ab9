"""Response formats of the REST API: envelope, pages, errors, and common field types."""

import datetime
from collections.abc import Sequence
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Query, Request
from pydantic import AfterValidator, BaseModel, StringConstraints

from renderer.hidden import hidden_character

SUCCESS = 1000  # the only code that the browser SDK accepts as success
_MAX_PAGE = 1_000_000

Data = TypeVar("Data")


class Envelope(BaseModel, Generic[Data]):
    """Response of a successful request."""

    code: int = SUCCESS
    data: Data
    message: str = "ok"


class Page(BaseModel, Generic[Data]):
    """Part of a list, with links to the pages before and after it."""

    count: int
    next: str | None
    previous: str | None
    results: list[Data]


class ErrorDetail(BaseModel):
    """Response of a failed request."""

    code: int
    data: None = None
    message: str


def ok(data: Data, message: str = "ok") -> Envelope[Data]:
    """Wrap the data of a successful request."""
    return Envelope(data=data, message=message)


class Pagination:
    """Query parameters ``page`` and ``page_size`` of a list request."""

    def __init__(
        self,
        request: Request,
        page: Annotated[int, Query(ge=1, le=_MAX_PAGE)] = 1,
        page_size: Annotated[int, Query(ge=1, le=100)] = 20,
    ) -> None:
        self._url = request.url
        self._page = page
        self.size = page_size
        self.offset = (page - 1) * page_size

    def paginate(self, items: Sequence[Data]) -> Page[Data]:
        """Cut the requested page out of all ``items``."""
        return self.page(len(items), items[self.offset : self.offset + self.size])

    def page(self, count: int, results: Sequence[Data]) -> Page[Data]:
        """Build a page from its ``results``; ``count`` is the length of the list."""
        more = self.offset + self.size < count
        return Page(
            count=count,
            next=self._link(self._page + 1) if more else None,
            previous=self._link(self._page - 1) if self._page > 1 else None,
            results=list(results),
        )

    def _link(self, page: int) -> str:
        query = self._url.include_query_params(page=page, page_size=self.size)
        return f"?{query.query}"


def error_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe the error statuses of an endpoint for the OpenAPI document."""
    return {status: {"model": ErrorDetail} for status in statuses}


# Statuses of every endpoint that takes an API key: the key is missing or unknown
# (401), lacks the scope (403), makes too many requests (429), or cannot be looked up
# because the database is down (503).
AUTH_ERRORS = error_responses(401, 403, 429, 503)


def _refuse_unstorable(text: str) -> str:
    """
    Refuse U+0000: a text column of PostgreSQL cannot store it.

    Pydantic refuses halves of surrogate pairs itself.
    """
    if "\0" in text:
        raise ValueError("must not contain the character U+0000")
    return text


def _refuse_hidden(text: str) -> str:
    """Refuse what makes a name look like another one in a list."""
    if hidden := hidden_character(text):
        raise ValueError(f"has the character {hidden}, which nobody sees: remove it")
    return text


LongText = Annotated[
    str, AfterValidator(_refuse_unstorable), StringConstraints(max_length=100_000)
]
ShortText = Annotated[
    str,
    AfterValidator(_refuse_unstorable),
    StringConstraints(min_length=1, max_length=255, strip_whitespace=True),
    AfterValidator(_refuse_hidden),
]


def timestamp(time: datetime.datetime) -> str:
    """Format a time as ISO 8601 with milliseconds and zone."""
    return time.isoformat(timespec="milliseconds")
