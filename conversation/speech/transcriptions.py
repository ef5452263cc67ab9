"""Endpoint ``/v1/audio/transcriptions``: a WAV file in, its words out."""

import orjson
from aiohttp import BodyPartReader, web

from conversation.speech.model_thread import ModelThread
from conversation.speech.recognizer import Recognizer
from conversation.speech.refusals import RequestRefused
from conversation.speech.sound import UnreadableSound, read_wav

MAX_SOUND_S = 60.0
MIN_SOUND_S = 0.1
MAX_UPLOAD = 24 * 1024 * 1024  # bytes: 60 s of stereo at 48 kHz and 32 bits
FORMATS = ("json", "verbose_json", "text")
_CHUNK = 65_536
_MULTIPART = "Send multipart/form-data with a WAV file in the field `file`."


class TranscriptionRoute:
    """Handler of transcription requests."""

    def __init__(self, recognizer: Recognizer | None, thread: ModelThread) -> None:
        self._recognizer = recognizer
        self._thread = thread

    async def __call__(self, request: web.Request) -> web.Response:
        if (recognizer := self._recognizer) is None:
            raise RequestRefused(
                "The built-in recognizer is not installed."
                " Run `pip install 'lite-gateway[speech]'`, or set LITE_STT_URL.",
                status=503,
                code="not_installed",
            )
        with self._thread.admitted():
            fields = await _form(request)
            answer_format = _choice(fields, "response_format", FORMATS)
            _require_english(fields)
            if not (data := fields.get("file")):
                text = f"There is no file, or an empty one. {_MULTIPART}"
                raise RequestRefused(text, param="file")
            try:
                sound, rate = await self._thread.run(lambda: read_wav(data))
            except UnreadableSound as error:
                raise RequestRefused(str(error), param="file") from None
            seconds = len(sound) / rate
            _require_length(seconds)
            words = await self._thread.run(lambda: recognizer.transcribe(sound, rate))
        return _response(answer_format, words, seconds)


def _response(answer_format: str, words: str, seconds: float) -> web.Response:
    if answer_format == "text":
        return web.Response(text=words + "\n")
    usage = {"type": "duration", "seconds": round(seconds, 3)}
    values: dict[str, object] = {"text": words, "usage": usage}
    if answer_format == "verbose_json":
        values |= {"task": "transcribe", "language": "english", "duration": seconds}
    return web.Response(body=orjson.dumps(values), content_type="application/json")


async def _form(request: web.Request) -> dict[str, bytes]:
    """Return the fields of a form, which is kept in memory: it is somebody's voice."""
    if request.content_type != "multipart/form-data":
        raise RequestRefused(f"The body is {request.content_type}. {_MULTIPART}")
    fields: dict[str, bytes] = {}
    size = 0
    try:
        reader = await request.multipart()
        while isinstance(part := await reader.next(), BodyPartReader):
            content = bytearray()
            while chunk := await part.read_chunk(_CHUNK):
                content += chunk
                size += len(chunk)
                if size > MAX_UPLOAD:
                    text = f"The request has over {MAX_UPLOAD >> 20} MB. Send less."
                    raise RequestRefused(text, status=413, param="file")
            fields[part.name or ""] = bytes(content)
    except ValueError as error:
        text = f"The body is no form: {error}. {_MULTIPART}"
        raise RequestRefused(text) from None
    return fields


def _choice(fields: dict[str, bytes], name: str, choices: tuple[str, ...]) -> str:
    """Return the value of a field, by default the first of its choices."""
    value = fields.get(name, choices[0].encode()).decode(errors="replace")
    if value not in choices:
        text = f"{name} {value!r} is not supported. Use {' or '.join(choices)}."
        raise RequestRefused(text, param=name)
    return value


def _require_english(fields: dict[str, bytes]) -> None:
    language = fields.get("language", b"en").decode(errors="replace").lower()
    if language.split("-")[0] not in ("", "en", "english"):
        raise RequestRefused(
            f"The built-in recognizer knows English only, not {language!r}."
            " Set LITE_STT_URL to a service that knows it.",
            param="language",
        )


def _require_length(seconds: float) -> None:
    if seconds < MIN_SOUND_S:
        raise RequestRefused(
            f"The sound lasts {seconds:.2f} s. Send {MIN_SOUND_S} s or more.",
            param="file",
            code="audio_too_short",
        )
    if seconds > MAX_SOUND_S:
        raise RequestRefused(
            f"The sound lasts {seconds:.1f} s. Send {MAX_SOUND_S:.0f} s or less.",
            param="file",
            code="audio_too_long",
        )
