"""`/v1/chat/completions`, streamed and whole."""

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any

from aiohttp import web
from openai.types.chat.completion_create_params import (
    CompletionCreateParamsStreaming,
)

from tests.openai_counterpart import voice
from tests.openai_counterpart.faults import (
    FOREVER_S,
    drop,
    failed_response,
    wrong_field,
)
from tests.openai_counterpart.records import RequestRecord
from tests.openai_counterpart.script import Answer, Request
from tests.openai_counterpart.state import counterpart_of

_ROLES = ("system", "developer", "user", "assistant", "tool")
# Fields of a request, from the types of the ``openai`` package.
_FIELDS = CompletionCreateParamsStreaming.__annotations__.keys()


async def completions(request: web.Request) -> web.StreamResponse:
    """Answer a request for a completion."""
    counterpart = counterpart_of(request)
    body = await counterpart.json_body(request)
    key = counterpart.bearer(request)
    record = counterpart.records.add("chat", key, body, counterpart.headers(request))
    with counterpart.watched(record):
        counterpart.check_key(key)
        _check(body)
        model = body["model"]
        counterpart.check_model(model)
        record.text = newest_user_text(body["messages"])
        asked = Request(text=record.text, key=key, model=model)
        answer = counterpart.script.answer("chat", asked)
        if response := await failed_response(request, answer, record, model):
            return response
        record.answer = answer_text(answer, record.text)
        if body.get("stream"):
            return await _stream(request, record, answer)
        await asyncio.sleep(answer.first_s)
        record.begin_answer()
        record.end(answer.fault or "complete")
        return web.json_response(_completion(body, record.answer, answer))


def answer_text(answer: Answer, asked: str) -> str:
    """Return the words of an answer."""
    if answer.fault in ("empty", "no_words"):
        return ""
    if answer.text is not None:
        return answer.text
    return voice.counting(answer.seconds) if answer.seconds else f"You said: {asked}"


def newest_user_text(messages: list[dict[str, Any]]) -> str:
    """Return the text of the newest message of the user."""
    for message in reversed(messages):
        if message["role"] == "user":
            return text_of(message["content"])
    return ""


def text_of(content: str | list[dict[str, Any]] | None) -> str:
    """Return the text of the content of a message."""
    if isinstance(content, list):
        return "".join(part.get("text", "") for part in content)
    return content or ""


def tokens(text: str) -> Iterator[str]:
    """Yield a text as pieces of at most one word, with the space before it."""
    yield from re.findall(r"\s*\S+|\s+$", text)


def _check(body: dict[str, Any]) -> None:
    if unknown := body.keys() - _FIELDS:
        name = min(unknown)
        raise wrong_field(name, f"Unrecognized request argument supplied: {name}")
    if not isinstance(body.get("model"), str) or not body["model"]:
        raise wrong_field("model", "you must provide a model parameter")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise wrong_field("messages", "Missing required parameter: 'messages'.")
    for index, message in enumerate(messages):
        place = f"messages[{index}]"
        if not isinstance(message, dict) or message.get("role") not in _ROLES:
            raise wrong_field(f"{place}.role", f"Invalid value for {place}.role")
        if not isinstance(message.get("content"), str | list) and not message.get(
            "tool_calls"
        ):
            raise wrong_field(f"{place}.content", f"Invalid type for {place}.content")
    temperature = body.get("temperature")
    if temperature is not None and not 0 <= temperature <= 2:
        raise wrong_field("temperature", "temperature must be between 0 and 2")
    if "stream_options" in body and not body.get("stream"):
        raise wrong_field(
            "stream_options", "stream_options is only allowed when stream is true"
        )


def _usage(body: dict[str, Any], text: str) -> dict[str, int]:
    asked = sum(len(list(tokens(text_of(m.get("content"))))) for m in body["messages"])
    given = len(list(tokens(text)))
    return {
        "prompt_tokens": asked,
        "completion_tokens": given,
        "total_tokens": asked + given,
    }


def _completion(body: dict[str, Any], text: str, answer: Answer) -> dict[str, Any]:
    message = {"role": "assistant", "content": text, "refusal": None}
    choice = {
        "index": 0,
        "message": message,
        "finish_reason": answer.finish_reason,
        "logprobs": None,
    }
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": body["model"],
        "choices": [] if answer.fault == "empty" else [choice],
        "usage": _usage(body, text),
    }


async def _stream(
    request: web.Request, record: RequestRecord, answer: Answer
) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    if answer.fault != "empty":
        await asyncio.sleep(answer.first_s)
        if ended := await _write_tokens(request, response, record, answer):
            record.end(ended)
            return response
    await response.write(b"data: [DONE]\n\n")
    await response.write_eof()
    record.end(answer.fault or "complete")
    return response


async def _write_tokens(
    request: web.Request,
    response: web.StreamResponse,
    record: RequestRecord,
    answer: Answer,
) -> str:
    """Write the events of a stream; return why it ended early, empty if it did not."""
    body = record.body
    await _event(response, _chunk(body, {"role": "assistant", "content": ""}))
    for index, token in enumerate(tokens(record.answer)):
        if index == answer.break_after:
            drop(request)
            return "cut"
        if index == answer.stall_after:
            await asyncio.sleep(FOREVER_S)
        if index:
            await asyncio.sleep(answer.token_s)
        record.begin_answer()
        await _event(response, _chunk(body, {"content": token}))
    await _event(response, _chunk(body, {}, answer.finish_reason))
    if (body.get("stream_options") or {}).get("include_usage"):
        usage = _chunk(body, None) | {"usage": _usage(body, record.answer)}
        await _event(response, usage)
    return ""


def _chunk(
    body: dict[str, Any], delta: dict[str, str] | None, finish: str | None = None
) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": body["model"],
        "choices": [] if delta is None else [choice],
    }


async def _event(response: web.StreamResponse, event: dict[str, Any]) -> None:
    await response.write(f"data: {json.dumps(event)}\n\n".encode())
