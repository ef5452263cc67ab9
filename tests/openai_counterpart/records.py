"""Records of the requests that the counterpart got, for `/control/requests`."""

import time
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(slots=True)
class RequestRecord:
    """
    Request of HTTP. Times are ``time.monotonic`` of this machine, in seconds.

    ``outcome`` is ``complete``, the fault, the status of a refusal, ``cut``, or
    ``client left``; empty while the answer is on its way.
    """

    number: int
    part: str
    key: str
    body: dict[str, Any]
    arrived_s: float
    headers: dict[str, str]
    text: str = ""  # that the rules have seen
    answer: str = ""
    audio_s: float = 0.0
    first_s: float | None = None  # the first token or audio was written
    ended_s: float | None = None
    outcome: str = ""

    def begin_answer(self) -> None:
        """Note that something of the answer was written."""
        if self.first_s is None:
            self.first_s = time.monotonic()

    def end(self, outcome: str) -> None:
        """Note how the answer ended."""
        if not self.outcome:
            self.outcome, self.ended_s = outcome, time.monotonic()


@dataclass(slots=True)
class Records:
    """All requests since the last reset."""

    requests: list[RequestRecord] = field(default_factory=list)

    def add(
        self, part: str, key: str, body: dict[str, Any], headers: dict[str, str]
    ) -> RequestRecord:
        """Add a request that came in just now."""
        record = RequestRecord(
            len(self.requests) + 1, part, key, body, time.monotonic(), headers
        )
        self.requests.append(record)
        return record

    def as_json(self) -> list[dict[str, Any]]:
        """Return the records as JSON objects."""
        return [asdict(each) for each in self.requests]
