"""Connections: how many, and how long a request may take."""

import asyncio
import contextlib

import pytest

from lite_gateway.http.connections import (
    BACKLOG,
    ConnectionLimits,
    Connections,
    TrustedProxies,
    connection_limit,
    is_loopback,
    source_of,
)
from lite_gateway.http.server_protocol import MAX_FRAGMENTS
from tests.http.peers import LARGE, REQUEST_S, with_server

MASK = bytes(4)  # of a client's WebSocket frame, which leaves it as it is
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


# Counting.


@pytest.mark.parametrize("files", [64, 256, 1024, 4096, 65_536, 1 << 20])
def test_connections_leave_room_for_other_files(files):
    limit = connection_limit(files)
    assert 0 < limit <= files // 2 + files // 4 + files // 8
    if files >= 1024:
        # All that the kernel has queued may be accepted before the first is closed.
        assert files - limit >= 2 * BACKLOG


def test_one_address_gets_its_share_only():
    limits = ConnectionLimits(10, 3, TrustedProxies("192.0.2.9, 10.1.0.0/16"))
    reasons = []
    connections = Connections(limits, reasons.append)
    refused = [connections.open(n, "198.51.100.7") for n in range(4)]
    assert reasons == ["address_full"]
    assert refused[:3] == ["", "", ""]
    assert "your address has 3 connections" in refused[3]
    assert connections.open("other", "198.51.100.8") == ""
    connections.close(3)
    connections.close(0)
    connections.close(0)
    assert connections.open("again", "198.51.100.7") == ""


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "192.0.2.9", "10.1.2.3"]
)
def test_loopback_and_proxies_have_no_share(address):
    limits = ConnectionLimits(10, 1, TrustedProxies(["192.0.2.9", "10.1.0.0/16"]))
    connections = Connections(limits)
    assert [connections.open(n, address) for n in range(10)] == [""] * 10
    assert "all 10 connections" in connections.open("one more", address)


def test_an_ipv6_site_is_one_address():
    assert source_of("2001:db8::1") == source_of("2001:db8::ffff:2")
    assert source_of("2001:db8::1") != source_of("2001:db8:0:1::1")
    assert source_of("192.0.2.1") != source_of("192.0.2.2")
    assert source_of("::ffff:192.0.2.1") == source_of("192.0.2.1")


def test_a_text_in_place_of_an_address_fills_no_memory():
    """It comes from the header X-Forwarded-For, and guesses are kept by it."""
    assert len(source_of("z" * 20_000)) < 100
    assert source_of("unknown") != source_of("other")


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("localhost", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.0.1", False),
        ("example.org", False),
    ],
)
def test_all_of_127_is_loopback(address, expected):
    assert is_loopback(address) is expected


# Deadlines.


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"", b""),
        (b"GET / HT", b"408"),
        (GET[:-2], b"408"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{", b"408"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1", b"408"),
        (UPGRADE, b"408"),
    ],
    ids=["nothing", "request line", "headers", "body", "chunks", "handshake"],
)
def test_a_request_that_never_ends_is_closed(sent, status):
    async def conversation(connect):
        peer = await connect()
        await peer.send(sent)
        return await peer.rest()

    answer = with_server(conversation)
    assert answer[9:12] == status
    if status:
        assert b"connection: close" in answer
        assert b'"code": 4408' in answer


def test_a_request_in_slow_drops_is_closed():
    async def conversation(connect):
        peer = await connect()
        await peer.send(*(GET[n : n + 1] for n in range(7)), pause_s=REQUEST_S / 8)
        return await peer.rest()

    assert with_server(conversation)[9:12] == b"408"


def test_a_photo_has_more_time_than_other_requests():
    head = b"POST /v1/avatars HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"

    async def conversation(connect):
        peer, endless = await connect(), await connect()
        await endless.send(head, b"x")
        await peer.send(head, *[b"x"] * 10, pause_s=REQUEST_S / 5)
        answers = [await peer.answer()]
        # The next request on the connection has no more time than others.
        await peer.send(GET)
        answers.append(await peer.answer())
        await peer.send(GET[:9])
        return [*answers, await peer.rest(), await endless.rest()]

    photo, other, unfinished, endless = with_server(conversation)
    assert (photo[9:12], other[9:12]) == (b"200", b"200")
    assert (unfinished[9:12], endless[9:12]) == (b"408", b"408")
    assert b"longer than 1 s" in unfinished
    assert b"longer than 4 s" in endless


def test_the_head_of_a_photo_has_no_more_time_than_others():
    head = b"POST /v1/avatars HTTP/1.1\r\nHost: x\r\n"

    async def conversation(connect):
        peer = await connect()
        await peer.send(head)
        return await peer.rest()

    answer = with_server(conversation)
    assert answer[9:12] == b"408"
    assert b"longer than 1 s" in answer


