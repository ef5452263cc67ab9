"""The speech service over HTTP: OpenAI's client drives it, and each refusal."""

import asyncio
import base64
import io
import json
import os
import wave
from collections.abc import Awaitable, Callable
from itertools import pairwise
from pathlib import Path

import aiohttp
import numpy as np
import openai
import pytest
from openai import AsyncOpenAI

from conversation.speech.sound import wav_of
from tests.conversation.speech.service import KEY, Service

pytestmark = pytest.mark.process

SENTENCE = "The weather is lovely today."


def run(work: Awaitable[None]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(120):
            await work

    asyncio.run(limited())


def silence(seconds: float, rate: int = 16_000) -> bytes:
    return wav_of(bytes(2 * int(seconds * rate)), rate)


def noise(seconds: float) -> bytes:
    samples = np.random.default_rng(1).normal(0, 3000, int(24_000 * seconds))
    return wav_of(samples.astype("<i2").tobytes())


def test_the_models_are_listed(speech: Service):
    async def work() -> None:
        async with speech.client() as client:
            names = [model.id async for model in client.models.list()]
        assert {"scripted", "moonshine-tiny-en", *speech.voices} <= set(names)
        assert speech.voices == ["heart", "heart-low"]

    run(work())


@pytest.mark.parametrize("voice", ["heart", "heart-low"])
def test_speech_has_the_same_samples_in_each_format(speech: Service, voice: str):
    async def work() -> None:
        async with speech.client() as client:
            pcm, wav = [
                (
                    await client.audio.speech.create(
                        model="any", voice=voice, input=SENTENCE, response_format=kind
                    )
                ).read()
                for kind in ("pcm", "wav")
            ]
            events = await client.audio.speech.create(
                model="any",
                voice=voice,
                input=SENTENCE,
                response_format="pcm",
                stream_format="sse",
            )
            lines = [line async for line in events.response.aiter_lines() if line]
        with wave.open(io.BytesIO(wav)) as file:
            assert file.getparams()[:3] == (1, 2, 24_000)
            assert file.readframes(file.getnframes()) == pcm
        parsed = [json.loads(line.removeprefix("data: ")) for line in lines]
        assert parsed[-1]["type"] == "speech.audio.done"
        deltas = [e for e in parsed if e["type"] == "speech.audio.delta"]
        parts = [base64.b64decode(event["audio"]) for event in deltas]
        assert b"".join(parts) == pcm
        assert 0.8 < len(pcm) / 48_000 < 4
        level = np.frombuffer(pcm, "<i2") / 32768
        assert 0.04 < np.sqrt(np.mean(level**2)) < 0.12
        assert np.abs(level).max() < 1

    run(work())


@pytest.mark.parametrize("voice", ["heart", "heart-low"])
def test_the_events_tell_the_phones_of_the_audio_after_them(
    speech: Service, voice: str
):
    text = "Bob bought a big pumpkin. Mummy sees six moons."

    async def work() -> None:
        async with speech.client() as client:
            stream = await client.audio.speech.create(
                model="any", voice=voice, input=text, stream_format="sse"
            )
            lines = [line async for line in stream.response.aiter_lines() if line]
        events = [json.loads(line.removeprefix("data: ")) for line in lines]
        kinds = [event["type"].rpartition(".")[2] for event in events]
        assert kinds == ["phones", "delta", "phones", "delta", "done"]
        pcm = b"".join(base64.b64decode(e["audio"]) for e in events if "audio" in e)
        phones = [phone for e in events for phone in e.get("phones", ())]
        spoken = [name for name, *_ in phones if name != "SIL"]
        assert spoken[:4] == ["B", "AA", "B", "B"]
        assert spoken.count("B") == 4
        assert spoken.count("M") == 4
        assert all(
            before[2] == pytest.approx(after[1]) for before, after in pairwise(phones)
        )
        assert phones[-1][2] == pytest.approx(len(pcm) / 48_000, abs=0.05)
        sound = np.frombuffer(pcm, "<i2") / 32768

        def level_of(names: str) -> float:
            parts = [
                sound[round(24_000 * start_s) : round(24_000 * end_s)]
                for name, start_s, end_s, _ in phones
                if name in names.split()
            ]
            return float(np.sqrt(np.mean(np.concatenate(parts) ** 2)))

        assert level_of("AA AO IH AH UW") > 4 * level_of("P K")
        assert level_of("AA AO IH AH UW") > 20 * level_of("SIL")

    run(work())


def test_the_first_sentence_is_sent_before_the_others_are_made(speech: Service):
    text = " ".join(f"This is sentence number {n} of a long text." for n in range(40))

    async def work() -> None:
        body = {"model": "any", "input": text, "response_format": "pcm"}
        headers = {"Authorization": f"Bearer {KEY}"}
        async with aiohttp.ClientSession(headers=headers) as http:
            moments = [asyncio.get_running_loop().time()]
            async with http.post(f"{speech.url}/audio/speech", json=body) as response:
                async for _ in response.content.iter_any():
                    moments.append(asyncio.get_running_loop().time())
        assert moments[1] - moments[0] < (moments[-1] - moments[0]) / 4

    run(work())


@pytest.mark.parametrize("kind", ["json", "verbose_json", "text"])
def test_a_transcription_has_the_words_in_each_format(speech: Service, kind: str):
    async def work() -> None:
        async with speech.client() as client:
            said = await client.audio.speech.create(
                model="any", voice="heart", input=SENTENCE, response_format="wav"
            )
            file = ("said.wav", said.read(), "audio/wav")
            heard = await client.audio.transcriptions.create(
                model="any", file=file, response_format=kind, language="en"
            )
        text = heard if isinstance(heard, str) else heard.text
        assert text.strip() == SENTENCE
        if kind == "verbose_json":
            assert heard.language == "english"
            assert heard.duration == pytest.approx((len(said.read()) - 44) / 48_000)

    run(work())


@pytest.mark.parametrize("sound", [silence(1), noise(0.8), noise(2)])
def test_a_sound_without_words_has_an_empty_text(speech: Service, sound: bytes):
    async def work() -> None:
        async with speech.client() as client:
            file = ("noise.wav", sound, "audio/wav")
            heard = await client.audio.transcriptions.create(model="any", file=file)
        assert heard.text == ""

    run(work())


def test_a_stream_of_an_answer_adds_up_to_the_whole_answer(speech: Service):
    async def work() -> None:
        messages = [{"role": "user", "content": "Count to twelve."}]
        async with speech.client() as client:
            whole = await client.chat.completions.create(model="any", messages=messages)
            chunks = [
                chunk
                async for chunk in await client.chat.completions.create(
                    model="any",
                    messages=messages,
                    stream=True,
                    stream_options={"include_usage": True},
                )
            ]
        assert whole.choices[0].message.content.startswith("One, two, three,")
        assert whole.choices[0].finish_reason == "stop"
        deltas = [chunk.choices[0].delta.content or "" for chunk in chunks[:-1]]
        assert "".join(deltas) == whole.choices[0].message.content
        assert len(deltas) > 12
        assert chunks[-1].usage == whole.usage
        assert whole.usage.completion_tokens == 12

    run(work())


Call = Callable[[AsyncOpenAI], Awaitable[object]]


def say(**values) -> Call:
    values = {"model": "any", "voice": "heart", "response_format": "pcm", **values}
    return lambda client: client.audio.speech.create(**values)


def hear(data: bytes, **values) -> Call:
    file = ("sound.wav", data, "audio/wav")
    return lambda client: client.audio.transcriptions.create(
        model="any", file=file, **values
    )


def ask(messages, **values) -> Call:
    return lambda client: client.chat.completions.create(
        model="any", messages=messages, **values
    )


REFUSED: dict[str, tuple[Call, int, str]] = {
    "unknown voice": (say(voice="nova", input="Hi."), 400, "heart, heart-low"),
    "no text": (say(input=" \n"), 400, "no text to say"),
    "long text": (say(input="a" * 4097), 400, "4096 or less"),
    "format": (say(input="Hi.", response_format="mp3"), 400, "wav or pcm"),
    "speed": (say(input="Hi.", speed=9), 400, "0.5 to 2.0"),
    "no WAV": (hear(b"ID3 and more"), 400, "not a WAV file"),
    "broken WAV": (hear(silence(1)[:20]), 400, "cannot be read"),
    "empty file": (hear(b""), 400, "an empty one"),
    "no samples": (hear(silence(0)), 400, "0.1 s or more"),
    "too long": (hear(silence(60.1)), 400, "60 s or less"),
    "language": (hear(silence(1), language="de"), 400, "English only"),
    "subtitles": (hear(silence(1), response_format="srt"), 400, "verbose_json"),
    "no messages": (ask([]), 400, '"role": "user"'),
    "no role": (ask([{"content": "x"}]), 400, "messages[0]"),
    "two answers": (ask([{"role": "user", "content": "x"}], n=2), 400, "one answer"),
    "path": (lambda client: client.get("/images", cast_to=str), 404, "/v1/models"),
    "method": (lambda client: client.delete("/models", cast_to=str), 405, "GET /v1/"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_request_that_cannot_be_served_is_told_what_would_be_right(
    speech: Service, name: str
):
    call, status, text = REFUSED[name]

    async def work() -> None:
        async with speech.client() as client:
            with pytest.raises(openai.APIStatusError) as refused:
                await call(client)
        assert refused.value.status_code == status
        assert text in refused.value.body["message"]
        assert refused.value.body["type"] == "invalid_request_error"

    run(work())


@pytest.mark.parametrize("key", ["wrong", "ключ", KEY + "x"])
def test_a_wrong_key_is_refused(speech: Service, key: str):
    async def work() -> None:
        headers = {"Authorization": f"Bearer {key}"}
        async with aiohttp.ClientSession() as http:
            url = f"{speech.url}/models"
            async with http.get(url, headers=headers) as response:
                body = await response.json()
        assert response.status == 401
        assert body["error"]["code"] == "invalid_api_key"

    run(work())


def test_more_requests_than_one_can_serve_are_refused_and_the_others_served(
    speech: Service,
):
    async def work() -> None:
        text = " ".join([SENTENCE] * 20)
        statuses: list[int] = []

        async def request(client: AsyncOpenAI) -> None:
            try:
                await say(input=text)(client)
                statuses.append(200)
            except openai.RateLimitError as refused:
                assert refused.response.headers["retry-after"] == "1"
                statuses.append(429)

        async with speech.client() as client:
            async with asyncio.TaskGroup() as group:
                for _ in range(12):
                    group.create_task(request(client))
            await say(input=SENTENCE)(client)
        assert statuses.count(200) >= 8
        assert 429 in statuses

    run(work())


def test_a_client_that_leaves_frees_its_place(speech: Service):
    async def work() -> None:
        text = " ".join([SENTENCE] * 100)
        body = {"model": "any", "input": text, "response_format": "pcm"}
        headers = {"Authorization": f"Bearer {KEY}"}
        async with aiohttp.ClientSession(headers=headers) as http:
            for _ in range(20):  # more than may be there at a time
                url = f"{speech.url}/audio/speech"
                async with http.post(url, json=body) as response:
                    assert response.status == 200
                    await response.content.readany()
                    response.close()

    run(work())


def test_the_key_is_in_neither_arguments_nor_environment(speech: Service):
    process = Path(f"/proc/{speech.process.pid}")
    if not process.exists():
        pytest.skip("this system has no /proc")
    for name in ("cmdline", "environ"):
        assert KEY.encode() not in (process / name).read_bytes()
    assert os.getpriority(os.PRIO_PROCESS, speech.process.pid) >= 10
