"""
One turn of a conversation, with services that answer from memory.

The first turn of a process takes a second longer than later ones: libraries build what
they need when it is first used. So it is done before anybody waits for it.
"""

import asyncio
import logging

import httpx2
import numpy as np
import openai
from livekit import rtc
from livekit.agents.voice.io import AudioOutput, AudioOutputCapabilities

from conversation.agent.microphone import FRAME_MS, SAMPLE_RATE, Microphone
from conversation.agent.pipeline import PipelineEngine
from conversation.agent.providers import Providers
from conversation.agent.stage_times import TurnMoments
from protocol.link.settings import ConversationSettings, Endpoint

log = logging.getLogger(__name__)

TRIAL_S = 20.0  # at most: a conversation can do without it
_FRAME = SAMPLE_RATE * FRAME_MS // 1000
_CHUNK = (
    b'data: {"id":"1","object":"chat.completion.chunk","created":1,"model":"none",'
    b'"choices":[{"index":0,"delta":{"role":"assistant","content":"Hello. "},'
    b'"finish_reason":null}]}\n\n'
)


async def take_trial_turn() -> None:
    """Hear, think and speak once, within `TRIAL_S`."""
    endpoint = Endpoint("http://trial/v1", "none", "none")
    settings = ConversationSettings(
        session_id="trial",
        room_url="",
        room_token="",
        avatar_identity="",
        mode="FULL",
        stt=endpoint,
        llm=endpoint,
        tts=endpoint,
    )
    client = openai.AsyncClient(
        api_key="none",
        base_url=endpoint.base_url,
        max_retries=0,
        http_client=httpx2.AsyncClient(
            transport=httpx2.MockTransport(_answer), trust_env=False
        ),
    )
    microphone = Microphone(listening=True)
    providers = Providers(settings, client=client)
    engine = PipelineEngine(settings, microphone, TurnMoments(), providers)
    engine.session.input.audio = microphone
    engine.session.output.audio = _Unheard()
    try:
        async with asyncio.timeout(TRIAL_S):
            await engine.session.start(engine.agent, session_host=False, record=False)
            for _ in range(10):  # enough for a window of the voice activity detector
                microphone.hear(_silence())
            await engine.hear([_silence()])
            await engine.respond("Hello.")
    except Exception as error:  # boundary: conversations can do without it
        log.warning("the trial turn failed: %s", type(error).__name__)
    finally:
        microphone.end()
        await engine.session.aclose()
        await engine.aclose()


def _silence() -> rtc.AudioFrame:
    pcm = np.zeros(_FRAME, np.int16).tobytes()
    return rtc.AudioFrame(pcm, SAMPLE_RATE, 1, _FRAME)


def _answer(request: httpx2.Request) -> httpx2.Response:
    """Return an answer of each service."""
    if request.url.path.endswith("/chat/completions"):
        kind = {"content-type": "text/event-stream"}
        return httpx2.Response(200, headers=kind, content=_CHUNK + b"data: [DONE]\n\n")
    if request.url.path.endswith("/transcriptions"):
        return httpx2.Response(200, json={"text": ""})
    if request.url.path.endswith("/speech"):
        kind = {"content-type": "audio/pcm"}
        return httpx2.Response(200, headers=kind, content=bytes(SAMPLE_RATE))
    return httpx2.Response(404, json={})


class _Unheard(AudioOutput):
    """Audio output that has played each speech at once."""

    def __init__(self) -> None:
        super().__init__(
            label="Unheard",
            next_in_chain=None,
            sample_rate=SAMPLE_RATE,
            capabilities=AudioOutputCapabilities(pause=True),
        )
        self._played_s = 0.0

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)
        self._played_s += frame.duration

    def flush(self) -> None:
        super().flush()
        if self._played_s:
            played_s, self._played_s = self._played_s, 0.0
            self.on_playback_finished(playback_position=played_s, interrupted=False)

    def clear_buffer(self) -> None:
        self.flush()
