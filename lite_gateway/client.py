"""
The reference client: one session of a LITE server, ours or the hosted one.

    async with open_session("http://127.0.0.1:8080", "dev", avatar="ada") as avatar:
        await avatar.speak(pcm)
        await avatar.speak_end()
        async for event in avatar.events():
            ...
"""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from protocol.codec import encode_command
from protocol.messages import (
    ClientMessage,
    Interrupt,
    KeepAlive,
    Speak,
    SpeakEnd,
    StartListening,
    StopListening,
)

_ASK_S = 30.0
_CLOSE_S = 1.0  # events that nobody reads hold up a polite goodbye


class ServerRefused(Exception):
    """The server answered with an error, or not at all; the text says which."""


@dataclass(frozen=True, slots=True)
class AvatarSession:
    session_id: str
    token: str
    livekit_url: str
    livekit_client_token: str
    ws_url: str
    _wire: ClientConnection

    async def speak(
        self, pcm: bytes, event_id: str | None = None, emotion: str | None = None
    ) -> None:
        """Append s16le PCM, mono, 24 kHz, to the turn; the first piece opens one."""
        await self.say(Speak(pcm, event_id, emotion))

    async def speak_end(self, event_id: str | None = None) -> None:
        await self.say(SpeakEnd(event_id))

    async def interrupt(self) -> None:
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
        await self._wire.send(text)

    def vanish(self) -> None:
        """Drop the connection without a word, as a network does."""
        self._wire.transport.abort()

    async def events(self) -> AsyncIterator[dict[str, Any]]:
        """Until the server closes the socket."""
        with contextlib.suppress(ConnectionClosed):
            async for text in self._wire:
                yield orjson.loads(text)

    async def event(self, kind: str) -> dict[str, Any]:
        """The next event of that type; those before it are passed over."""
        async for event in self.events():
            if event["type"] == kind:
                return event
        raise ServerRefused(f"the socket closed before {kind}: {self.goodbye}")

    @property
    def goodbye(self) -> str:
        """Why the socket closed, in the server's words."""
        return f"{self._wire.close_code} {self._wire.close_reason}"


@contextlib.asynccontextmanager
async def open_session(
    url: str, api_key: str, *, avatar: str, **wanted: Any
) -> AsyncIterator[AvatarSession]:
    """Mint, start and connect; stopped at the end. ``wanted`` goes into the mint."""
    # Calls are minutes apart: a connection that was kept may be gone by then.
    fresh = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(url.rstrip("/") + "/", connector=fresh) as http:
        body = {"avatar_id": avatar, "mode": "LITE", **wanted}
        minted = await _post(http, "v1/sessions/token", {"X-API-KEY": api_key}, body)
        token = minted["session_token"]
        bearer = {"Authorization": f"Bearer {token}"}
        began = await _post(http, "v1/sessions/start", bearer)
        try:
            async with connect(
                began["ws_url"], max_size=None, close_timeout=_CLOSE_S
            ) as wire:
                yield AvatarSession(
                    began["session_id"],
                    token,
                    began["livekit_url"],
                    began["livekit_client_token"],
                    began["ws_url"],
                    wire,
                )
        finally:
            await _post(http, "v1/sessions/stop", bearer)


async def _post(
    http: aiohttp.ClientSession,
    path: str,
    headers: dict[str, str],
    body: dict[str, Any] | None = None,
) -> Any:
    timeout = aiohttp.ClientTimeout(total=_ASK_S)
    try:
        answering = http.post(path, headers=headers, json=body, timeout=timeout)
        async with answering as answer:
            status, text = answer.status, await answer.text()
    except (aiohttp.ClientError, TimeoutError) as failed:
        raise ServerRefused(f"the gateway did not answer: {failed}") from None
    try:
        told = orjson.loads(text)
    except orjson.JSONDecodeError:
        told = {"message": text[:200] or "no body"}
    if status >= 400:
        raise ServerRefused(f"{path}: {status} {told.get('message')}")
    return told["data"]
