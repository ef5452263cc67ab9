"""Endpoint ``/v1/chat/completions``: scripted answers, whole or as a stream."""

import datetime
import itertools
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Self

import orjson
from aiohttp import web

from conversation.speech.answers import answer
from conversation.speech.refusals import RequestRefused, json_object

MODEL_NAME = "scripted"
MAX_MESSAGES = 10_000
_TOKEN = re.compile(r"\s*\S+")
_EXAMPLE = '[{"role": "user", "content": "Who are you?"}]'
_EVENTS = {"Content-Type": "text/event-stream", "Cache-Control": "no-store"}


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """Messages to answer, and how."""

    messages: tuple[tuple[str, str], ...]  # role, text
    model: str
    stream: bool
    with_usage: bool
    max_tokens: int | None

    @classmethod
    def from_json(cls, values: dict[str, object]) -> Self:
        """Return a request; raise `RequestRefused` for one that cannot be served."""
        messages = values.get("messages")
        if not isinstance(messages, list) or not messages:
            problem = f"`messages` is no list, or an empty one. Send {_EXAMPLE}."
            raise RequestRefused(problem, param="messages")
        if len(messages) > MAX_MESSAGES:
            problem = (
                f"There are {len(messages)} messages. Send {MAX_MESSAGES} or less."
            )
            raise RequestRefused(problem, param="messages")
        if values.get("n") not in (None, 1):
            raise RequestRefused("`n` must be 1: there is one answer.", param="n")
        options = values.get("stream_options")
        return cls(
            tuple(itertools.starmap(_message, enumerate(messages))),
            str(values.get("model") or MODEL_NAME),
            values.get("stream") is True,
            isinstance(options, dict) and options.get("include_usage") is True,
            _max_tokens(values),
        )


@dataclass(frozen=True, slots=True)
class Completion:
    """Answer to a request, in tokens of one word with the space before it."""

    request: ChatRequest
    tokens: tuple[str, ...]
    is_whole: bool
    created: int  # seconds since 1970
    id: str = field(default_factory=lambda: f"chatcmpl-{uuid.uuid4().hex}")

    @classmethod
    def to(cls, request: ChatRequest, now: datetime.datetime) -> Self:
        """Answer a request; texts are cut after its highest number of tokens."""
        tokens = tuple(_TOKEN.findall(answer(request.messages, now)))
        kept = tokens[: request.max_tokens]
        return cls(request, kept, len(kept) == len(tokens), int(now.timestamp()))

    def as_json(self) -> dict[str, Any]:
        """Return the answer to a request without ``stream``."""
        message = {
            "role": "assistant",
            "content": "".join(self.tokens),
            "refusal": None,
        }
        choice = {
            "index": 0,
            "message": message,
            "logprobs": None,
            "finish_reason": self._finish_reason,
        }
        head = self._head("chat.completion")
        return {**head, "choices": [choice], "usage": self._usage()}

    def chunks(self) -> Iterator[dict[str, Any]]:
        """Yield the chunks of a streamed answer."""
        head = self._head("chat.completion.chunk")
        if self.request.with_usage:
            head["usage"] = None

        def chunk(delta: dict[str, str], reason: str | None) -> dict[str, Any]:
            choice = {
                "index": 0,
                "delta": delta,
                "logprobs": None,
                "finish_reason": reason,
            }
            return {**head, "choices": [choice]}

        yield chunk({"role": "assistant", "content": ""}, None)
        for token in self.tokens:
            yield chunk({"content": token}, None)
        yield chunk({}, self._finish_reason)
        if self.request.with_usage:
            yield {**head, "choices": [], "usage": self._usage()}

    @property
    def _finish_reason(self) -> str:
        return "stop" if self.is_whole else "length"

    def _head(self, kind: str) -> dict[str, Any]:
        model = self.request.model
        return {"id": self.id, "object": kind, "created": self.created, "model": model}

    def _usage(self) -> dict[str, int]:
        prompt = sum(len(_TOKEN.findall(text)) for _, text in self.request.messages)
        return {
            "prompt_tokens": prompt,
            "completion_tokens": len(self.tokens),
            "total_tokens": prompt + len(self.tokens),
        }


async def complete(request: web.Request) -> web.StreamResponse:
    """Answer a request for a completion."""
    wanted = ChatRequest.from_json(await json_object(request))
    completion = Completion.to(wanted, datetime.datetime.now().astimezone())
    if not wanted.stream:
        body = orjson.dumps(completion.as_json())
        return web.Response(body=body, content_type="application/json")
    response = web.StreamResponse(headers=_EVENTS)
    response.enable_chunked_encoding()
    await response.prepare(request)
    for chunk in completion.chunks():
        await response.write(b"data: " + orjson.dumps(chunk) + b"\n\n")
    await response.write(b"data: [DONE]\n\n")
    await response.write_eof()
    return response


def _message(index: int, message: object) -> tuple[str, str]:
    """Return role and text of a message; images and sounds in it have no text."""
    at = f"messages[{index}]"
    if not isinstance(message, dict) or not isinstance(message.get("role"), str):
        problem = f"`{at}` is no message with a role. Send {_EXAMPLE}."
        raise RequestRefused(problem, param=at)
    match message.get("content"):
        case None:
            text = ""  # of an assistant that called a tool
        case str(content):
            text = content
        case list(parts):
            texts = [part.get("text") for part in parts if isinstance(part, dict)]
            text = " ".join(part for part in texts if isinstance(part, str))
        case _:
            problem = f"`{at}.content` is no text and no list of parts."
            raise RequestRefused(problem, param=f"{at}.content")
    return message["role"], text


def _max_tokens(values: dict[str, object]) -> int | None:
    for name in ("max_completion_tokens", "max_tokens"):
        match values.get(name):
            case None:
                continue
            case int(number) if number >= 1 and not isinstance(number, bool):
                return number
            case other:
                problem = f"`{name}` is {other!r}. Use a number of 1 or more."
                raise RequestRefused(problem, param=name)
    return None
