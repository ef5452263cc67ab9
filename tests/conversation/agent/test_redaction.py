"""Keys of providers: what the plugins log and raise, as the agent process logs it."""

import asyncio
import io
import logging
from collections.abc import Iterator

import openai
import pytest
from livekit import rtc
from livekit.agents import APIConnectOptions, APIError, llm
from livekit.plugins import openai as plugin

from conversation.agent.guarded_http import http_client, realtime_http
from lite_gateway.foreign.live_secrets import live_secrets
from lite_gateway.foreign.text import foreign_text
from lite_gateway.telemetry.logs import log_handler
from tests.waiting import until_async

KEY = "proj-Zx9w/hunter22=="  # of no shape that a pattern knows
TRIES = APIConnectOptions(max_retry=1, retry_interval=0.05, timeout=20.0)


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """Log of everything, as the agent process writes it."""
    live_secrets.remember([KEY])
    stream = io.StringIO()
    handler, root = log_handler("text", stream), logging.getLogger()
    root.addHandler(handler)
    level = root.level
    root.setLevel(logging.DEBUG)
    yield stream
    root.setLevel(level)
    root.removeHandler(handler)


def chain(error: BaseException | None) -> str:
    """Return all texts of an error and its causes, as somebody may log them."""
    texts = []
    while error is not None:
        texts += [
            foreign_text(error, limit=4000),
            foreign_text(repr(error), limit=4000),
        ]
        error = error.__cause__ or error.__context__
    return "\n".join(texts)


def test_the_log_of_a_wrong_key_repeats_it_nowhere(counterpart, logged):
    counterpart.script(keys=["sk-another"])
    errors: list[APIError] = []

    async def main() -> None:
        async with openai.AsyncClient(
            api_key=KEY,
            base_url=counterpart.url,
            max_retries=0,
            http_client=http_client(None),
        ) as client:
            context = llm.ChatContext()
            context.add_message(role="user", content="Hello")
            stream = plugin.LLM(model="m", client=client).chat(
                chat_ctx=context, conn_options=TRIES
            )
            errors.append(await failure(_read(stream)))
            stt = plugin.STT(model="whisper-1", client=client, use_realtime=False)
            frame = rtc.AudioFrame(bytes(4800), 24_000, 1, 2400)
            errors.append(await failure(stt.recognize(frame, conn_options=TRIES)))
            tts = plugin.TTS(client=client, response_format="pcm")
            errors.append(
                await failure(_read(tts.synthesize("Hi", conn_options=TRIES)))
            )

    asyncio.run(main())
    # The provider has repeated the key, so that it would be found.
    assert all(KEY in str(error.body) for error in errors)
    assert all(KEY not in chain(error) for error in errors)
    assert logged.getvalue()
    assert KEY not in logged.getvalue()


async def failure(call) -> APIError:
    with pytest.raises(APIError) as caught:
        await call
    return caught.value


async def _read(stream) -> None:
    async with stream:
        async for _ in stream:
            pass


def test_the_log_of_a_refused_handshake_repeats_the_key_nowhere(counterpart, logged):
    counterpart.script(keys=["sk-another"])
    causes: list[BaseException] = []

    async def main() -> None:
        async with realtime_http(None) as http:
            model = plugin.realtime.RealtimeModel(
                model="gpt-realtime",
                base_url=counterpart.url,
                api_key=KEY,
                http_session=http,
                conn_options=TRIES,
            )
            session = model.session()
            session.on("error", lambda event: causes.append(event.error.__cause__))
            await until_async(lambda: len(causes) == 2)
            with pytest.raises(APIError):
                await session.aclose()

    asyncio.run(main())
    # Here the headers of the request are part of the error.
    assert f"Bearer {KEY}" in repr(causes[0])
    assert all(KEY not in chain(cause) for cause in causes)
    assert "retrying" in logged.getvalue()
    assert KEY not in logged.getvalue()
