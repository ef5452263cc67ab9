"""
Failures of the services that a conversation uses, told from the plugins' exceptions.

The plugins wrap what happened in errors of their own: status, code and cause are read
along the chain of causes.
"""

import asyncio
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import aiohttp
import httpx2
import openai
import pydantic
from livekit.agents import APIStatusError, APITimeoutError, llm

from conversation.agent.guarded_http import NotAnAnswer
from lite_gateway.foreign.text import foreign_text

Part = Literal["llm", "stt", "tts", "realtime"]
Kind = Literal["auth", "model", "quota", "nonsense", "timeout", "cut", "unreachable"]

# The first ones say more about the reason than the last ones, which may follow them.
_TELLING: tuple[Kind, ...] = (
    *("auth", "quota", "model", "nonsense", "timeout", "cut", "unreachable"),
)
_SERVICES: dict[Part, str] = {
    "llm": "language model",
    "realtime": "language model",
    "stt": "speech recognition",
    "tts": "text-to-speech service",
}
_MESSAGES: dict[Kind, str] = {
    "auth": "the {} refuses its API key",
    "model": "the {} does not have this model, or refuses the request",
    "quota": "the {} has no quota left",
    "nonsense": "the {} gives no answer that can be used",
    "timeout": "the {} takes too long to answer",
    "cut": "the connection to the {} was lost",
    "unreachable": "the {} cannot be reached",
}
_UNREACHABLE = "I cannot reach my language model."
_SPOKEN: dict[Kind, str] = {
    "timeout": "My language model takes too long to answer.",
    "cut": "I have lost the connection to my language model.",
}
_NOT_HEARD = "I cannot understand you now. My speech recognition does not work."
_BY_CODE: dict[str, Kind] = {
    "invalid_api_key": "auth",
    "account_deactivated": "auth",
    "authentication_error": "auth",
    "permission_error": "auth",
    "model_not_found": "model",
    "missing_model": "model",
    "context_length_exceeded": "model",
    "beta_api_shape_disabled": "model",
    "insufficient_quota": "quota",
    "billing_hard_limit_reached": "quota",
    "credit_balance_exhausted": "quota",
    "rate_limit_exceeded": "quota",
    "inference_rate_limit_exceeded": "quota",
    "rate_limit_error": "quota",
    "server_error": "unreachable",
}
_BY_STATUS: dict[int, Kind] = {
    **dict.fromkeys((401, 403), "auth"),
    **dict.fromkeys((402, 429), "quota"),
    **dict.fromkeys((400, 413, 422), "model"),
    **dict.fromkeys((408, 504), "timeout"),
}
_NONSENSE = (
    NotAnAnswer,
    openai.APIResponseValidationError,
    pydantic.ValidationError,
    json.JSONDecodeError,
    UnicodeDecodeError,
    # Of the plugins, which read fields that an answer does not have.
    AttributeError,
    KeyError,
    TypeError,
    IndexError,
)
_CONNECTING = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    aiohttp.ClientConnectorError,
    aiohttp.ServerTimeoutError,
)
_TIMEOUTS = (
    TimeoutError,
    asyncio.TimeoutError,
    httpx2.TimeoutException,
    openai.APITimeoutError,
    APITimeoutError,
)
_MAX_CAUSES = 10


@dataclass(frozen=True, slots=True)
class ProviderFault:
    """
    Failure of a service.

    ``kind`` is for metrics. ``code`` and ``message`` are for the clients in the room,
    and ``spoken`` for the avatar; it is empty where no voice can speak. ``details`` is
    for the operator's log, without secrets.
    """

    part: Part
    kind: Kind
    details: str

    @property
    def code(self) -> str:
        """Code of `protocol.link.messages.ERROR_CODES`."""
        return self.part if self.part in ("stt", "tts") else self.kind

    @property
    def message(self) -> str:
        """Sentence for clients, without anything that a provider has said."""
        return _MESSAGES[self.kind].format(_SERVICES[self.part])

    @property
    def spoken(self) -> str:
        """Sentence to be spoken."""
        if self.part == "tts":
            return ""
        if self.part == "stt":
            return _NOT_HEARD
        return _SPOKEN.get(self.kind, _UNREACHABLE)

    @property
    def is_lasting(self) -> bool:
        """True if another attempt fails in the same way."""
        return self.kind in ("auth", "model", "quota")


