"""The first session imports and loads nothing: that would block the event loop."""

import asyncio
import re

import psutil

from bench.probe.stack import Gateway, running_gateway
from lite_gateway.client import open_session

COMMAND = ("-X", "importtime", "-m", "lite_gateway")  # logs each module


def test_the_first_session_imports_no_module_and_loads_no_library(livekit, tmp_path):
    log = tmp_path / "gateway.log"
    with running_gateway(
        livekit.url, livekit.key, livekit.secret, log, command=COMMAND
    ) as gateway:
        ready = len(log.read_text(errors="replace"))
        libraries = _libraries(gateway)
        asyncio.run(_speak(gateway))
        text = log.read_text(errors="replace")
        assert _libraries(gateway) == libraries
    assert {"anyio", "livekit.rtc"} <= _imported(text[:ready])
    assert _imported(text[ready:]) == set()
    assert "rich._emoji_codes" not in _imported(text)  # 20 ms


async def _speak(gateway: Gateway) -> None:
    async with open_session(gateway.url, gateway.key, avatar="fiducial") as avatar:
        await avatar.append(bytes(24_000))
        await avatar.speak_end()
        await avatar.event("agent.speak_ended")


def _imported(log: str) -> set[str]:
    """Return the modules that a part of the log names."""
    return set(re.findall(r"^import time:.*\| +(\S+)$", log, re.MULTILINE))


def _libraries(gateway: Gateway) -> set[str]:
    """Return the shared libraries that the gateway's process has loaded."""
    maps = psutil.Process(gateway.pid).memory_maps()
    return {it.path for it in maps if ".so" in it.path}
