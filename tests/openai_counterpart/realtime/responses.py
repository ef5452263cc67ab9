"""Response of a Realtime session: its events, its sound, and its ends."""

import asyncio
import base64
from typing import TYPE_CHECKING, Any

from tests.openai_counterpart import voice
from tests.openai_counterpart.faults import FOREVER_S, failure
from tests.openai_counterpart.noise import noise
from tests.openai_counterpart.realtime.items import Item
from tests.openai_counterpart.script import Answer

if TYPE_CHECKING:
    from tests.openai_counterpart.realtime.connection import RealtimeConnection
    from tests.openai_counterpart.realtime.dialogue import Dialogue

_SAMPLES_PER_MS = voice.RATE // 1000


class RealtimeAnswer:
    """One response, from `response.created` to `response.done`."""

    def __init__(
        self,
        connection: "RealtimeConnection",
        dialogue: "Dialogue",
        answer: Answer,
        request: dict[str, Any],
        asked: str,
    ) -> None:
        self._connection, self._dialogue = connection, dialogue
        self._answer, self._request = answer, request
        self._text = _words(answer, asked)
        self.id = connection.new_id("resp")
        self.over = asyncio.Event()
        self._cancelled = asyncio.Event()
        self._reason = ""
        modalities = (
            request.get("output_modalities") or dialogue.session["output_modalities"]
        )
        self._is_audio = modalities == ["audio"]
        self._item = Item(_message(connection.new_id("item")))
        self._said = ""

    def cancel(self, reason: str) -> None:
        """End the response as soon as its next event would be sent."""
        self._reason = self._reason or reason
        self._cancelled.set()

    async def run(self) -> None:
        """Send the response."""
        try:
            await self._send("response.created", response=self._response("in_progress"))
            await self._run()
        finally:
            self.over.set()

    async def _run(self) -> None:
        answer = self._answer
        limits = [
            {"name": "requests", "limit": 9, "remaining": 8, "reset_seconds": 1.0}
        ]
        await self._send("rate_limits.updated", rate_limits=limits)
        if await self._pause(answer.first_s):
            await self._done("cancelled")
            return
        match answer.fault:
            case "hang":
                await self._pause(FOREVER_S)
                await self._done("cancelled")
                return
            case "drop":
                self._connection.drop()
                return
            case "empty":
                await self._done("completed")
                return
        if error := self._failure():
            await self._done("failed", error)
            return
        await self._begin_item()
        ended = await (self._speak() if self._is_audio else self._write())
        if ended == "drop":
            self._connection.drop()
            return
        await self._end_item(ended)
        await self._done(ended)

    def _failure(self) -> dict[str, Any] | None:
        if self._answer.error is not None:
            return dict(self._answer.error)
        if self._answer.fault == "no_words":
            return None
        found = failure(
            self._answer.fault, self._connection.key, self._connection.model
        )
        if found is None:
            return None
        error = found.body["error"]
        return {name: error[name] for name in ("type", "code", "message")}

    async def _begin_item(self) -> None:
        previous = self._dialogue.conversation.append(self._item)
        await self._send(
            "response.output_item.added",
            response_id=self.id,
            output_index=0,
            item=self._item.wire,
        )
        await self._send(
            "conversation.item.added",
            item=self._item.wire,
            previous_item_id=previous,
        )
        part = {"type": "audio", "transcript": ""}
        if not self._is_audio:
            part = {"type": "text", "text": ""}
        await self._send("response.content_part.added", **self._place(), part=part)

    async def _speak(self) -> str:
        """Send sound and words; return the status that the response ends with."""
        answer = self._answer
        pcm = self._pcm()
        size = answer.piece_ms * _SAMPLES_PER_MS * 2
        waiting = _word_starts(self._text)
        for index, start in enumerate(range(0, len(pcm), size)):
            if index == answer.break_after:
                return "drop"
            if index == answer.stall_after and await self._pause(FOREVER_S):
                return "cancelled"
            if self._cancelled.is_set():
                return "cancelled"
            piece = pcm[start : start + size]
            while waiting and waiting[0][1] * 2 < start + len(piece):
                await self._tell_word(waiting.pop(0)[0])
            self._dialogue.has_spoken = True
            self._item.audio_ms += len(piece) / 2 / _SAMPLES_PER_MS
            self._item.sent_ms = self._item.audio_ms
            await self._send(
                "response.output_audio.delta",
                **self._place(),
                delta=base64.b64encode(piece).decode(),
            )
            if answer.pace:
                length_s = len(piece) / 2 / voice.RATE
                if await self._pause(length_s / answer.pace):
                    return "cancelled"
        return "completed"

    def _pcm(self) -> bytes:
        pcm = voice.spoken(self._text)
        if self._answer.is_noise:
            pcm = noise(self._item.id, len(pcm))
        return pcm.astype("<i2").tobytes()

    async def _tell_word(self, word: str) -> None:
        self._said += word
        await self._send(
            "response.output_audio_transcript.delta", **self._place(), delta=word
        )

    async def _write(self) -> str:
        for index, word in enumerate(word for word, _ in _word_starts(self._text)):
            if index == self._answer.break_after:
                return "drop"
            if await self._pause(self._answer.token_s):
                return "cancelled"
            self._said += word
            await self._send("response.output_text.delta", **self._place(), delta=word)
        return "completed"

    async def _end_item(self, status: str) -> None:
        place = self._place()
        if self._is_audio:
            await self._send("response.output_audio.done", **place)
            await self._send(
                "response.output_audio_transcript.done", **place, transcript=self._said
            )
            part = {"type": "audio", "transcript": self._said}
            content = {"type": "output_audio", "transcript": self._said}
        else:
            await self._send("response.output_text.done", **place, text=self._said)
            part = {"type": "text", "text": self._said}
            content = {"type": "output_text", "text": self._said}
        await self._send("response.content_part.done", **place, part=part)
        wire = self._item.wire
        wire["status"] = "completed" if status == "completed" else "incomplete"
        if self._item.truncated_ms is None:
            wire["content"] = [content]
        await self._send("conversation.item.done", item=wire, previous_item_id=None)
        await self._send(
            "response.output_item.done", response_id=self.id, output_index=0, item=wire
        )

    async def _done(self, status: str, error: dict[str, Any] | None = None) -> None:
        # Over before the client reads it, so that it may ask for the next response.
        self.over.set()
        response = self._response(status)
        if status == "cancelled":
            response["status_details"] = {"type": status, "reason": self._reason}
        if error is not None:
            response["status_details"] = {"type": status, "error": error}
        if self._item in self._dialogue.conversation.items:
            response["output"] = [self._item.wire]
        count = len(voice.words(self._said))
        response["usage"] = {
            "total_tokens": count,
            "input_tokens": 0,
            "output_tokens": count,
        }
        await self._send("response.done", response=response)

    def _response(self, status: str) -> dict[str, Any]:
        modality = "audio" if self._is_audio else "text"
        return {
            "object": "realtime.response",
            "id": self.id,
            "status": status,
            "status_details": None,
            "output": [],
            "conversation_id": "conv_1",
            "output_modalities": [modality],
            "max_output_tokens": "inf",
            "metadata": self._request.get("metadata"),
            "usage": None,
        }

    def _place(self) -> dict[str, Any]:
        return {
            "response_id": self.id,
            "item_id": self._item.id,
            "output_index": 0,
            "content_index": 0,
        }

    async def _send(self, kind: str, **values: Any) -> None:
        await self._connection.send(kind, **values)

    async def _pause(self, seconds: float) -> bool:
        """Wait; return whether the response was cancelled."""
        if seconds > 0 and not self._cancelled.is_set():
            try:
                await asyncio.wait_for(self._cancelled.wait(), seconds)
            except TimeoutError:
                return False
        return self._cancelled.is_set()


def _words(answer: Answer, asked: str) -> str:
    if answer.fault in ("empty", "no_words"):
        return ""
    if answer.text is not None:
        return answer.text
    if answer.seconds:
        return voice.counting(answer.seconds)
    return f"You said: {asked}" if asked else "Hello, I am here."


def _message(item_id: str) -> dict[str, Any]:
    return {
        "id": item_id,
        "object": "realtime.item",
        "type": "message",
        "role": "assistant",
        "status": "in_progress",
        "content": [],
    }


def _word_starts(text: str) -> list[tuple[str, int]]:
    """Return the pieces of a text, with its punctuation, and the sample of each."""
    pieces = text.split(" ")
    starts = [0, *(end for _, end in voice.ends(text))]
    return [
        (piece if index == 0 else " " + piece, starts[min(index, len(starts) - 1)])
        for index, piece in enumerate(pieces)
        if piece
    ]
