"""Messages over a WebSocket: kept up to a limit, and parsed in short steps."""

import asyncio
import time

import pytest
from websockets.exceptions import ProtocolError
from websockets.frames import Frame, Opcode
from websockets.server import ServerProtocol

from lite_gateway.http.frames import UNREAD_BYTES, FrameProtocol
from protocol.lite.messages import MAX_FRAME_CHARS
from tests.http.peers import with_server
from tests.http.test_connections import UPGRADE
from tests.waiting import best_of, figures

TEXT, BINARY, CONT = Opcode.TEXT, Opcode.BINARY, Opcode.CONT
CLOSE = Frame(Opcode.CLOSE, b"").serialize(mask=True)
KEPT = MAX_FRAME_CHARS


def frame(opcode, length, fin=True):
    return Frame(opcode, b"x" * length, fin).serialize(mask=True)


def app_of(messages):
    """Return an application that keeps what it receives, as a session reads it."""

    async def app(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] != "websocket.disconnect":
            messages.append(message)
            await asyncio.sleep(0)

    return app


def received(*sent, end=CLOSE):
    """Return the messages in frames that are sent at once, and the last answer."""
    messages = []

    async def conversation(connect):
        peer = await connect()
        await peer.send(UPGRADE + b"\r\n")
        await peer.upgraded()
        await peer.send(b"".join((*sent, end)))
        return await peer.rest()

    answer = with_server(conversation, app=app_of(messages))
    return messages, answer


def size(message):
    """Return the length of a message, below 0 if its content was dropped."""
    if UNREAD_BYTES in message:
        return -message[UNREAD_BYTES]
    return len(message.get("text") or message.get("bytes") or "")


def test_messages_of_all_sizes_arrive_whole_and_in_order_up_to_the_limit():
    messages, _ = received(
        *(frame(TEXT, 3), frame(TEXT, KEPT), frame(TEXT, KEPT + 1), frame(TEXT, 5)),
        *(frame(BINARY, 5 << 20), frame(BINARY, 70_000), frame(BINARY, KEPT + 9)),
        *(frame(Opcode.PING, 4), frame(TEXT, 0), frame(TEXT, 7)),
    )
    sizes = [3, KEPT, -KEPT - 1, 5, -5 << 20, 70_000, -KEPT - 9, 0, 7]
    assert [size(it) for it in messages] == sizes


def test_the_limit_holds_for_a_message_in_fragments():
    half = KEPT // 2
    messages, _ = received(
        *(frame(TEXT, half, False), frame(CONT, half)),
        *(frame(TEXT, half, False), frame(CONT, half, False), frame(CONT, 1)),
        *(frame(TEXT, 1, False), frame(CONT, 2 * KEPT, False), frame(CONT, 1)),
        frame(TEXT, 2),
    )
    sizes = [2 * half, -2 * half - 1, -2 * KEPT - 2, 2]
    assert [size(it) for it in messages] == sizes


def test_fragments_that_are_dropped_count_for_the_limit_of_a_message():
    large = frame(CONT, 5 << 20, False)
    # The limit is 16 MiB here. The head of a frame says how long it is.
    sent = frame(TEXT, 1, False), large, large, large
    messages, answer = received(*sent, end=large[:10])
    assert messages == []
    assert answer[2:4] == (1009).to_bytes(2)


@best_of(3)
def test_a_flood_of_small_messages_leaves_turns_of_the_loop_to_others():
    messages, busy_s = [], []

    async def conversation(connect):
        peer = await connect()
        await peer.send(UPGRADE + b"\r\n")
        await peer.upgraded()
        flood = 40_000 * frame(TEXT, 0) + CLOSE
        async with asyncio.TaskGroup() as group:
            group.create_task(peer.send(flood))
            while len(messages) < 40_000:
                started_s = time.thread_time()
                await asyncio.sleep(0)
                busy_s.append(time.thread_time() - started_s)
        return await peer.rest()

    with_server(conversation, app=app_of(messages))
    with figures():
        assert max(busy_s) < sum(busy_s) / 10


def test_a_control_frame_of_megabytes_is_refused():
    protocol = FrameProtocol(KEPT, max_size=None)
    open_(protocol)
    protocol.receive_data(b"\x89\xff" + (KEPT + 1).to_bytes(8) + bytes(4))
    protocol.receive_data(bytes(KEPT + 1))
    assert isinstance(protocol.parser_exc, ProtocolError)


@pytest.mark.parametrize("length", [100, KEPT + 100])
def test_a_stream_that_ends_within_a_frame_is_an_error(length):
    protocol = FrameProtocol(KEPT, max_size=None)
    open_(protocol)
    protocol.receive_data(frame(TEXT, length)[:50])
    protocol.receive_eof()
    assert isinstance(protocol.parser_exc, EOFError)


def open_(protocol: ServerProtocol) -> None:
    protocol.receive_data(UPGRADE + b"\r\n")
    [request] = protocol.events_received()
    protocol.send_response(protocol.accept(request))
