"""LiveKit's plugins for OpenAI, unmodified, drive the speech service."""

import asyncio
from collections.abc import Awaitable

import pytest
from livekit import rtc
from livekit.agents import APIConnectOptions, APIStatusError, llm
from livekit.plugins import openai as plugin

from bench.word_errors import words_of, wrong_words
from conversation.agent.phones_voice import PhonesTTS
from tests.conversation.speech.service import Service
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.process

SENTENCES = (
    "Hello there, it is very good to see you today.",
    "What would you like to talk about, and where should we begin?",
    "The quick brown fox jumps over the lazy dog.",
    "I can count, tell a story, and repeat what you say.",
    "Please call me again tomorrow at half past nine in the morning.",
    "Nobody knows how long the winter in the mountains will last.",
)
MAX_WRONG = 0.10  # of all words


def run(work: Awaitable[None]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(240):
            await work

    asyncio.run(limited())


@pytest.mark.parametrize("voice", ["heart", "heart-low"])
@pytest.mark.parametrize("model", ["tts-1", "gpt-4o-mini-tts"])  # audio, and events
def test_what_the_voice_says_is_what_the_recognizer_hears(
    speech: Service, voice: str, model: str
):
    async def work() -> None:
        total = wrong = 0
        async with speech.client() as client:
            tts = plugin.TTS(
                model=model, voice=voice, client=client, response_format="pcm"
            )
            stt = plugin.STT(model="whisper-1", client=client, use_realtime=False)
            for sentence in SENTENCES:
                frames: list[rtc.AudioFrame] = [
                    audio.frame async for audio in tts.synthesize(sentence)
                ]
                event = await stt.recognize(frames)
                heard = words_of(event.alternatives[0].text)
                total += len(words_of(sentence))
                wrong += wrong_words(words_of(sentence), heard)
            await tts.aclose()
        assert wrong / total <= MAX_WRONG, (wrong, total)

    run(work())


def test_the_plugin_with_phones_has_the_same_audio_and_its_phones(speech: Service):
    async def work() -> None:
        text = "Bob saw a map. Pam has a bob."
        async with speech.client() as client:
            names = {"model": "any", "voice": "heart", "client": client}
            plain = plugin.TTS(**names, response_format="pcm")
            phoned = PhonesTTS(**names, response_format="pcm")
            frames = [audio.frame async for audio in plain.synthesize(text)]
            same, phones, given_by = [], [], []
            async with phoned.synthesize(text) as stream:
                async for audio in stream:
                    new = stream.take_phones()
                    given_by += [sum(f.duration for f in same)] * len(new)
                    phones += new
                    same.append(audio.frame)
        pcm, same_pcm = (
            b"".join(bytes(f.data) for f in each) for each in (frames, same)
        )
        assert same_pcm == pcm
        assert " ".join(p.phoneme for p in phones).count("B AA B") == 2
        assert phones[-1].end_s == pytest.approx(len(pcm) / 48_000, abs=0.05)
        for phone, heard_s in zip(phones, given_by, strict=True):
            assert phone.end_s > heard_s

    run(work())


def test_the_plugin_with_phones_tells_a_failure_as_the_other_does(speech: Service):
    async def work() -> None:
        async with speech.client() as client:
            tts = PhonesTTS(model="any", voice="nobody", client=client)
            once = APIConnectOptions(max_retry=0, timeout=PATIENCE_S)
            with pytest.raises(APIStatusError, match="no voice 'nobody'") as error:
                async for _ in tts.synthesize("Hello.", conn_options=once):
                    pass
        assert error.value.status_code == 400

    run(work())


def test_the_plugin_streams_an_answer(speech: Service):
    async def work() -> None:
        chat = llm.ChatContext.empty()
        chat.add_message(role="system", content="You are Mira. You are friendly.")
        chat.add_message(role="user", content="Who are you?")
        async with speech.client() as client:
            model = plugin.LLM(model="scripted", client=client)
            async with model.chat(chat_ctx=chat) as stream:
                deltas = [
                    chunk.delta.content
                    async for chunk in stream
                    if chunk.delta and chunk.delta.content
                ]
        assert len(deltas) > 10
        assert "".join(deltas).startswith("I am Mira, an avatar")
        assert "LITE_LLM_URL" in "".join(deltas)

    run(work())
