"""Failures of services: what the unmodified plugins raise, and what is made of it."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import openai
import pytest
from livekit import rtc
from livekit.agents import APIConnectOptions, APIError, llm
from livekit.plugins import openai as plugin

from conversation.agent.guarded_http import http_client, realtime_http
from conversation.agent.provider_errors import (
    ProviderFault,
    most_telling,
    no_words,
    provider_fault,
)
from lite_gateway.foreign.addresses import AddressGuard
from lite_gateway.foreign.live_secrets import live_secrets
from protocol.link.messages import ERROR_CODES
from tests.openai_counterpart.process import RunningCounterpart
from tests.waiting import until_async

KEY = "a-key-of-no-shape"
PARTS = ("chat", "transcriptions", "speech")
NAMES = {"chat": "llm", "transcriptions": "stt", "speech": "tts"}
FAULTS = [
    ("auth", "auth", "invalid_api_key"),
    ("model", "model", "model_not_found"),
    ("quota", "quota", "insufficient_quota"),
    ("rate", "quota", "rate_limit_exceeded"),
    ("bad_request", "model", "400"),
    ("server", "unreachable", "500"),
    ("redirect", "unreachable", "307"),
    ("html", "nonsense", "text/html"),
    ("drop", "unreachable", ""),
]


def once(timeout_s: float = 20.0) -> APIConnectOptions:
    return APIConnectOptions(max_retry=0, timeout=timeout_s)


async def chat(client: openai.AsyncClient, options: APIConnectOptions) -> str:
    context = llm.ChatContext()
    context.add_message(role="user", content="Hello")
    text = ""
    stream = plugin.LLM(model="m", client=client).chat(
        chat_ctx=context, conn_options=options
    )
    async with stream:
        async for chunk in stream:
            text += (chunk.delta and chunk.delta.content) or ""
    return text


async def transcribe(client: openai.AsyncClient, options: APIConnectOptions) -> str:
    stt = plugin.STT(model="whisper-1", client=client, use_realtime=False)
    frame = rtc.AudioFrame(bytes(4800), 24_000, 1, 2400)
    event = await stt.recognize(frame, conn_options=options)
    return event.alternatives[0].text


async def speak(client: openai.AsyncClient, options: APIConnectOptions) -> bytes:
    tts = plugin.TTS(client=client, response_format="pcm")
    stream = tts.synthesize("Good morning to you all", conn_options=options)
    async with stream:
        return b"".join([bytes(each.frame.data) async for each in stream])


CALLS: dict[str, Callable[..., Awaitable[Any]]] = {
    "chat": chat,
    "transcriptions": transcribe,
    "speech": speak,
}


def call(
    part: str,
    url: str,
    options: APIConnectOptions | None = None,
    guard: AddressGuard | None = None,
    read_s: float = 20.0,
) -> Any:
    async def main() -> Any:
        http = http_client(guard, read_s=read_s)
        async with openai.AsyncClient(
            api_key=KEY, base_url=url, max_retries=0, http_client=http
        ) as client:
            return await CALLS[part](client, options or once())

    live_secrets.remember([KEY])
    return asyncio.run(main())


def fault_of(part: str, url: str, begun: bool = False, **options: Any) -> ProviderFault:
    with pytest.raises(APIError) as caught:
        call(part, url, **options)
    fault = provider_fault(NAMES[part], caught.value, begun=begun)
    assert KEY not in fault.details
    assert fault.code in ERROR_CODES
    return fault


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(("fault", "kind", "shown"), FAULTS)
def test_each_refusal_has_its_kind_and_names_its_reason(
    counterpart, part, fault, kind, shown
):
    counterpart.script(**{part: {"fault": fault, "location": counterpart.url}})
    found = fault_of(part, counterpart.url)
    assert found.kind == kind
    assert found.code == (kind if part == "chat" else NAMES[part])
    assert shown in found.details
    assert len(counterpart.requests()) == 1


@pytest.mark.parametrize("part", PARTS)
def test_a_service_that_is_not_there_is_unreachable(part):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        assert fault_of(part, url).kind == "unreachable"


@pytest.mark.parametrize("part", PARTS)
def test_an_address_that_is_not_allowed_is_unreachable(counterpart, part):
    found = fault_of(part, counterpart.url, guard=AddressGuard())
    assert found.kind == "unreachable"
    assert "no public address" in found.details
    assert counterpart.requests() == []


def test_no_first_token_in_time_is_a_timeout(counterpart):
    counterpart.script(chat={"fault": "hang"})
    found = fault_of("chat", counterpart.url, options=once(0.3))
    assert found.kind == "timeout"
    assert found.spoken == "My language model takes too long to answer."


@pytest.mark.parametrize("part", PARTS)
def test_no_service_is_awaited_longer_than_its_client_allows(counterpart, part):
    counterpart.script(**{part: {"fault": "hang"}})
    # The plugins of speech ask for 30 s.
    assert fault_of(part, counterpart.url, read_s=0.3).kind == "timeout"


def test_speech_that_stalls_is_a_timeout(counterpart):
    counterpart.script(speech={"stall_after": 1})
    found = fault_of("speech", counterpart.url, True, read_s=0.5)
    assert (found.kind, found.code) == ("timeout", "tts")


def test_an_answer_that_stalls_is_a_timeout(counterpart):
    counterpart.script(chat={"text": "One two three", "stall_after": 1})
    assert fault_of("chat", counterpart.url, True, options=once(0.5)).kind == "timeout"


def test_an_answer_that_breaks_off_is_cut(counterpart):
    counterpart.script(chat={"text": "One two three", "break_after": 2})
    assert fault_of("chat", counterpart.url, True).kind == "cut"


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (404, '{"error": "model \\"x\\" not found, try pulling it first"}', "model"),
        (404, '{"detail": "Not Found"}', "unreachable"),
        (401, "", "auth"),
        (403, "<html>", "auth"),
        (402, '{"error": {"message": "pay"}}', "quota"),
        (503, "<html>busy</html>", "unreachable"),
        (504, "", "timeout"),
        (400, '{"error": {"code": "context_length_exceeded"}}', "model"),
        (400, '{"error": {"code": 7, "message": ["?"]}}', "model"),
    ],
)
def test_refusals_of_compatible_servers_have_a_kind(counterpart, status, body, kind):
    counterpart.script(chat={"status": status, "body": body})
    assert fault_of("chat", counterpart.url).kind == kind


@pytest.mark.parametrize("body", ["", "null", '{"text": 5}', "[]", "{}"])
def test_a_transcription_that_is_none_is_nonsense_or_has_no_words(counterpart, body):
    counterpart.script(transcriptions={"status": 200, "body": body})
    try:
        words = call("transcriptions", counterpart.url)
    except Exception as error:
        assert provider_fault("stt", error).kind == "nonsense"
    else:
        assert not isinstance(words, str) or not words.strip()


@pytest.mark.parametrize("fault", ["empty", "no_words"])
def test_an_answer_without_words_raises_nothing_and_is_nonsense(counterpart, fault):
    counterpart.script(chat={"fault": fault})
    assert call("chat", counterpart.url) == ""
    found = no_words("llm")
    assert (found.code, found.spoken) == (
        "nonsense",
        "I cannot reach my language model.",
    )


def realtime_faults(counterpart: RunningCounterpart, count: int) -> list[ProviderFault]:
    """Return the faults of the errors that a session of Realtime emits."""
    faults: list[ProviderFault] = []
    live_secrets.remember([KEY])

    async def main() -> None:
        async with realtime_http(None) as http:
            model = plugin.realtime.RealtimeModel(
                model="gpt-realtime",
                base_url=counterpart.url,
                api_key=KEY,
                http_session=http,
                conn_options=APIConnectOptions(
                    max_retry=1, retry_interval=0.05, timeout=20.0
                ),
            )
            session = model.session()
            session.on(
                "error",
                lambda event: faults.append(provider_fault("realtime", event.error)),
            )
            await until_async(lambda: len(faults) >= count)
            # It raises what has ended it; it has not ended if it still reconnects.
            with contextlib.suppress(APIError):
                await session.aclose()

    asyncio.run(main())
    assert all(KEY not in fault.details for fault in faults)
    return faults


@pytest.mark.parametrize(
    ("handshake", "kind", "count"),
    [
        ({"fault": "auth"}, "auth", 2),
        ({"fault": "quota"}, "quota", 2),
        ({"fault": "html"}, "unreachable", 2),
        ({"fault": "redirect"}, "unreachable", 2),
        ({"fault": "server"}, "unreachable", 2),
        ({"error": {"code": "model_not_found"}}, "model", 2),
        ({"error": {"code": "insufficient_quota", "type": "x"}}, "quota", 1),
    ],
)
def test_a_handshake_that_is_refused_has_its_kind(counterpart, handshake, kind, count):
    counterpart.script(handshakes=handshake)
    faults = realtime_faults(counterpart, count)
    assert most_telling(faults).kind == kind
    assert most_telling(reversed(faults)).spoken == "I cannot reach my language model."


def test_a_response_that_fails_has_the_kind_of_its_code():
    for code, kind in (
        ("insufficient_quota", "quota"),
        ("server_error", "unreachable"),
    ):
        body = {"error": {"code": code, "message": "no"}}
        error = RuntimeError("response failed")
        error.body = body  # type: ignore[attr-defined]
        assert provider_fault("realtime", error).kind == kind


def test_voices_and_ears_say_what_they_can():
    assert ProviderFault("tts", "timeout", "").spoken == ""
    assert "speech recognition" in ProviderFault("stt", "timeout", "").spoken
    assert ProviderFault("stt", "timeout", "").code == "stt"
    lasting = [
        kind
        for kind in ("auth", "quota", "cut")
        if ProviderFault("llm", kind, "").is_lasting
    ]
    assert lasting == ["auth", "quota"]


def test_causes_that_name_each_other_end():
    one, other = ValueError("one"), ValueError("other")
    one.__cause__, other.__cause__ = other, one
    assert provider_fault("llm", one).details.endswith("other")
