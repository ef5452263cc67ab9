"""Language model and voice without a network, for a real AgentSession."""

import asyncio
import time
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from livekit.agents import APIConnectOptions, llm, tts, utils
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS

RATE = 24_000
PIECE_S = 0.2


class ScriptedLLM(llm.LLM):
    """Language model that answers with the next of its lines, word by word."""

    def __init__(self, lines: Iterator[str]) -> None:
        super().__init__()
        self._lines = lines

    def chat(
        self,
        *,
        chat_ctx: llm.ChatContext,
        tools: list[llm.Tool] | None = None,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
        **_: Any,
    ) -> llm.LLMStream:
        line = next(self._lines)
        return _Line(self, line, chat_ctx, tools or [], conn_options)


class _Line(llm.LLMStream):
    def __init__(
        self,
        model: ScriptedLLM,
        line: str,
        chat_ctx: llm.ChatContext,
        tools: list[llm.Tool],
        conn_options: APIConnectOptions,
    ) -> None:
        super().__init__(
            model, chat_ctx=chat_ctx, tools=tools, conn_options=conn_options
        )
        self._line = line

    async def _run(self) -> None:
        for word in self._line.split(" "):
            delta = llm.ChoiceDelta(role="assistant", content=word + " ")
            self._event_ch.send_nowait(llm.ChatChunk(id="line", delta=delta))
            await asyncio.sleep(0)


class RecordedVoice(tts.TTS):
    """Voice of recorded sentences, sent without delay or in real time."""

    def __init__(self, recordings: dict[str, Path], *, in_real_time: bool) -> None:
        super().__init__(
            capabilities=tts.TTSCapabilities(streaming=False),
            sample_rate=RATE,
            num_channels=1,
        )
        self.recordings = recordings
        self.in_real_time = in_real_time

    def synthesize(
        self,
        text: str,
        *,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
    ) -> tts.ChunkedStream:
        return _Spoken(tts=self, input_text=text, conn_options=conn_options)


class _Spoken(tts.ChunkedStream):
    _tts: RecordedVoice

    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        with wave.open(str(self._tts.recordings[self.input_text.strip()])) as wav:
            assert wav.getframerate() == RATE
            pcm = wav.readframes(wav.getnframes())
        output_emitter.initialize(
            request_id=utils.shortuuid(),
            sample_rate=RATE,
            num_channels=1,
            mime_type="audio/pcm",
        )
        size, started_s = round(2 * RATE * PIECE_S), time.monotonic()
        for count, start in enumerate(range(0, len(pcm), size)):
            if self._tts.in_real_time:
                await asyncio.sleep(started_s + count * PIECE_S - time.monotonic())
            output_emitter.push(pcm[start : start + size])
        output_emitter.flush()
