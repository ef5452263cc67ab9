"""`/v1/audio/transcriptions` and `/v1/audio/speech`."""

import asyncio
import base64
import json
from typing import Any

import numpy as np
from aiohttp import web
from numpy.typing import NDArray
from openai.types.audio.speech_create_params import SpeechCreateParams

from tests.openai_counterpart import voice
from tests.openai_counterpart.faults import (
    FOREVER_S,
    drop,
    failed_response,
    wrong_field,
)
from tests.openai_counterpart.realtime.session import VOICES
from tests.openai_counterpart.records import RequestRecord
from tests.openai_counterpart.script import Answer, Request
from tests.openai_counterpart.sounds import default_words, is_silent
from tests.openai_counterpart.state import counterpart_of

_SPEECH_FIELDS = SpeechCreateParams.__annotations__.keys()
_VOICES = (*VOICES, "fable", "onyx", "nova")
_MAX_INPUT = 4096  # characters


async def transcriptions(request: web.Request) -> web.StreamResponse:
    """Answer a request for the words of a WAV file."""
    counterpart = counterpart_of(request)
    form: dict[str, Any] = {}
    sound = b""
    if request.content_type != "multipart/form-data":
        raise wrong_field("file", "Invalid body: expected multipart/form-data")
    async for part in await request.multipart():
        if part.name == "file":
            sound = await part.read()
            form["file"] = {"name": part.filename, "bytes": len(sound)}
        else:
            form[part.name or ""] = await part.text()
    key = counterpart.bearer(request)
    headers = counterpart.headers(request)
    record = counterpart.records.add("transcriptions", key, form, headers)
    with counterpart.watched(record):
        counterpart.check_key(key)
        pcm, rate = _checked(form, sound)
        counterpart.check_model(form["model"])
        record.audio_s = len(pcm) / rate
        clip = counterpart.clips.name(pcm, rate)
        form["file"] |= {"clip": clip, "silent": is_silent(pcm, rate)}
        asked = Request(key=key, model=form["model"], audio_s=record.audio_s, clip=clip)
        answer = counterpart.script.answer("transcriptions", asked)
        if response := await failed_response(request, answer, record, form["model"]):
            return response
        await asyncio.sleep(answer.first_s)
        text = answer.text
        if text is None:
            text = default_words(pcm, rate, counterpart.clips)
        if answer.fault in ("empty", "no_words"):
            text = ""
        record.answer = text
        record.begin_answer()
        record.end(answer.fault or "complete")
        return _transcription(form, text, record.audio_s)


def _checked(form: dict[str, Any], sound: bytes) -> tuple[NDArray[np.int16], int]:
    """Return samples and rate of a request; refuse one that is not whole."""
    if not form.get("model"):
        raise wrong_field("model", "you must provide a model parameter")
    try:
        return voice.from_wav(sound)
    except ValueError as error:
        raise wrong_field("file", f"Audio file might be corrupted: {error}") from None


def _transcription(form: dict[str, Any], text: str, audio_s: float) -> web.Response:
    match form.get("response_format", "json"):
        case "text":
            return web.Response(text=text + "\n")
        case "verbose_json":
            if form["model"] != "whisper-1":
                raise wrong_field(
                    "response_format",
                    "response_format 'verbose_json' is not compatible with model "
                    f"'{form['model']}'. Use 'json' or 'text' instead.",
                    "unsupported_value",
                )
            body: dict[str, Any] = {
                "task": "transcribe",
                "language": "english",
                "duration": audio_s,
                "text": text,
                "segments": [],
                "usage": {"type": "duration", "seconds": audio_s},
            }
            return web.json_response(body)
        case "json":
            usage = {"type": "duration", "seconds": audio_s}
            return web.json_response({"text": text, "usage": usage})
    raise wrong_field("response_format", "Invalid response_format")


