"""Session of Realtime: what it does with the events of its client."""

import asyncio
import base64
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tests.openai_counterpart.realtime.events import RefusedEvent
from tests.openai_counterpart.realtime.items import Conversation, Item
from tests.openai_counterpart.realtime.responses import RealtimeAnswer
from tests.openai_counterpart.realtime.session import new_session, updated
from tests.openai_counterpart.realtime.turns import (
    RATE,
    SpeechBegan,
    SpeechEnded,
    TurnDetector,
)
from tests.openai_counterpart.script import Answer, Request
from tests.openai_counterpart.sounds import default_words

if TYPE_CHECKING:
    from tests.openai_counterpart.realtime.connection import RealtimeConnection

_LEAST_MS = 100  # of audio in a commit


class Dialogue:
    """Settings, items, turns and the response of one connection."""

    def __init__(self, connection: "RealtimeConnection") -> None:
        self._connection = connection
        session_id = connection.new_id("sess")
        self.session = new_session(session_id, connection.model)
        self.conversation = Conversation()
        self.has_spoken = False
        self._turns = TurnDetector(self.session["audio"]["input"]["turn_detection"])
        self._speech_item = ""  # id of the item that the user is speaking
        self._answer: RealtimeAnswer | None = None
        self._tasks: asyncio.TaskGroup | None = None

    async def begin(self, tasks: asyncio.TaskGroup) -> None:
        """Tell the client that its session is there."""
        self._tasks = tasks
        await self._connection.send("session.created", session=self.session)

    def end(self) -> None:
        """End the response that is on its way."""
        if self._answer is not None:
            self._answer.cancel("client_cancelled")

    async def receive(self, event: dict[str, Any]) -> None:
        """Do what an event says; raise `RefusedEvent` if OpenAI would not."""
        match event["type"]:
            case "session.update":
                await self._update(event["session"])
            case "input_audio_buffer.append":
                await self._append(_samples(event["audio"]))
            case "input_audio_buffer.commit":
                await self._commit_buffer()
            case "input_audio_buffer.clear":
                self._turns.take()
                await self._connection.send("input_audio_buffer.cleared")
            case "response.create":
                await self._respond(event.get("response") or {})
            case "response.cancel":
                self._cancel(event.get("response_id"))
            case _:
                await self._change(event)

    async def _change(self, event: dict[str, Any]) -> None:
        """Change the items of the conversation."""
        send = self._connection.send
        match event["type"]:
            case "conversation.item.create":
                item_id = self._connection.new_id("item")
                item, previous = self.conversation.create(event, item_id)
                await self._tell_item(item, previous)
            case "conversation.item.delete":
                self.conversation.delete(event["item_id"])
                await send("conversation.item.deleted", item_id=event["item_id"])
            case "conversation.item.retrieve":
                item = self.conversation.retrieve(event["item_id"])
                await send("conversation.item.retrieved", item=item.wire)
            case "conversation.item.truncate":
                self.conversation.truncate(event)
                names = ("item_id", "content_index", "audio_end_ms")
                values = {name: event[name] for name in names}
                await send("conversation.item.truncated", **values)
            case other:
                text = f"'{other}' is for WebRTC and SIP alone."
                raise RefusedEvent(text, "invalid_value", param="type")

    async def _update(self, change: dict[str, Any]) -> None:
        self.session = updated(self.session, change, has_spoken=self.has_spoken)
        self._turns.configure(self.session["audio"]["input"]["turn_detection"])
        await self._connection.send("session.updated", session=self.session)

    @property
    def _detection(self) -> dict[str, Any]:
        return self.session["audio"]["input"]["turn_detection"] or {}

    async def _append(self, pcm: NDArray[np.int16]) -> None:
        for turn in self._turns.feed(pcm):
            match turn:
                case SpeechBegan(at_ms):
                    self._speech_item = self._connection.new_id("item")
                    await self._connection.send(
                        "input_audio_buffer.speech_started",
                        audio_start_ms=at_ms,
                        item_id=self._speech_item,
                    )
                    if self._detection.get("interrupt_response") is not False:
                        await self._interrupt()
                case SpeechEnded(at_ms, speech):
                    item_id = self._speech_item
                    await self._connection.send(
                        "input_audio_buffer.speech_stopped",
                        audio_end_ms=at_ms,
                        item_id=item_id,
                    )
                    await self._commit(item_id, speech)
                    if self._detection.get("create_response") is not False:
                        await self._interrupt()
                        await self._respond({})

    async def _interrupt(self) -> None:
        if self._answer is not None:
            self._answer.cancel("turn_detected")
            await self._answer.over.wait()

    async def _commit_buffer(self) -> None:
        buffered_ms = self._turns.buffered_ms
        if buffered_ms < _LEAST_MS:
            raise RefusedEvent(
                "Error committing input audio buffer: buffer too small. Expected at "
                f"least {_LEAST_MS}ms of audio, but buffer only has "
                f"{buffered_ms:.2f}ms of audio.",
                "input_audio_buffer_commit_empty",
            )
        await self._commit(self._connection.new_id("item"), self._turns.take())

    async def _commit(self, item_id: str, pcm: NDArray[np.int16]) -> None:
        """Make an item of the user's audio, and have it transcribed."""
        content = [{"type": "input_audio", "transcript": None}]
        wire = _message(item_id, "user", "completed", content)
        answer, words = self._listen(pcm)
        item = Item(wire, heard=words)
        previous = self.conversation.append(item)
        await self._connection.send(
            "input_audio_buffer.committed", item_id=item_id, previous_item_id=previous
        )
        await self._tell_item(item, previous)
        if self.session["audio"]["input"]["transcription"] is not None:
            assert self._tasks is not None
            seconds = len(pcm) / RATE
            self._tasks.create_task(self._transcribe(item, words, answer, seconds))

    def _listen(self, pcm: NDArray[np.int16]) -> tuple[Answer, str]:
        """Return the script's answer, and the words, of audio of the user."""
        counterpart = self._connection.counterpart
        request = Request(
            key=self._connection.key,
            audio_s=len(pcm) / RATE,
            clip=counterpart.clips.name(pcm, RATE),
        )
        answer = counterpart.script.answer("transcriptions", request)
        if answer.fault:
            return answer, ""
        if answer.text is not None:
            return answer, answer.text
        return answer, default_words(pcm, RATE, counterpart.clips)

    async def _transcribe(
        self, item: Item, words: str, answer: Answer, seconds: float
    ) -> None:
        await asyncio.sleep(answer.transcription_s)
        values: dict[str, Any] = {"item_id": item.id, "content_index": 0}
        kind = "conversation.item.input_audio_transcription"
        if answer.fault not in ("", "empty", "no_words"):
            error = {
                "type": "transcription_error",
                "code": answer.fault,
                "message": "Input transcription failed.",
                "param": None,
            }
            await self._connection.send(f"{kind}.failed", **values, error=error)
            return
        item.wire["content"][0]["transcript"] = words
        if words:
            await self._connection.send(f"{kind}.delta", **values, delta=words)
        usage = {"type": "duration", "seconds": seconds}
        await self._connection.send(
            f"{kind}.completed", **values, transcript=words, usage=usage
        )

    async def _tell_item(self, item: Item, previous: str | None) -> None:
        for kind in ("added", "done"):
            await self._connection.send(
                f"conversation.item.{kind}", item=item.wire, previous_item_id=previous
            )

    async def _respond(self, request: dict[str, Any]) -> None:
        if self._answer is not None and not self._answer.over.is_set():
            raise RefusedEvent(
                "Conversation already has an active response in progress: "
                f"{self._answer.id}. Wait until the response is finished before "
                "creating a new one.",
                "conversation_already_has_active_response",
            )
        assert self._tasks is not None
        users = (each for each in self.conversation.items if _is_user(each))
        newest = [each.text for each in users][-1:] or [""]
        asked = " ".join([*newest, request.get("instructions") or ""]).strip()
        found = self._connection.counterpart.script.answer(
            "responses",
            Request(text=asked, key=self._connection.key, model=self._connection.model),
        )
        self._answer = RealtimeAnswer(self._connection, self, found, request, asked)
        self._tasks.create_task(self._answer.run())

    def _cancel(self, response_id: str | None) -> None:
        answer = self._answer
        if (
            answer is None
            or answer.over.is_set()
            or response_id not in (None, answer.id)
        ):
            raise RefusedEvent(
                "Cancellation failed: no active response found",
                "response_cancel_not_active",
            )
        answer.cancel("client_cancelled")


def _message(
    item_id: str, role: str, status: str, content: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "id": item_id,
        "object": "realtime.item",
        "type": "message",
        "role": role,
        "status": status,
        "content": content,
    }


def _is_user(item: Item) -> bool:
    return item.wire.get("role") == "user"


def _samples(audio: str) -> NDArray[np.int16]:
    try:
        data = base64.b64decode(audio, validate=True)
    except ValueError:
        data = b"?"
    if len(data) % 2:
        raise RefusedEvent(
            "Invalid 'audio'. Expected base64-encoded audio bytes of whole samples.",
            "invalid_value",
            param="audio",
        )
    return np.frombuffer(data, "<i2").astype(np.int16)