def test_a_second_request_has_its_own_time():
    async def conversation(connect):
        peer = await connect()
        answers = []
        for _ in range(4):
            await peer.send(GET)
            answers.append(await peer.answer())
            await asyncio.sleep(REQUEST_S * 0.6)
        await peer.send(GET[:9])
        return answers, await peer.rest()

    answers, last = with_server(conversation)
    assert [answer[9:12] for answer in answers] == [b"200"] * 4
    assert last[9:12] == b"408"


def test_requests_sent_together_are_answered_and_then_time_runs():
    post = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"

    async def conversation(connect):
        peer = await connect()
        await peer.send(GET + post + post[:-2])
        return await peer.rest()

    answer = with_server(conversation)
    assert answer.count(b"HTTP/1.1 200") == 2
    assert answer.count(b"HTTP/1.1 408") == 1


def test_an_idle_connection_is_closed_after_its_last_answer():
    async def conversation(connect):
        peer = await connect()
        await peer.send(GET)
        await peer.answer()
        return await peer.rest()

    assert with_server(conversation, keep_alive_s=1) == b""


def test_a_websocket_stays_open_after_its_handshake():
    async def conversation(connect):
        peer = await connect()
        await peer.send(UPGRADE + b"\r\n")
        head = await peer.upgraded()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(REQUEST_S * 3):
                await peer.rest()
        return head

    assert b"101" in with_server(conversation)


def test_a_connection_over_the_limit_is_told_so_and_there_is_room_afterwards():
    async def conversation(connect):
        idle = [await connect() for _ in range(3)]
        for peer in idle:
            await peer.send(b"GET")
        refused = await (await connect()).rest()
        for peer in idle:
            await peer.rest()
        peer = await connect()
        await peer.send(GET)
        return refused, await peer.answer()

    refused, served = with_server(conversation, total=3)
    assert refused[9:12] == b"503"
    assert b"retry-after: 10" in refused
    assert b"all 3 connections" in refused
    assert served[9:12] == b"200"


# Clients that do not read, and WebSockets.


def test_a_client_that_reads_nothing_is_cut_off():
    async def conversation(connect):
        peer = await connect()
        await peer.send(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        await asyncio.sleep(REQUEST_S * 2)
        with contextlib.suppress(ConnectionError):
            return len(await peer.rest())
        return 0

    assert with_server(conversation, unread_s=REQUEST_S) < LARGE


def test_a_client_that_reads_slowly_gets_everything():
    async def conversation(connect):
        peer = await connect()
        await peer.send(b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        await asyncio.sleep(REQUEST_S / 2)
        return len(await peer.rest())

    assert with_server(conversation, unread_s=REQUEST_S * 5) > LARGE


@pytest.mark.parametrize(
    "more",
    [
        b"".join(b"X-%d: y\r\n" % n for n in range(200)),
        b"X: " + b"y" * 9000 + b"\r\n",
        b"Content-Length: 5\r\n",
        b"Transfer-Encoding: chunked\r\n",
    ],
    ids=["many headers", "a long header", "a body", "chunks"],
)
def test_a_handshake_that_cannot_be_read_is_refused(more):
    async def conversation(connect):
        peer = await connect()
        await peer.send(UPGRADE + more + b"\r\n")
        return await peer.rest()

    answer = with_server(conversation)
    assert answer[9:12] == b"400"
    assert b'"code": 4400' in answer


def test_pings_of_a_client_that_does_not_read_fill_no_memory():
    ping = b"\x89\xfd" + MASK + bytes(125)
    transports = []

    class Watched(Connections):
        def open(self, transport, address):
            transports.append(transport)
            return super().open(transport, address)

    async def conversation(connect):
        peer = await connect()
        await peer.send(UPGRADE + b"\r\n")
        await peer.upgraded()
        [of_server], unread = transports, []
        for _ in range(120):
            await peer.send(ping * 1000)
            unread.append(of_server.get_write_buffer_size())
        await peer.send(b"\x88\x80" + MASK)
        await peer.rest()
        return max(unread)

    # The pongs to what is read from the socket at once; all are 15 MB.
    assert 0 < with_server(conversation, kind=Watched) < 1 << 20


def test_a_message_in_fragments_without_number_is_refused():
    async def conversation(connect):
        peer = await connect()
        await peer.send(UPGRADE + b"\r\n")
        await peer.upgraded()
        first, fragment = b"\x01\x80" + MASK, b"\x00\x80" + MASK
        await peer.send(first + fragment * MAX_FRAGMENTS)
        return await peer.rest()

    answer = with_server(conversation)
    assert answer[:1] == b"\x88"  # a close frame
    assert answer[2:4] == (1009).to_bytes(2)
