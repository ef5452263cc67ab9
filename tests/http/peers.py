"""Server of this process, in virtual time, and clients that misbehave."""

import asyncio
import contextlib
import socket

from uvicorn import Config
from uvicorn.server import ServerState

from lite_gateway.http.connections import (
    ConnectionLimits,
    Connections,
    TrustedProxies,
)
from lite_gateway.http.server_protocol import limited_protocols
from tests.virtual import run
from tests.waiting import PATIENCE_S

REQUEST_S = 1.0
PHOTO_S = 4 * REQUEST_S
LARGE = 8 << 20  # bytes: more than the kernel buffers for a connection


async def echo(scope, receive, send):
    """Answer with the length of the body, or accept a WebSocket and stay.

    The path ``/large`` is answered with many bytes.
    """
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass
        return
    if scope["path"] == "/large":
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": bytes(LARGE)})
        return
    length = 0
    while True:
        message = await receive()
        length += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    headers = [(b"content-length", b"8")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"%8d" % length})


class Peer:
    """Client that sends what it is told to."""

    def __init__(self, reader, writer) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, *pieces: bytes, pause_s: float = 0.0) -> None:
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                self._writer.write(piece)
                await self._writer.drain()
                await asyncio.sleep(pause_s)

    async def rest(self) -> bytes:
        """Return all that comes until the server closes."""
        async with asyncio.timeout(PATIENCE_S):
            return await self._reader.read()

    async def answer(self) -> bytes:
        async with asyncio.timeout(PATIENCE_S):
            head = await self._reader.readuntil(b"\r\n\r\n")
            return head + await self._reader.readexactly(8)

    async def upgraded(self) -> bytes:
        async with asyncio.timeout(PATIENCE_S):
            return await self._reader.readuntil(b"\r\n\r\n")


def with_server(
    conversation,
    total: int = 100,
    keep_alive_s: int = 5,
    unread_s: float = 30.0,
    kind: type[Connections] = Connections,
    app=echo,
):
    """
    Run ``conversation(connect)`` against ``app`` in a server of this process.

    Time is virtual. Each connection is a pair of Unix sockets, in which all that one
    end has sent is at the other end before the call returns.
    """

    async def main():
        connections = kind(ConnectionLimits(total, 0, TrustedProxies("")))
        config = Config(
            app, timeout_keep_alive=keep_alive_s, log_config=None, lifespan="off"
        )
        config.http, config.ws = limited_protocols(
            connections,
            request_s=REQUEST_S,
            photo_s=PHOTO_S,
            unread_s=unread_s,
        )
        config.load()
        loop = asyncio.get_running_loop()
        state = ServerState()
        writers = []

        async def connect() -> Peer:
            client, accepted = socket.socketpair()
            await loop.connect_accepted_socket(
                lambda: config.http(config, state, {}), accepted
            )
            reader, writer = await asyncio.open_connection(sock=client)
            writers.append(writer)
            return Peer(reader, writer)

        result = await conversation(connect)
        for writer in writers:
            writer.close()
        async with asyncio.timeout(PATIENCE_S):
            while len(connections) or state.tasks:  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.01)
        return result

    return run(main(), debug=False)
