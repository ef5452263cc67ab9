"""Endpoint ``/v1/audio/speech``: text in, speech out, sentence by sentence."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Self

import orjson
import pybase64
from aiohttp import web

from conversation.speech.model_thread import ModelThread
from conversation.speech.refusals import RequestRefused, json_object
from conversation.speech.sound import VOICE_RATE, wav_of
from conversation.speech.voices import (
    HIBARI_NAMES,
    MAX_SPEED,
    MIN_SPEED,
    SpokenSentence,
    Voice,
)
from protocol.link.messages import PHONES_EVENT
from protocol.phones.phone_list import shifted

MAX_INPUT = 4096  # characters, as OpenAI's interface has it
FORMATS = ("wav", "pcm")
STREAM_FORMATS = ("audio", "sse")
_HEADERS = {"Content-Type": "audio/pcm", "Cache-Control": "no-store"}


@dataclass(frozen=True, slots=True)
class SpeechRequest:
    """Text to say, and how."""

    text: str
    voice: Voice
    speed: float
    answer_format: str
    as_events: bool

    @classmethod
    def from_json(cls, values: dict[str, object], voices: Mapping[str, Voice]) -> Self:
        """Return a request; raise `RequestRefused` for one that cannot be served."""
        text = values.get("input")
        if not isinstance(text, str) or not text.strip():
            raise RequestRefused("There is no text to say in `input`.", param="input")
        if len(text) > MAX_INPUT:
            problem = f"`input` has {len(text)} characters. Send {MAX_INPUT} or less."
            raise RequestRefused(problem, param="input")
        speed = values.get("speed", 1.0)
        is_number = isinstance(speed, int | float) and not isinstance(speed, bool)
        if not is_number or not MIN_SPEED <= float(str(speed)) <= MAX_SPEED:
            problem = f"`speed` is {speed!r}. Use {MIN_SPEED} to {MAX_SPEED}."
            raise RequestRefused(problem, param="speed")
        as_events = _choice(values, "stream_format", STREAM_FORMATS) == "sse"
        answer_format = _choice(values, "response_format", FORMATS)
        if as_events and answer_format == "wav" and "response_format" in values:
            problem = "`stream_format` sse is for pcm. Send `response_format` pcm."
            raise RequestRefused(problem, param="response_format")
        voice = _voice(values.get("voice"), voices)
        return cls(text, voice, float(str(speed)), answer_format, as_events)


class SpeakingRoute:
    """Handler of requests for speech."""

    def __init__(self, voices: Mapping[str, Voice], thread: ModelThread) -> None:
        self._voices = voices
        self._thread = thread

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        if not self._voices:
            raise RequestRefused(
                "No built-in voice is installed. Run"
                " `pip install 'lite-gateway[speech]'`, install espeak-ng, or set"
                " LITE_TTS_URL.",
                status=503,
                code="not_installed",
            )
        wanted = SpeechRequest.from_json(await json_object(request), self._voices)
        with self._thread.admitted():
            if wanted.as_events:
                return await self._send_events(request, wanted)
            if wanted.answer_format == "pcm":
                return await self._send_pcm(request, wanted)
            pcm = b"".join([spoken.pcm async for spoken in self._spoken(wanted)])
            return web.Response(body=wav_of(pcm), content_type="audio/wav")

    async def _spoken(self, wanted: SpeechRequest) -> AsyncIterator[SpokenSentence]:
        """Yield each sentence when it is there."""
        voice, speed = wanted.voice, wanted.speed
        for sentence in await self._thread.run(lambda: voice.sentences(wanted.text)):
            spoken = await self._thread.run(partial(voice.say, sentence, speed))
            if spoken.pcm:
                yield spoken

    async def _send_pcm(
        self, request: web.Request, wanted: SpeechRequest
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers=_HEADERS)
        response.enable_chunked_encoding()
        async for spoken in self._spoken(wanted):
            if not response.prepared:
                await response.prepare(request)
            await response.write(spoken.pcm)
        if not response.prepared:  # nothing of the text can be said
            await response.prepare(request)
        await response.write_eof()
        return response

    async def _send_events(
        self, request: web.Request, wanted: SpeechRequest
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        response.enable_chunked_encoding()
        until_s = 0.0
        async for spoken in self._spoken(wanted):
            if not response.prepared:
                await response.prepare(request)
            if spoken.phones:
                phones = [tuple(p) for p in shifted(spoken.phones, until_s)]
                await response.write(_event({"type": PHONES_EVENT, "phones": phones}))
            until_s += len(spoken.pcm) / 2 / VOICE_RATE
            audio = pybase64.b64encode_as_string(spoken.pcm)
            await response.write(_event({"type": "speech.audio.delta", "audio": audio}))
        if not response.prepared:
            await response.prepare(request)
        await response.write(_event({"type": "speech.audio.done"}))
        await response.write_eof()
        return response


def _event(values: dict[str, object]) -> bytes:
    return b"data: " + orjson.dumps(values) + b"\n\n"


def _choice(values: dict[str, object], name: str, choices: tuple[str, ...]) -> str:
    value = values.get(name, choices[0])
    if value not in choices:
        problem = f"`{name}` {value!r} is not supported. Use {' or '.join(choices)}."
        raise RequestRefused(problem, param=name)
    return str(value)


def _voice(name: object, voices: Mapping[str, Voice]) -> Voice:
    """Return the voice of that name; the first without one, or if Hibari is missing."""
    if isinstance(name, dict):
        name = name.get("id")
    if name in (None, "") or (name in HIBARI_NAMES and name not in voices):
        return next(iter(voices.values()))
    if name not in voices:
        problem = f"There is no voice {name!r}. The voices are {', '.join(voices)}."
        raise RequestRefused(problem, param="voice")
    return voices[str(name)]
