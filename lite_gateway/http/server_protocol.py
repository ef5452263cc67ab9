"""
Uvicorn's HTTP and WebSocket protocols with deadlines and a limit of connections.

Uvicorn limits the time between requests, not the time that a client takes to send one
or to read what it is sent.
"""

import asyncio
import json
import logging
from typing import Any

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.frames import Frame

from lite_gateway.http.body_limit import is_photo
from lite_gateway.http.connections import Connections
from lite_gateway.http.error_response import error_body
from lite_gateway.http.frames import UNREAD_BYTES, FrameProtocol
from lite_gateway.long_steps import LongSteps
from protocol.lite.messages import MAX_FRAME_CHARS

REQUEST_S = 10.0  # from the first byte, or the connection, to the end of a request
PHOTO_S = 180.0  # the same with a photo: 40 MB, by a slow line
UNREAD_S = 30.0  # for the client to read what was written at once, 64 KiB of a file
WS_CLOSE_S = 2.0  # for the client's answer to a close frame
MAX_FRAGMENTS = 16_384  # frames of one message: 8 MiB in pieces of 512 bytes
TOO_BIG = 1009  # close code
# What is parsed at once, and waits for no other connection. Small messages take long:
# there are 170 in a KiB.
_PIECE_BYTES = 1024
_LARGE_READ_BYTES = 1 << 16  # after one, libuv would read on in the same turn
RETRY_S = 10  # after that time, connections without a request are closed


def limited_protocols(
    connections: Connections,
    *,
    long_steps: LongSteps | None = None,
    request_s: float = REQUEST_S,
    photo_s: float = PHOTO_S,
    unread_s: float = UNREAD_S,
) -> tuple[type[H11Protocol], type[WebSocketsSansIOProtocol]]:
    """
    Return the classes for the options ``http`` and ``ws`` of uvicorn.

    ``long_steps`` are those of all that shares the event loop; None: there is no more.
    """
    steps = long_steps or LongSteps()

    class LimitedHttpProtocol(_LimitedHttp):
        _connections = connections
        _request_s = request_s
        _photo_s = photo_s
        _unread_s = unread_s

    class LimitedWebSocketProtocol(_LimitedWebSocket):
        _connections = connections
        _steps = steps
        _unread_s = unread_s

    return LimitedHttpProtocol, LimitedWebSocketProtocol


