"""
Counterpart of Gemini's Live API: every message is checked by the types of google-genai.

It runs in the test's own event loop. A turn of the user ends after `SILENCE_S`.
"""

import asyncio
import contextlib
from dataclasses import dataclass, field

import numpy as np
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer
from google.genai import types

from tests.openai_counterpart import voice

PATH = "/ws/google.ai.generativelanguage.v1.GenerativeService.BidiGenerateContent"
KEY = "gemini-test-key"
MODELS = ("models/gemini-3.1-flash-live-preview", "models/gemini-2.5-flash-live")
SILENCE_S = 0.3
LOUD = 500
PIECE = 2_400  # samples of an answer in one message
HEARD = "Hello there."
INPUT_TYPE = "audio/pcm;rate=16000"


class Refuse(Exception):
    """Message that Gemini answers by closing the connection."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass
class GeminiCounterpart:
    """Server of one test; ``received`` has each message but audio, in its order."""

    answer: str = ""  # to everything; if empty, what was said is repeated
    silent: bool = False  # answers have no words
    begins_after_s: float = 0.0
    close_after: int | None = None  # pieces of the first answer, then it is lost
    setups: list[types.LiveClientSetup] = field(default_factory=list)
    received: list[types.LiveClientMessage] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    heard_s: float = 0.0

    @contextlib.asynccontextmanager
    async def running(self):
        """Serve while the block runs; yields the URL."""
        app = web.Application()
        app.router.add_get(PATH, self._serve)
        async with TestServer(app) as server:
            yield str(server.make_url("")).rstrip("/")

    def history(self) -> list[tuple[str, str]]:
        """Return roles and texts that the newest connection was told in turns."""
        found: list[tuple[str, str]] = []
        for message in self.received:
            if message.setup is not None:
                found.clear()
            content = message.client_content
            for turn in (content.turns or []) if content is not None else []:
                found += [(turn.role, part.text.strip()) for part in turn.parts]
        return found

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        try:
            async with asyncio.TaskGroup() as group:
                await _Connection(self, socket, group).run(request)
        except* Refuse as refused:
            (problem,) = refused.exceptions
            self.refused.append(problem.reason)
            await socket.close(code=problem.code, message=problem.reason.encode())
        return socket


class _Connection:
    def __init__(self, server, socket, group) -> None:
        self._server: GeminiCounterpart = server
        self._socket = socket
        self._group = group
        self._answer: asyncio.Task | None = None
        self._asked = ""  # the newest text of the user
        self._quiet_s: float | None = None  # since the last loud audio of a turn

    async def run(self, request: web.Request) -> None:
        if request.headers.get("x-goog-api-key") != KEY:
            raise Refuse(1007, "API key not valid. Please pass a valid API key.")
        async for message in self._socket:
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                break
            await self._receive(message.data)
        if self._answer is not None:
            self._answer.cancel()

    async def _receive(self, data: str | bytes) -> None:
        try:
            message = types.LiveClientMessage.model_validate_json(data)
        except ValueError:
            raise Refuse(1007, "Request contains an invalid argument.") from None
        if message.realtime_input is not None and message.realtime_input.audio:
            await self._hear(message.realtime_input.audio)
            return
        self._server.received.append(message)
        if message.setup is not None:
            if message.setup.model not in MODELS:
                name = message.setup.model
                reason = f"{name} is not found for API version v1beta"
                raise Refuse(1008, reason)
            self._server.setups.append(message.setup)
            await self._send(setup_complete=types.LiveServerSetupComplete())
        elif message.client_content is not None:
            if self._is_answering:
                self._answer.cancel()
                await self._tell(interrupted=True)
                await self._tell(turn_complete=True)
            self._take(message.client_content)

    def _take(self, content: types.LiveClientContent) -> None:
        for turn in content.turns or []:
            if turn.role not in ("user", "model"):
                raise Refuse(1007, "Please use a valid role: user, model.")
            if turn.role == "user":
                self._asked = turn.parts[0].text
        if content.turn_complete:
            if not self._asked:
                raise Refuse(1007, "Request contains an invalid argument.")
            asked, self._asked = self._asked, ""
            _, repeats, text = asked.partition("do not translate it:\n\n")
            text = text.removesuffix("\n</instructions>")
            self._start(text if repeats else f"You said: {asked}", heard="")

    async def _hear(self, audio: types.Blob) -> None:
        if audio.mime_type != INPUT_TYPE or not self._server.setups:
            raise Refuse(1007, "Request contains an invalid argument.")
        pcm = np.frombuffer(audio.data, np.int16)
        seconds = len(pcm) / 16_000
        self._server.heard_s += seconds
        if np.abs(pcm).max(initial=0) > LOUD:
            if self._quiet_s is None and self._is_answering:
                self._answer.cancel()
                await self._tell(interrupted=True)
                await self._tell(turn_complete=True)
            self._quiet_s = 0.0
        elif self._quiet_s is not None:
            self._quiet_s += seconds
            if self._quiet_s >= SILENCE_S:
                self._quiet_s = None
                self._start(f"You said: {HEARD}", heard=HEARD)

    @property
    def _is_answering(self) -> bool:
        return self._answer is not None and not self._answer.done()

    def _start(self, text: str, heard: str) -> None:
        before = self._answer if self._is_answering else None
        self._answer = self._group.create_task(self._speak(text, heard, before))

    async def _speak(self, text: str, heard: str, before) -> None:
        if before is not None:  # a new turn interrupts
            before.cancel()
            await self._tell(interrupted=True)
            await self._tell(turn_complete=True)
        text = self._server.answer or text
        if heard:
            transcription = types.Transcription(text=f" {heard}")
            await self._tell(input_transcription=transcription)
        await asyncio.sleep(self._server.begins_after_s)
        words = [] if self._server.silent else text.split()
        for number, word in enumerate(words):
            if number == self._server.close_after:
                self._server.close_after = None
                await self._socket.close(code=1011, message=b"Internal error occurred.")
                return
            await self._say(word)
        if self._server.silent:
            transcription = types.Transcription(text=" ")
            await self._tell(output_transcription=transcription)
        await self._tell(generation_complete=True)
        await self._tell(turn_complete=True)

    async def _say(self, word: str) -> None:
        transcription = types.Transcription(text=f"{word} ")
        await self._tell(output_transcription=transcription)
        pcm = voice.spoken(word)
        for start in range(0, len(pcm), PIECE):
            data = pcm[start : start + PIECE].tobytes()
            blob = types.Blob(data=data, mime_type="audio/pcm;rate=24000")
            content = types.Content(parts=[types.Part(inline_data=blob)])
            await self._tell(model_turn=content)
            await asyncio.sleep(0.01)

    async def _tell(self, **content) -> None:
        await self._send(server_content=types.LiveServerContent(**content))

    async def _send(self, **parts) -> None:
        message = types.LiveServerMessage(**parts)
        text = message.model_dump_json(by_alias=True, exclude_none=True)
        await self._socket.send_bytes(text.encode())
