"""LiveKit's SDK: calls that run to their end, and panics that end nothing."""

import asyncio
import subprocess
import sys

import pytest

from lite_gateway.metrics import Metrics
from lite_gateway.rooms.sdk import CallOwner, SdkCalls, probe
from tests.virtual import run

KEY = CallOwner("key", "session")

# A receiver of the SDK's events gets a panic as its native part sends it.
PANIC = """
import asyncio, ctypes, threading
from livekit.rtc import _ffi_client
from livekit.rtc._proto import ffi_pb2
from lite_gateway.metrics import Metrics
from lite_gateway.rooms.sdk import SdkPanics
from lite_gateway.rooms.sdk_events import SdkEvents

RECEIVE = {receive}

async def main():
    metrics = Metrics()
    panics = SdkPanics(metrics)
    panics.install()
    event = ffi_pb2.FfiEvent()
    event.panic.message = "timed out\\nwaiting"
    data = event.SerializeToString()
    buffer = (ctypes.c_uint8 * len(data)).from_buffer_copy(data)
    threading.Thread(
        target=RECEIVE, args=(buffer, len(data))
    ).start()
    async with asyncio.timeout(20):
        while not metrics.registry.get_sample_value("lite_sdk_panics_total"):
            await asyncio.sleep(0.01)
    try:
        async with asyncio.timeout(0.5):
            await panics.watch()
    except TimeoutError:
        print("alive")

asyncio.run(main())
"""


@pytest.mark.parametrize(
    "receive",
    ["_ffi_client.ffi_event_callback", "SdkEvents().receive"],
    ids=["the SDK's receiver", "our receiver"],
)
def test_a_panic_of_the_sdk_is_counted_and_ends_no_process(receive):
    """Without our replacement the SDK sends SIGTERM to its own process."""
    code = PANIC.replace("{receive}", receive)
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "alive"
    assert "timed out\\nwaiting" in result.stderr  # one line of the log


def test_the_sdk_answers_a_probe():
    asyncio.run(probe())


def test_a_call_outlives_its_deadline_and_its_caller():
    async def main() -> None:
        calls, ended = SdkCalls(), []

        async def call() -> str:
            await asyncio.sleep(5.0)
            ended.append(True)
            return "joined"

        late = calls.start(call(), "late", KEY)
        with pytest.raises(TimeoutError):
            await calls.result(late, 1.0)
        assert calls.late("key") == 1
        assert calls.late("other key") == 0
        abandoned = calls.start(call(), "abandoned", KEY)
        async with asyncio.TaskGroup() as group:
            caller = group.create_task(calls.result(abandoned, 60.0))
            await asyncio.sleep(1.0)
            caller.cancel()
        assert calls.late("key") == 2
        await calls.wait_session("other session")
        assert not ended
        await calls.wait_session("session")
        assert ended == [True, True]
        assert calls.late("key") == 0
        assert await calls.result(late, 0.0) == "joined"

    run(main())


def test_the_error_of_a_call_reaches_its_caller():
    async def main() -> None:
        async def call() -> None:
            raise ValueError("refused")

        calls = SdkCalls()
        with pytest.raises(ValueError, match="refused"):
            await calls.result(calls.start(call(), "join", KEY), 1.0)

    run(main())


def test_the_metrics_of_the_sdk_begin_at_zero():
    registry = Metrics().registry
    for name in ("lite_sdk_panics_total", "lite_joins_late_total"):
        assert registry.get_sample_value(name) == 0
