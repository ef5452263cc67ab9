"""LiveKit's server API when it is silent or answers nonsense."""

import asyncio

import pytest
from livekit import api

from bench.probe.faults import odd_server, silent_server
from lite_gateway.errors import RoomUnavailable
from lite_gateway.rooms import server_api
from lite_gateway.rooms.server_api import LiveKitServerApi

SECRET = "a LiveKit secret of at least 32 bytes"
ODD = {
    "a list in JSON": b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 8\r\n"
    b'Content-Type: application/json\r\nConnection: close\r\n\r\n["oops"]',
    "text in place of protobuf": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"
    b"Content-Type: application/protobuf\r\nConnection: close\r\n\r\nhello",
    "no HTTP": b"hello\x00\r\n",
    "nothing": b"",
}
EMPTY_ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/protobuf\r\n"
    b"Content-Length: 0\r\nConnection: close\r\n\r\n"
)


def faults_of(server) -> tuple[str, str]:
    """Ask a server for everything; return the errors of `create` and `fault`."""

    async def main() -> tuple[str, str]:
        async with server as port:
            rooms = LiveKitServerApi(f"ws://127.0.0.1:{port}", "key", SECRET)
            with pytest.raises(RoomUnavailable) as error:
                await rooms.create("room")
            await rooms.delete("room")  # an error is only logged
            fault = await rooms.fault()
            assert fault is not None
            await rooms.aclose()
            assert str(port) not in str(error.value)  # callers see no inner address
            assert f"url=ws://127.0.0.1:{port}" in fault  # which is only logged
            return str(error.value), fault

    return asyncio.run(main())


@pytest.mark.parametrize("kind", ODD)
def test_nonsense_from_livekit_is_an_unavailable_room(kind):
    assert "LIVEKIT_URL" in faults_of(odd_server(ODD[kind]))[0]


def test_a_silent_livekit_is_an_unavailable_room(monkeypatch):
    """livekit-api's own time limit does not apply: each request is given none."""
    monkeypatch.setattr(server_api, "REQUEST_TIMEOUT_S", 0.2)
    for text in faults_of(silent_server()):
        assert "no answer within" in text


def test_subscribers_of_a_new_room_keep_audio_and_video_in_step():
    bodies: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].split()[0])
        bodies.append(await reader.readexactly(length))
        writer.write(EMPTY_ANSWER)
        await writer.drain()
        writer.close()

    async def main() -> None:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            rooms = LiveKitServerApi(f"ws://127.0.0.1:{port}", "key", SECRET)
            await rooms.create("lobby")
            await rooms.aclose()

    asyncio.run(main())
    request = api.CreateRoomRequest.FromString(bodies[0])
    assert request.name == "lobby"
    assert request.sync_streams
