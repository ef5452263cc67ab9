"""Speech process of the gateway: a real child over a real socket, good and bad."""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine

import psutil
import pytest
from openai import AsyncOpenAI

from lite_gateway.child_process import RESTART_CHILD
from lite_gateway.conversation import speech_process
from lite_gateway.conversation.speech_process import SpeechProcess
from lite_gateway.metrics import Metrics
from lite_gateway.supervisor import Supervisor
from tests.waiting import until_async

pytestmark = pytest.mark.process

STRANGE = "tests.conversation.strange_speech"
LONG_S = 120.0


@contextlib.asynccontextmanager
async def speech(
    behaviour: str = "answers", *, hang_s: float = speech_process.HANG_S
) -> AsyncIterator[SpeechProcess]:
    """Run the strange speech process under a supervisor."""
    process = SpeechProcess({"PATH": behaviour}, module=STRANGE, hang_s=hang_s)
    async with Supervisor(Metrics()).running() as supervisor:
        supervisor.add("speech process", process.run, RESTART_CHILD)
        yield process


def children() -> list[psutil.Process]:
    """Return the children that have a socket: fixtures of other tests have a pipe."""
    return [
        child
        for child in psutil.Process().children()
        if {STRANGE, speech_process.MODULE} & set(child.cmdline()[:-1])
    ]


def run(main: Callable[[], Coroutine[None, None, None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(LONG_S):
            await main()

    asyncio.run(limited())


def test_it_starts_when_it_is_needed_and_ends_with_the_gateway():
    async def main() -> None:
        async with speech() as process:
            await asyncio.sleep(0.5)
            assert children() == []
            endpoint = await process.endpoint(LONG_S)
            assert endpoint is not None
            assert endpoint.base_url == "http://127.0.0.1:1/v1"
            assert endpoint.voice == "one"
            assert endpoint.trusted
            assert len(children()) == 1
            assert endpoint == await process.endpoint(0.0)
        assert children() == []

    run(main)


def test_one_that_is_not_ready_in_time_is_none_yet():
    async def main() -> None:
        async with speech() as process:
            assert await process.endpoint(0.001) is None
            assert await process.endpoint(LONG_S) is not None

    run(main)


def test_one_that_is_killed_is_started_again_with_another_key():
    async def main() -> None:
        async with speech() as process:
            first = await process.endpoint(LONG_S)
            [child] = children()
            child.send_signal(signal.SIGKILL)
            await until_async(lambda: not process.is_ready)
            second = await process.endpoint(LONG_S)
            assert first is not None
            assert second is not None
            assert first.key != second.key

    run(main)


@pytest.mark.parametrize(
    ("behaviour", "text"),
    [
        ("dies", "ChildEnded"),
        ("nonsense", "did not say its URL"),
    ],
)
def test_one_that_fails_is_never_offered_and_is_started_again(
    behaviour, text, caplog: pytest.LogCaptureFixture
):
    def failures() -> int:
        return sum(text in str(record.exc_info) for record in caplog.records)

    async def main() -> None:
        async with speech(behaviour) as process:
            process.start()
            await until_async(lambda: failures() >= 2)
            assert await process.endpoint(0.0) is None

    run(main)


def test_one_that_hangs_is_ended(caplog: pytest.LogCaptureFixture):
    async def main() -> None:
        async with speech("hangs", hang_s=0.5) as process:
            await process.endpoint(LONG_S)
            [child] = children()
            await until_async(lambda: not child.is_running(), 60)
            # The log tells it after the last lines of the child were read.
            await until_async(
                lambda: any("it hangs" in str(r.exc_info) for r in caplog.records), 60
            )

    run(main)


def test_the_key_is_in_no_log_line(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)

    async def main() -> None:
        async with speech() as process:
            endpoint = await process.endpoint(LONG_S)
            assert endpoint is not None
            await until_async(lambda: "the key is" in caplog.text)
            assert endpoint.key not in caplog.text
            assert "the key is [removed]" in caplog.text
            assert endpoint.key not in repr(endpoint)

    run(main)


def test_the_real_one_answers_and_ends_when_its_socket_closes():
    async def main() -> None:
        process = SpeechProcess(dict(os.environ))
        async with Supervisor(Metrics()).running() as supervisor:
            supervisor.add("speech process", process.run, RESTART_CHILD)
            endpoint = await process.endpoint(LONG_S)
            assert endpoint is not None
            [child] = children()
            assert endpoint.key not in " ".join(child.cmdline())
            assert endpoint.key not in str(child.environ())
            async with AsyncOpenAI(
                api_key=endpoint.key, base_url=endpoint.base_url, max_retries=0
            ) as client:
                answer = await client.chat.completions.create(
                    model="any", messages=[{"role": "user", "content": "Thanks!"}]
                )
            assert answer.choices[0].message.content == "You are welcome."
        assert not child.is_running()

    run(main)
