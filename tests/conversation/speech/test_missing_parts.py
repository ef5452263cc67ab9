"""The speech service on machines where a part of it is not installed."""

import asyncio
import base64
import json
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


# A release of Hibari whose network has one symbol more than it is asked to say.
OTHER_FRAMES = """
import sys
from hibari import Hibari
ids = Hibari.ids
Hibari.ids = lambda self, symbols: [*ids(self, symbols), 0]
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


def test_a_voice_whose_phones_are_unclear_speaks_without_them(capfd):
    pytest.importorskip("hibari", reason="needs hibari-tts")

    async def events(service: Service) -> list[dict]:
        async with asyncio.timeout(60), service.client() as client:
            stream = await client.audio.speech.create(
                model="any",
                voice="heart",
                input="Hello there. How are you? I am well.",
                stream_format="sse",
            )
            lines = [line async for line in stream.response.aiter_lines() if line]
        return [json.loads(line.removeprefix("data: ")) for line in lines]

    with running_service(("-c", OTHER_FRAMES)) as service:
        *deltas, done = asyncio.run(events(service))
        assert {event["type"] for event in deltas} == {"speech.audio.delta"}
        assert done["type"] == "speech.audio.done"
        seconds = sum(len(base64.b64decode(it["audio"])) for it in deltas) / 48_000
        assert 2.0 < seconds < 8.0
        assert len(say(service, "heart-low")) / 2 / 24_000 > 2.0
    assert capfd.readouterr().err.count("said without phones") == 1
