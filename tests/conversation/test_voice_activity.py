"""Voice activity detector that gets no processor time: what waits for it is bounded."""

import asyncio

import pytest

pytest.importorskip("livekit.plugins.openai", reason="needs lite-gateway[agent]")

from livekit import rtc

from conversation.agent.microphone import FRAME_MS, SAMPLE_RATE
from conversation.agent.voice_activity import MAX_BEHIND_S, VoiceActivity

SAMPLES = SAMPLE_RATE * FRAME_MS // 1000


def test_no_more_audio_waits_than_is_of_use():
    frame = rtc.AudioFrame(bytes(2 * SAMPLES), SAMPLE_RATE, 1, SAMPLES)

    async def main() -> float:
        stream = VoiceActivity().stream()
        # It cannot run between two of these calls.
        for _ in range(round(3 * MAX_BEHIND_S / frame.duration)):
            stream.push_frame(frame)
        waiting_s = stream._input_ch.qsize() * frame.duration
        await stream.aclose()
        return waiting_s

    assert asyncio.run(main()) == pytest.approx(MAX_BEHIND_S, abs=2 * FRAME_MS / 1000)
