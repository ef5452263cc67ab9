"""State of the counterpart: script, clips and records, which all its routes share."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.openai_counterpart.faults import (
    ApiFailure,
    no_key,
    no_model,
    wrong_field,
    wrong_key,
)
from tests.openai_counterpart.records import Records, RequestRecord
from tests.openai_counterpart.script import Script
from tests.openai_counterpart.sounds import Clips

if TYPE_CHECKING:
    from tests.openai_counterpart.realtime.connection import RealtimeConnection


@dataclass(slots=True)
class Counterpart:
    """State of the counterpart that tests set and read."""

    script: Script = field(default_factory=Script)
    clips: Clips = field(default_factory=Clips)
    records: Records = field(default_factory=Records)
    connections: list["RealtimeConnection"] = field(default_factory=list)

    def reset(self) -> None:
        """Forget script, clips and records."""
        self.script = Script()
        self.clips.clear()
        self.records.requests.clear()
        self.connections[:] = [each for each in self.connections if each.is_open]

    async def json_body(self, request: web.Request) -> dict[str, Any]:
        """Return the JSON object of a request; refuse another body."""
        try:
            body = await request.json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise wrong_field(
                "body", "We could not parse the JSON body of your request"
            )
        return body

    def bearer(self, request: web.Request) -> str:
        """Return the key of a request, empty without one."""
        kind, _, key = request.headers.get("Authorization", "").partition(" ")
        return key if kind == "Bearer" else ""

    def headers(self, request: web.Request) -> dict[str, str]:
        """Return the headers of a request, as records show them."""
        return {name.lower(): value for name, value in request.headers.items()}

    def check_key(self, key: str) -> None:
        """Refuse a key that the script does not accept."""
        if not self.script.is_key(key):
            raise wrong_key(key) if key else no_key()

    def check_model(self, model: str) -> None:
        """Refuse a model that does not exist."""
        if not self.script.is_model(model):
            raise no_model(model)

    @contextlib.contextmanager
    def watched(self, record: RequestRecord) -> Iterator[None]:
        """Note in the record how an answer was refused, or that its client has left."""
        try:
            yield
        except ApiFailure as refusal:
            record.end(str(refusal.status))
            raise
        finally:
            record.end("client left")


COUNTERPART = web.AppKey("counterpart", Counterpart)


def counterpart_of(request: web.Request) -> Counterpart:
    """Return the state of the counterpart that got a request."""
    return request.app[COUNTERPART]