class _MustRead(asyncio.Protocol):
    """
    Connection that is cut if its client does not read.

    A transport that is closed stays open until all is written, for ever if nobody
    reads it: so the time runs then too.
    """

    _connections: Connections
    _unread_s: float
    _unread: asyncio.TimerHandle | None = None
    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport

    def pause_writing(self) -> None:
        super().pause_writing()
        self._forget_unread()
        self._unread = self.loop.call_later(self._unread_s, self._cut)

    def resume_writing(self) -> None:
        self._forget_unread()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_unread()
        self._connections.close(self.transport)
        super().connection_lost(exc)

    def _forget_unread(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _cut(self) -> None:
        self._unread = None
        # A WebSocket that has taken over may have written the rest meanwhile.
        if self.transport.get_write_buffer_size():
            self._connections.count_refused("slow")
            self.transport.abort()


class _LimitedHttp(_MustRead, H11Protocol):
    """HTTP connection that must send each request within a time."""

    _request_s: float
    _photo_s: float

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._deadline: asyncio.TimerHandle | None = None
        self._allowed_s = self._request_s
        self._has_bytes = False  # of a request that is not complete
        self._upgraded = False  # the WebSocket protocol has taken over

    def connection_made(  # type: ignore[override]
        self, transport: asyncio.Transport
    ) -> None:
        super().connection_made(transport)
        # `pause_writing` is called as soon as the kernel takes no more.
        transport.set_write_buffer_limits(high=0)
        peer = self.client[0] if self.client else ""
        if refusal := self._connections.open(transport, peer):
            self._refuse(503, f"{refusal}; try again later", retry=True)
            return
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if not self._has_bytes and self.conn.their_state is h11.IDLE:
            self._has_bytes = True
            self._arm()
        try:
            super().data_received(data)
        except h11.LocalProtocolError:
            # Uvicorn answers 400 to broken framing, also in the middle of a response.
            self.transport.abort()
        self._review()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._review()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        self._upgraded = True
        super().handle_websocket_upgrade(event)

    def _review(self) -> None:
        """Keep a timer running while the client has to send something."""
        state = self.conn.their_state
        if self.transport.is_closing() or self._upgraded:
            self._disarm()
        elif state is h11.SEND_BODY:
            if self._deadline is None:  # a request that waited behind another one
                self._arm()
            if self._allowed_s != self._photo_s and is_photo(self.scope):
                self._arm(self._photo_s)
        elif state is not h11.IDLE:  # the request is complete
            self._has_bytes = False
            self._disarm()
        elif self.conn.our_state is h11.IDLE and self.cycle is not None:
            self._review_idle()

    def _review_idle(self) -> None:
        """Between two requests, uvicorn's timer runs until bytes arrive."""
        self._has_bytes = bool(self.conn.trailing_data[0])
        if self.timeout_keep_alive_task is not None and not self._has_bytes:
            self._disarm()
        elif self._deadline is None:
            self._arm()

    def _arm(self, allowed_s: float | None = None) -> None:
        self._disarm()
        self._allowed_s = self._request_s if allowed_s is None else allowed_s
        self._deadline = self.loop.call_later(self._allowed_s, self._expire)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _expire(self) -> None:
        self._deadline = None
        if self.transport.is_closing():
            return
        self._connections.count_refused("slow")
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE) and (
            self._has_bytes or self.conn.their_state is h11.SEND_BODY
        ):
            text = f"the request took longer than {self._allowed_s:.0f} s"
            self._refuse(408, f"{text}; send it without pauses")
        else:
            self.transport.close()

    def _refuse(self, status: int, text: str, *, retry: bool = False) -> None:
        """Answer without the application, and close."""
        body = json.dumps(error_body(status, text)).encode()
        headers = [
            ("content-type", "application/json"),
            ("content-length", str(len(body))),
            ("connection", "close"),
        ]
        if retry:
            headers.append(("retry-after", str(RETRY_S)))
        head = h11.Response(status_code=status, headers=headers)
        for event in (head, h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


class _LimitedWebSocket(_MustRead, WebSocketsSansIOProtocol):
    """
    WebSocket connection that the limit of connections counts to its end.

    What its client sends is bounded also where uvicorn buffers it. Parsing is a long
    step, unless little has arrived.
    """

    _steps: LongSteps

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.close_timeout = WS_CLOSE_S
        self.conn = self._frames = FrameProtocol(
            MAX_FRAME_CHARS,
            max_size=self.config.ws_max_size,
            logger=logging.getLogger("uvicorn.error"),
        )
        self._unparsed = bytearray()
        self._goes_on = False  # a call of `_parse_on` waits for its turn

    def data_received(self, data: bytes) -> None:
        if self.handshake_initiated:
            self._unparsed += data
            if len(data) >= _LARGE_READ_BYTES:
                self._go_on()
            if self._begins():
                self._parse()
            else:
                self._go_on()
            return
        self._steps.begin()  # counts, but cannot wait
        super().data_received(data)
        # The first call has the whole head. If websockets refuses it, for example for
        # more than 128 headers or a body, uvicorn does not notice and waits for ever.
        if not self.handshake_initiated and not self.transport.is_closing():
            text = "the WebSocket handshake is too long, or has a body"
            body = json.dumps(error_body(400, text)).encode()
            self.transport.write(
                b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n"
                b"content-length: %d\r\nconnection: close\r\n\r\n" % len(body) + body
            )
            self.transport.close()

    def _begins(self) -> bool:
        """Return whether to parse now. An interrupt never waits for long messages."""
        is_short = len(self._unparsed) + self._frames.buffered <= _PIECE_BYTES
        return is_short or self._steps.begin()

    def _parse(self) -> None:
        """Parse what has arrived, until there is a message or the time is over."""
        while self._unparsed and not self.read_paused:
            if self.transport.is_closing():
                self._unparsed.clear()
                return
            size = max(_PIECE_BYTES, self._frames.missing)
            piece = bytes(self._unparsed[:size])
            del self._unparsed[:size]
            super().data_received(piece)
            if self._unparsed and not self._steps.has_time:
                self._go_on()
                return

    def _go_on(self) -> None:
        """Parse and read more in a later turn of the event loop."""
        self.transport.pause_reading()
        if not self._goes_on:
            self._goes_on = True
            self._steps.later(self._parse_on)

    def _parse_on(self) -> None:
        self._goes_on = False
        self._parse()
        waits = self._goes_on or self.read_paused
        if not waits and not self.transport.is_closing():
            self.transport.resume_reading()

    async def receive(self) -> Any:
        message = await self.queue.get()
        if self.read_paused and self.queue.empty():
            self.read_paused = False
            if not self._goes_on and self._begins():
                self._parse_on()
            elif not self._goes_on:
                self._go_on()
        return message

    def send_receive_event_to_app(self) -> None:
        length = sum(len(content) for content in self.frames)
        if length <= MAX_FRAME_CHARS or self.close_sent:
            super().send_receive_event_to_app()
            return
        self.frames = []
        message: Any = {"type": "websocket.receive", UNREAD_BYTES: length}
        self.queue.put_nowait(message)
        self.read_paused = True
        self.transport.pause_reading()

    def handle_ping(self) -> None:
        # A client that does not read needs no answer to each of its pings: RFC 6455,
        # 5.5.3 asks for one to the latest only.
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()

    def handle_cont(self, event: Frame) -> None:
        if len(self.frames) < MAX_FRAGMENTS:
            super().handle_cont(event)
        elif not self.transport.is_closing():
            self.conn.fail(TOO_BIG, f"a message has over {MAX_FRAGMENTS} fragments")
            self.handle_parser_exception()
