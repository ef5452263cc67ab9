"""What every answer looks like: the service's envelope, its pages, its errors."""

import datetime
from collections.abc import Sequence
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Query, Request
from pydantic import AfterValidator, BaseModel, StringConstraints

SUCCESS = 1000  # the browser SDK takes nothing else for success
_PAGES = 1_000_000

Data = TypeVar("Data")


class Envelope(BaseModel, Generic[Data]):
    """Every answer that is not an error."""

    code: int = SUCCESS
    data: Data
    message: str = "ok"


class Page(BaseModel, Generic[Data]):
    count: int
    next: str | None
    previous: str | None
    results: list[Data]


class ErrorDetail(BaseModel):
    """Every error."""

    code: int
    data: None = None
    message: str


def done(data: Data, message: str = "ok") -> Envelope[Data]:
    return Envelope(data=data, message=message)


class Pagination:
    """``page`` and ``page_size`` of a request."""

    def __init__(
        self,
        request: Request,
        page: Annotated[int, Query(ge=1, le=_PAGES)] = 1,
        page_size: Annotated[int, Query(ge=1, le=100)] = 20,
    ) -> None:
        self._url = request.url
        self._page = page
        self.size = page_size
        self.first = (page - 1) * page_size

    def of(self, items: Sequence[Data]) -> Page[Data]:
        """The part of all ``items`` that was asked for."""
        return self.page(len(items), items[self.first : self.first + self.size])

    def page(self, count: int, results: Sequence[Data]) -> Page[Data]:
        """``results`` are that part already."""
        more = self.first + self.size < count
        return Page(
            count=count,
            next=self._link(self._page + 1) if more else None,
            previous=self._link(self._page - 1) if self._page > 1 else None,
            results=list(results),
        )

    def _link(self, page: int) -> str:
        query = self._url.include_query_params(page=page, page_size=self.size)
        return f"?{query.query}"


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For the API's description: which errors an endpoint may answer with."""
    return {status: {"model": ErrorDetail} for status in statuses}


KEYED = problems(401, 403, 429, 503)  # what an API key may come to


def _no_nul(text: str) -> str:
    """PostgreSQL keeps no such text."""
    if "\0" in text:
        raise ValueError("must not hold the character U+0000")
    return text


Text = Annotated[str, AfterValidator(_no_nul), StringConstraints(max_length=100_000)]
Named = Annotated[
    str,
    AfterValidator(_no_nul),
    StringConstraints(min_length=1, max_length=255, strip_whitespace=True),
]


def stamp(when: datetime.datetime) -> str:
    return when.isoformat(timespec="milliseconds")
