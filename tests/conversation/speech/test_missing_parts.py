"""The speech service on machines where a part of it is not installed."""

import asyncio
import shutil

import openai
import pytest

from tests.conversation.speech.service import Service, running_service

pytestmark = pytest.mark.process

# A module that is None in sys.modules cannot be imported.
WITHOUT = """
import sys
sys.modules.update(hibari=None, moonshine_voice=None)
from conversation.speech.__main__ import main
sys.exit(main())
"""


def say(service: Service, voice: str = "") -> bytes:
    async def work() -> bytes:
        async with asyncio.timeout(60), service.client() as client:
            spoken = await client.audio.speech.create(
                model="any",
                voice=voice,
                input="Hello there. How are you?",
                response_format="pcm",
            )
            return spoken.read()

    return asyncio.run(work())


@pytest.mark.program
@pytest.mark.skipif(not shutil.which("espeak-ng"), reason="needs espeak-ng")
def test_without_hibari_espeak_speaks():
    with running_service(("-c", WITHOUT)) as service:
        assert service.voices == ["espeak"]
        spoken = say(service)
        assert 1.0 < len(spoken) / 48_000 < 4.0
        # A session may name a voice that is built in elsewhere.
        assert say(service, "heart-low") == spoken


def test_without_any_voice_speech_is_refused_with_what_to_install(tmp_path):
    with running_service(("-c", WITHOUT), {"PATH": str(tmp_path)}) as service:
        assert service.voices == []
        with pytest.raises(openai.InternalServerError) as refused:
            say(service)
        assert refused.value.status_code == 503
        assert "pip install 'lite-gateway[speech]'" in str(refused.value)


def test_without_moonshine_transcription_is_refused_with_what_to_install(tmp_path):
    async def work(service: Service) -> None:
        async with asyncio.timeout(60), service.client() as client:
            file = ("sound.wav", b"", "audio/wav")
            await client.audio.transcriptions.create(model="any", file=file)

    with running_service(("-c", WITHOUT), {"PATH": str(tmp_path)}) as service:
        with pytest.raises(openai.InternalServerError) as refused:
            asyncio.run(work(service))
        assert "LITE_STT_URL" in str(refused.value)
