"""A gateway that draws with native code never loads torch."""

import asyncio
from pathlib import Path

import pytest

from bench.probe.listening import speech
from lite_gateway.client import open_session
from renderer.device import has_gpu
from renderer.native.library import load
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.livekit


@pytest.mark.skipif(has_gpu() or load() is None, reason="this machine draws with torch")
@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="no /proc")
def test_a_gateway_that_has_spoken_has_not_loaded_torch(gateway):
    async def talk() -> None:
        options = {"video_settings": {"quality": "512x512"}}
        async with open_session(
            gateway.url, gateway.key, avatar="mira", **options
        ) as avatar:
            await avatar.speak(speech(0.5))
            await avatar.event("agent.speak_ended", timeout_s=PATIENCE_S)

    asyncio.run(talk())

    loaded = Path(f"/proc/{gateway.pid}/maps").read_text()
    assert "numpy" in loaded
    assert "torch" not in loaded