async def speech(request: web.Request) -> web.StreamResponse:
    """Answer a request for the speech of a text."""
    counterpart = counterpart_of(request)
    body = await counterpart.json_body(request)
    key = counterpart.bearer(request)
    record = counterpart.records.add("speech", key, body, counterpart.headers(request))
    with counterpart.watched(record):
        counterpart.check_key(key)
        _check(body)
        model, spoken_by = body["model"], body["voice"]
        counterpart.check_model(model)
        record.text = body["input"]
        asked = Request(text=record.text, key=key, model=model, voice=spoken_by)
        answer = counterpart.script.answer("speech", asked)
        if response := await failed_response(request, answer, record, model):
            return response
        return await _speak(request, record, answer)


def _check(body: dict[str, Any]) -> None:
    if unknown := body.keys() - _SPEECH_FIELDS:
        name = min(unknown)
        raise wrong_field(name, f"Unrecognized request argument supplied: {name}")
    for name in ("model", "input", "voice"):
        if not isinstance(body.get(name), str) or not body[name]:
            raise wrong_field(name, f"Missing required parameter: '{name}'.")
    if len(body["input"]) > _MAX_INPUT:
        raise wrong_field(
            "input", f"String should have at most {_MAX_INPUT} characters"
        )
    if body["voice"] not in _VOICES:
        raise wrong_field("voice", f"Invalid value for voice: {body['voice']}")
    if body.get("response_format", "mp3") not in ("pcm", "wav"):
        raise wrong_field("response_format", "the counterpart speaks pcm and wav only")
    if not 0.25 <= body.get("speed", 1.0) <= 4.0:
        raise wrong_field("speed", "speed must be between 0.25 and 4.0")
    if body.get("stream_format", "audio") not in ("audio", "sse"):
        raise wrong_field("stream_format", "Invalid value for stream_format")
    if body.get("stream_format") == "sse" and body["model"].startswith("tts-1"):
        raise wrong_field("stream_format", "sse is not supported for tts-1")


async def _speak(
    request: web.Request, record: RequestRecord, answer: Answer
) -> web.StreamResponse:
    body = record.body
    text = voice.counting(answer.seconds) if answer.seconds else answer.text
    record.answer = body["input"] if text is None else text
    pcm = voice.spoken(record.answer, body.get("speed", 1.0)).astype("<i2").tobytes()
    if answer.fault == "empty":
        pcm = b""
    if answer.fault == "no_words":
        pcm = bytes(len(pcm))
    record.audio_s = len(pcm) / 2 / voice.RATE
    sse = body.get("stream_format") == "sse" and not answer.plain
    if body["response_format"] == "wav" and not sse:
        pcm = voice.as_wav(pcm)
    kind = "text/event-stream" if sse else f"audio/{body['response_format']}"
    response = web.StreamResponse(headers={"Content-Type": kind})
    await asyncio.sleep(answer.first_s)
    await response.prepare(request)
    size = voice.RATE * 2 * answer.piece_ms // 1000
    for index, start in enumerate(range(0, len(pcm), size)):
        if index == answer.break_after:
            record.end("cut")
            drop(request)
            return response
        if index == answer.stall_after:
            await asyncio.sleep(FOREVER_S)
        piece = pcm[start : start + size]
        record.begin_answer()
        await response.write(_audio_event(piece) if sse else piece)
        if answer.pace:
            await asyncio.sleep(len(piece) / 2 / voice.RATE / answer.pace)
    if sse:
        count = len(voice.words(record.answer))
        usage = {
            "input_tokens": count,
            "output_tokens": count,
            "total_tokens": 2 * count,
        }
        await response.write(_event({"type": "speech.audio.done", "usage": usage}))
    await response.write_eof()
    record.end(answer.fault or "complete")
    return response


def _audio_event(piece: bytes) -> bytes:
    audio = base64.b64encode(piece).decode()
    return _event({"type": "speech.audio.delta", "audio": audio})


def _event(event: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(event)}\n\n".encode()
