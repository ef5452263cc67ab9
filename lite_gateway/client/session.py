"""Client session: open it, speak, interrupt, and read the events."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import Any

import aiohttp
import orjson

from lite_gateway.client.connection import Disconnected, ReconnectingSocket, connect
from lite_gateway.client.events import Event
from lite_gateway.client.rest import Rest
from protocol.lite.codec import encode_command
from protocol.lite.messages import (
    MAX_MESSAGE_PHONES,
    SAMPLE_RATE,
    ClientMessage,
    Interrupt,
    KeepAlive,
    Speak,
    SpeakEnd,
    StartListening,
    StopListening,
)

Speech = bytes | Iterable[bytes] | AsyncIterable[bytes]
"""PCM, s16le, mono, 24 kHz: the whole turn, or chunks of any size as they arrive."""

MAX_MESSAGE_S = 1.0  # of audio; LiveAvatar recommends about a second
RECONNECT_S = 10.0
EVENT_WAIT_S = 30.0  # for an event, after the audio that was sent can have been heard
MAX_SKIPPED = 20  # events named in the error of a wait
_MAX_MESSAGE_BYTES = round(2 * SAMPLE_RATE * MAX_MESSAGE_S)


class AvatarSession:
    """
    Running session and its WebSocket.

    Only `events` and `event` read the socket. A program that speaks for long must call
    one of them at the same time, because the server drops clients that do not read.
    """

    def __init__(
        self, token: str, response: dict[str, Any], socket: ReconnectingSocket
    ) -> None:
        self.session_id: str = response["session_id"]
        self.token = token
        self.livekit_url: str = response["livekit_url"]
        self.livekit_client_token: str = response["livekit_client_token"]
        self.ws_url: str = response["ws_url"]
        self._socket = socket
        self._heard_by_s = 0.0  # when all audio that was sent can have been heard

    async def speak(
        self,
        pcm: Speech,
        event_id: str | None = None,
        emotion: str | None = None,
        phones: Any = None,
    ) -> None:
        """
        Send one whole turn: each chunk when it arrives, then the end.

        ``phones`` of the turn are sent with its first chunk, or before it if they are
        too many for one message. Speech without audio is a turn, too: the server tells
        that it has ended.
        """
        is_empty = True
        async for chunk in _messages(pcm):
            *before, phones = _in_messages(phones)
            for part in before:
                await self.append(b"", event_id, emotion, part)
            await self.append(chunk, event_id, emotion, phones)
            is_empty, phones = False, None
        if is_empty:
            await self.append(b"", event_id, emotion)
        await self.speak_end(event_id)

    async def append(
        self,
        pcm: bytes,
        event_id: str | None = None,
        emotion: str | None = None,
        phones: Any = None,
    ) -> None:
        """
        Append one message to the open turn; the first message opens one.

        ``phones`` are those of this audio or of later audio, with times from the start
        of the turn, as PROTOCOL.md has them.
        """
        await self.send(Speak(pcm, event_id, emotion, phones))
        now_s = asyncio.get_running_loop().time()
        audio_s = len(pcm) / 2 / SAMPLE_RATE
        self._heard_by_s = max(self._heard_by_s, now_s) + audio_s

    async def speak_end(self, event_id: str | None = None) -> None:
        """End the turn that `append` opened."""
        await self.send(SpeakEnd(event_id))

    async def interrupt(self) -> None:
        """Stop speaking at once and drop every turn that was sent."""
        await self.send(Interrupt())
        self._heard_by_s = 0.0

    async def start_listening(self, emotion: str | None = None) -> None:
        """Show the listening pose."""
        await self.send(StartListening(emotion=emotion))

    async def stop_listening(self) -> None:
        """Return from the listening pose."""
        await self.send(StopListening())

    async def keep_alive(self) -> None:
        """Restart the idle timeout of the session."""
        await self.send(KeepAlive())

    async def send(self, message: ClientMessage) -> None:
        """Send one message of the LITE protocol."""
        await self._socket.send(encode_command(message))

    async def send_raw(self, frame: str | bytes) -> None:
        """Send a frame as it is, for example to test how the server answers."""
        await self._socket.send_once(frame)

    async def events(self) -> AsyncIterator[Event]:
        """Yield events until the session is over, across reconnections."""
        async for text in self._socket.texts():
            event: Event = orjson.loads(text)
            yield event

    async def event(self, *kinds: str, timeout_s: float | None = None) -> Event:
        """
        Return the next event of one of these types and skip those before it.

        Raise `TimeoutError` if none comes within ``timeout_s``. The default is
        `EVENT_WAIT_S` after the audio that was sent can have been heard.
        """
        loop = asyncio.get_running_loop()
        called_s, skipped = loop.time(), deque[str](maxlen=MAX_SKIPPED)
        names = " or ".join(kinds)
        while (until_s := self._wait_until_s(called_s, timeout_s)) > loop.time():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(until_s):
                    async for event in self.events():
                        if event["type"] in kinds:
                            return event
                        skipped.append(event["type"])
                reason = self.close_reason
                raise Disconnected(f"the socket closed before {names}: {reason}")
        waited_s = loop.time() - called_s
        raise TimeoutError(
            f"waited {waited_s:.0f} s for {names}; "
            f"events that came: {', '.join(skipped) or 'none'}"
        )

    def _wait_until_s(self, called_s: float, timeout_s: float | None) -> float:
        if timeout_s is not None:
            return called_s + timeout_s
        return max(called_s, self._heard_by_s) + EVENT_WAIT_S

    def abort(self) -> None:
        """Drop the connection without a close frame, as a network failure does."""
        self._socket.abort()

    @property
    def close_reason(self) -> str:
        """Close code and reason of the socket, as the server sent them."""
        return self._socket.close_reason


@contextlib.asynccontextmanager
async def open_session(
    url: str,
    api_key: str,
    *,
    avatar: str,
    reconnect_s: float = RECONNECT_S,
    **fields: Any,
) -> AsyncIterator[AvatarSession]:
    """
    Create and start a session, connect to it, and stop it at the end of the block.

    ``fields`` are added to the body of ``POST /v1/sessions/token``. A lost connection
    is tried again for ``reconnect_s`` seconds; 0 disables that.
    """
    # Calls are minutes apart, and a kept connection may be closed by then.
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(connector=connector) as http:
        rest = Rest(http, url, api_key)
        token = await rest.create_token({"avatar_id": avatar, "mode": "LITE", **fields})
        response = await rest.start(token)
        try:
            ws_url = response["ws_url"]
            socket = ReconnectingSocket(ws_url, await connect(ws_url), reconnect_s)
            try:
                yield AvatarSession(token, response, socket)
            finally:
                await socket.aclose()
        finally:
            await rest.stop(token)


def _in_messages(phones: Any) -> list[Any]:
    """Divide phones, in either form of PROTOCOL.md, among as few messages as can be."""
    named = isinstance(phones, dict)
    rows = phones.get("phones") if named else phones
    if not isinstance(rows, list | tuple) or not rows:
        return [phones]
    starts = range(0, len(rows), MAX_MESSAGE_PHONES)
    parts = [rows[start : start + MAX_MESSAGE_PHONES] for start in starts]
    return [{**phones, "phones": part} for part in parts] if named else parts


async def _messages(speech: Speech) -> AsyncIterator[bytes]:
    """Yield the audio of each message: never empty, at most `MAX_MESSAGE_S` long."""
    async for chunk in _chunks(speech):
        for start in range(0, len(chunk), _MAX_MESSAGE_BYTES):
            yield chunk[start : start + _MAX_MESSAGE_BYTES]


async def _chunks(speech: Speech) -> AsyncIterator[bytes]:
    match speech:
        case bytes():
            yield speech
        case AsyncIterable():
            async for chunk in speech:
                yield chunk
        case _:
            for chunk in speech:
                yield chunk
