"""Pipecat bot with an avatar of this server, through Pipecat's own HeyGen transport.

pip install "pipecat-ai[heygen]"
python examples/pipecat_bot.py       # its log has the user's link
"""

import asyncio
import os
import wave
from collections.abc import Iterator

import aiohttp
from pipecat.frames.frames import (
    Frame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.services.heygen.api_liveavatar import (
    LiveAvatarApi,
    LiveAvatarNewSessionRequest,
)
from pipecat.services.heygen.client import ServiceType
from pipecat.transports.heygen.transport import HeyGenTransport
from pipecat.workers.runner import WorkerRunner

# This line differs: Pipecat has no option for another server.
LiveAvatarApi.BASE_URL = (
    os.environ.get("LIVEAVATAR_URL", "http://127.0.0.1:8080") + "/v1"
)
KEY = os.environ.get("LIVEAVATAR_API_KEY", "dev")
AVATAR = os.environ.get("LIVEAVATAR_AVATAR_ID", "mira")


def greeting(path: str) -> Iterator[Frame]:
    """Yield the frames of a WAV file, as a text-to-speech service would."""
    yield TTSStartedFrame()
    with wave.open(path) as wav:
        while pcm := wav.readframes(4800):
            yield TTSAudioRawFrame(audio=pcm, sample_rate=24_000, num_channels=1)
    yield TTSStoppedFrame()


async def main() -> None:
    async with aiohttp.ClientSession() as http:
        transport = HeyGenTransport(
            session=http,
            api_key=KEY,
            service_type=ServiceType.LIVE_AVATAR,
            session_request=LiveAvatarNewSessionRequest(avatar_id=AVATAR),
        )
        # Insert your own speech-to-text, language model and text-to-speech.
        pipeline = Pipeline([transport.input(), transport.output()])
        worker = PipelineWorker(pipeline)

        @transport.event_handler("on_client_connected")
        async def greet(*_: object) -> None:
            await asyncio.sleep(1.0)  # until the user has subscribed
            await worker.queue_frames(list(greeting("web/samples/hello.wav")))

        @transport.event_handler("on_client_disconnected")
        async def leave(*_: object) -> None:
            await worker.cancel()

        await WorkerRunner().run(worker)


if __name__ == "__main__":
    asyncio.run(main())
