"""One session: open it, speak, interrupt, hear what happens."""

import contextlib
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import Any

import aiohttp
import orjson

from lite_gateway.client.connection import Disconnected, ReconnectingSocket, dial
from lite_gateway.client.events import Event
from lite_gateway.client.rest import Rest
from protocol.lite.codec import encode_command
from protocol.lite.messages import (
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
"""PCM, s16le, mono, 24 kHz: all of it, or pieces of any size as they come."""

MESSAGE_S = 1.0  # of sound at most; the service recommends about a second
RECONNECT_S = 10.0
_MESSAGE_BYTES = round(2 * SAMPLE_RATE * MESSAGE_S)


class AvatarSession:
    """
    A session that runs, and its socket.

    The socket is read by `events` and `event` only: whoever speaks for long had
    better read, too.
    """

    def __init__(
        self, token: str, began: dict[str, Any], wire: ReconnectingSocket
    ) -> None:
        self.session_id: str = began["session_id"]
        self.token = token
        self.livekit_url: str = began["livekit_url"]
        self.livekit_client_token: str = began["livekit_client_token"]
        self.ws_url: str = began["ws_url"]
        self._wire = wire

    async def speak(
        self, pcm: Speech, event_id: str | None = None, emotion: str | None = None
    ) -> None:
        """One whole turn: every piece is sent as it comes, and then its end."""
        async for piece in _pieces(pcm):
            await self.append(piece, event_id, emotion)
        await self.speak_end(event_id)

    async def append(
        self, pcm: bytes, event_id: str | None = None, emotion: str | None = None
    ) -> None:
        """One message: append to the turn; the first piece opens one."""
        await self.say(Speak(pcm, event_id, emotion))

    async def speak_end(self, event_id: str | None = None) -> None:
        """The turn that `append` opened is complete."""
        await self.say(SpeakEnd(event_id))

    async def interrupt(self) -> None:
        """Be silent now, and forget every turn that was sent."""
        await self.say(Interrupt())

    async def start_listening(self, emotion: str | None = None) -> None:
        await self.say(StartListening(emotion=emotion))

    async def stop_listening(self) -> None:
        await self.say(StopListening())

    async def keep_alive(self) -> None:
        await self.say(KeepAlive())

    async def say(self, message: ClientMessage) -> None:
        await self._wire.send(encode_command(message))

    async def say_raw(self, text: str | bytes) -> None:
        """Whatever it is: to see what the server answers."""
        await self._wire.send_once(text)

    async def events(self) -> AsyncIterator[Event]:
        """Until the session is over; a connection that is lost is made anew."""
        async for text in self._wire.texts():
            event: Event = orjson.loads(text)
            yield event

    async def event(self, *kinds: str) -> Event:
        """The next event of one of those types; those before it are passed over."""
        async for event in self.events():
            if event["type"] in kinds:
                return event
        wanted = " or ".join(kinds)
        raise Disconnected(f"the socket closed before {wanted}: {self.goodbye}")

    def vanish(self) -> None:
        """Drop the connection without a word, as a network does."""
        self._wire.vanish()

    @property
    def goodbye(self) -> str:
        """Why the socket closed, in the server's words."""
        return self._wire.goodbye


@contextlib.asynccontextmanager
async def open_session(
    url: str,
    api_key: str,
    *,
    avatar: str,
    reconnect_s: float = RECONNECT_S,
    **wanted: Any,
) -> AsyncIterator[AvatarSession]:
    """
    Mint, start and connect; stopped at the end.

    ``wanted`` goes into the mint.  A lost connection is tried again for
    ``reconnect_s``; 0 is never.
    """
    # Calls are minutes apart: a connection that was kept may be gone by then.
    fresh = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(connector=fresh) as http:
        rest = Rest(http, url, api_key)
        token = await rest.mint({"avatar_id": avatar, "mode": "LITE", **wanted})
        began = await rest.start(token)
        try:
            wire = ReconnectingSocket(
                began["ws_url"], await dial(began["ws_url"]), reconnect_s
            )
            try:
                yield AvatarSession(token, began, wire)
            finally:
                await wire.aclose()
        finally:
            await rest.stop(token)


async def _pieces(speech: Speech) -> AsyncIterator[bytes]:
    """At most a message's worth each, and none of them empty."""
    async for given in _given(speech):
        for start in range(0, len(given), _MESSAGE_BYTES):
            yield given[start : start + _MESSAGE_BYTES]


async def _given(speech: Speech) -> AsyncIterator[bytes]:
    match speech:
        case bytes():
            yield speech
        case AsyncIterable():
            async for piece in speech:
                yield piece
        case _:
            for piece in speech:
                yield piece
