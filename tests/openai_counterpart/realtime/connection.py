"""One WebSocket of a client: its handshake, its events, and its record."""

import asyncio
import json
import time
from itertools import count
from typing import Any

from aiohttp import WSMsgType, web

from tests.openai_counterpart.faults import drop, failed_response
from tests.openai_counterpart.realtime.dialogue import Dialogue
from tests.openai_counterpart.realtime.events import (
    RefusedEvent,
    parse,
    server_problem,
)
from tests.openai_counterpart.script import Answer, Request
from tests.openai_counterpart.state import Counterpart, counterpart_of

_numbers = count(1)
_REFUSED = 4000  # close code of a session that never began
# Events whose audio a record shows as its length.
_AUDIO_FIELDS = ("audio", "delta")


async def realtime(request: web.Request) -> web.StreamResponse:
    """Answer the handshake of a client, and talk with it."""
    counterpart = counterpart_of(request)
    key, model = counterpart.bearer(request), request.query.get("model", "")
    headers = counterpart.headers(request)
    record = counterpart.records.add("handshakes", key, {"model": model}, headers)
    with counterpart.watched(record):
        counterpart.check_key(key)
        answer = counterpart.script.answer("handshakes", Request(key=key, model=model))
        await asyncio.sleep(answer.first_s)
        if response := await failed_response(request, answer, record, model):
            return response
        socket = web.WebSocketResponse(max_msg_size=16 << 20, compress=False)
        await socket.prepare(request)
        record.begin_answer()
        connection = RealtimeConnection(counterpart, request, socket, key, model)
        counterpart.connections.append(connection)
        await connection.run(_refusal(counterpart, request, model, answer))
        record.end("complete")
    return socket


def _refusal(
    counterpart: Counterpart, request: web.Request, model: str, answer: Answer
) -> RefusedEvent | None:
    """Return why a session does not begin although its socket is open."""
    if answer.error is not None:
        values = {"message": "refused", "type": "invalid_request_error"} | answer.error
        return RefusedEvent(values["message"], values.get("code"), kind=values["type"])
    if "realtime=v1" in request.headers.get("OpenAI-Beta", ""):
        text = "The Realtime Beta API is no longer supported."
        return RefusedEvent(text, "beta_api_shape_disabled")
    if not model:
        return RefusedEvent("You must provide a model parameter.", "missing_model")
    if not counterpart.script.is_model(model):
        text = f"The model `{model}` does not exist or you do not have access to it."
        return RefusedEvent(text, "model_not_found")
    return None


class RealtimeConnection:
    """
    WebSocket of one client.

    Every event of the client and of the server is checked and recorded, with audio
    replaced by its length.
    """

    def __init__(
        self,
        counterpart: Counterpart,
        request: web.Request,
        socket: web.WebSocketResponse,
        key: str,
        model: str,
    ) -> None:
        self.number = next(_numbers)
        self.counterpart = counterpart
        self.key, self.model = key, model
        self.opened_s = time.monotonic()
        self.closed_s: float | None = None
        self.received: list[dict[str, Any]] = []
        self.sent: list[dict[str, Any]] = []
        self.refused: list[dict[str, Any]] = []
        self.broken: list[str] = []  # events of ours that are none of OpenAI's
        self._request, self._socket = request, socket
        self._ids = count(1)
        self.dialogue = Dialogue(self)

    @property
    def is_open(self) -> bool:
        """True while the client is connected."""
        return self.closed_s is None

    def new_id(self, prefix: str) -> str:
        """Return an id that no other event or item has."""
        return f"{prefix}_{self.number}_{next(self._ids)}"

    async def run(self, refusal: RefusedEvent | None) -> None:
        """Talk with the client until it has left."""
        try:
            if refusal is not None:
                await self.refuse(refusal, {})
                reason = f"{refusal.kind}.{refusal.code}"
                await self._socket.close(code=_REFUSED, message=reason.encode())
                return
            async with asyncio.TaskGroup() as tasks:
                await self.dialogue.begin(tasks)
                await self._read()
                self.dialogue.end()
        finally:
            self.closed_s = time.monotonic()

    async def _read(self) -> None:
        async for message in self._socket:
            if message.type is not WSMsgType.TEXT:
                text = "Only text messages are supported."
                await self.refuse(RefusedEvent(text, "invalid_message"), {})
                continue
            try:
                event = parse(message.data)
            except RefusedEvent as refusal:
                await self.refuse(refusal, _readable(message.data))
                continue
            self.received.append(_shortened(event))
            try:
                await self.dialogue.receive(event)
            except RefusedEvent as refusal:
                await self.refuse(refusal, event)

    async def refuse(self, refusal: RefusedEvent, event: dict[str, Any]) -> None:
        """Answer an event by an error, and record it."""
        error = refusal.error(event.get("event_id"))
        self.refused.append({"event": _shortened(event), "error": error})
        await self.send("error", error=error)

    async def send(self, kind: str, **values: Any) -> None:
        """Send an event, after a check that OpenAI could have sent it."""
        event = {"type": kind, "event_id": self.new_id("event"), **values}
        if problem := server_problem(event):
            self.broken.append(problem)
        self.sent.append(_shortened(event))
        if not self._socket.closed:
            try:
                await self._socket.send_str(json.dumps(event))
            except ConnectionError:
                self.drop()

    def drop(self) -> None:
        """Break the connection without a close frame."""
        drop(self._request)

    async def close(self, code: int, reason: str) -> None:
        """Close the connection as a server that is going away does."""
        await self._socket.close(code=code, message=reason.encode())

    def as_json(self) -> dict[str, Any]:
        """Return the record of the connection."""
        conversation = self.dialogue.conversation
        return {
            "number": self.number,
            "key": self.key,
            "model": self.model,
            "opened_s": self.opened_s,
            "closed_s": self.closed_s,
            "session": self.dialogue.session,
            "received": self.received,
            "sent": self.sent,
            "refused": self.refused,
            "broken": self.broken,
            "items": [each.as_json() for each in conversation.items],
            "deleted": [each.as_json() for each in conversation.deleted],
        }


def _readable(text: str) -> dict[str, Any]:
    try:
        event = json.loads(text)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}


def _shortened(event: dict[str, Any]) -> dict[str, Any]:
    """Return an event with its time, and audio as its length in milliseconds."""
    result = dict(event) | {"at_s": time.monotonic()}
    is_audio = str(event.get("type")) in (
        "input_audio_buffer.append",
        "response.output_audio.delta",
    )
    for name in _AUDIO_FIELDS:
        if is_audio and isinstance(result.get(name), str):
            result[f"{name}_ms"] = len(result.pop(name)) * 3 / 4 / 48
    return result