def provider_fault(
    part: Part, error: BaseException, *, begun: bool = False
) -> ProviderFault:
    """
    Return the failure that an exception of a plugin tells of.

    ``begun``: something of the answer had come before it.
    """
    causes = list(_causes(error))
    status = next(filter(None, map(_status, causes)), 0)
    body = next(filter(None, map(_body, causes)), {})
    code = _text(body, "code") or next(filter(None, map(_code, causes)), "")
    kind = _kind(causes, status, code or _text(body, "type"), body, begun=begun)
    message = _text(body, "message") or str(causes[-1]) or type(causes[-1]).__name__
    facts = [f"status={status}" if status else "", f"code={code}" if code else ""]
    known = " ".join(filter(None, facts))
    service = _SERVICES[part]
    details = f"{service} failed, kind={kind} {known}".rstrip() + f": {message}"
    return ProviderFault(part, kind, foreign_text(details))


def no_words(part: Part) -> ProviderFault:
    """Return the failure of an answer that ended well and had no words."""
    details = f"{_SERVICES[part]} failed, kind=nonsense: its answer has no words"
    return ProviderFault(part, "nonsense", details)


def most_telling(faults: Iterable[ProviderFault]) -> ProviderFault:
    """
    Return the failure that says most about the reason.

    Realtime tells a reason once, closes the connection, and then each attempt fails.
    """
    return min(faults, key=lambda fault: _TELLING.index(fault.kind))


def _kind(
    causes: list[BaseException],
    status: int,
    code: str,
    body: Mapping[str, Any],
    *,
    begun: bool,
) -> Kind:
    if code in _BY_CODE:
        return _BY_CODE[code]
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status == 404:
        # Compatible servers have no code for it; a wrong path names no model.
        says_model = "model" in _text(body, "message").lower()
        return "model" if says_model else "unreachable"
    if status >= 300:
        return "unreachable"
    if _has(causes, _CONNECTING):
        return "unreachable"
    if _has(causes, _TIMEOUTS):
        return "timeout"
    if _has(causes, _NONSENSE):
        return "nonsense"
    return "cut" if begun else "unreachable"


def _has(causes: list[BaseException], kinds: tuple[type[BaseException], ...]) -> bool:
    return any(isinstance(cause, kinds) for cause in causes)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what led to it, also where a plugin has hidden that."""
    seen: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in seen and len(seen) < _MAX_CAUSES:
        if isinstance(cause, BaseExceptionGroup):
            cause = cause.exceptions[0]
        seen.append(cause)
        yield cause
        cause = cause.__cause__ or cause.__context__


def _status(error: BaseException) -> int:
    """Return the HTTP status of an error, 0 if it has none."""
    if isinstance(error, openai.APIStatusError | APIStatusError):
        return max(int(error.status_code), 0)
    return error.status if isinstance(error, aiohttp.ClientResponseError) else 0


def _code(error: BaseException) -> str:
    known = openai.APIError | llm.RealtimeError
    return (error.code or "") if isinstance(error, known) else ""


def _body(error: BaseException) -> dict[str, Any]:
    """Return the error object of a body, which openai reads as object or as model."""
    body = getattr(error, "body", None)
    if isinstance(body, pydantic.BaseModel):
        return body.model_dump()
    if isinstance(body, str):  # of Ollama and others
        return {"message": body}
    if not isinstance(body, dict):
        return {}
    inner = body.get("error")
    return inner if isinstance(inner, dict) else body


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    return value if isinstance(value, str) else ""
