"""Relay between clients and the gateway that records their messages with times."""

import contextlib
import json
import math
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.sync.server import ServerConnection, serve


@dataclass(frozen=True, slots=True)
class RecordedMessage:
    """Recorded message; ``ours`` if the gateway sent it, else a client did."""

    at: float
    ours: bool
    message: dict[str, Any]
    text: str

    @property
    def type(self) -> str:
        return self.message["type"]


@dataclass
class Tap:
    """WebSocket relay that adds less than 1 ms to each message: one thread switch."""

    url: str
    target: str
    messages: list[RecordedMessage] = field(default_factory=list, repr=False)

    def relay(self, client: ServerConnection) -> None:
        assert client.request is not None
        with connect(self.target + client.request.path, max_size=None) as gateway:
            back = threading.Thread(target=self._forward, args=(gateway, client, True))
            back.start()
            self._forward(client, gateway, False)
            back.join()

    def _forward(self, source: Any, target: Any, ours: bool) -> None:
        with contextlib.suppress(ConnectionClosed):
            for text in source:
                message = json.loads(text)
                self.messages.append(
                    RecordedMessage(time.monotonic(), ours, message, text)
                )
                target.send(text)
        target.close(source.close_code or 1011, source.close_reason or "")

    def ours(self, *types: str, **span: float) -> list[RecordedMessage]:
        """Return messages of the gateway of these types, in a span of time."""
        return [message for message in self._of(types, **span) if message.ours]

    def theirs(self, *types: str, **span: float) -> list[RecordedMessage]:
        """Return messages of the clients, filtered as in `ours`."""
        return [message for message in self._of(types, **span) if not message.ours]

    def _of(
        self, types: Sequence[str], since: float = 0.0, until: float = math.inf
    ) -> list[RecordedMessage]:
        within = [message for message in self.messages if since <= message.at < until]
        return [message for message in within if message.type in types]


@contextlib.contextmanager
def tapped(port: int) -> Iterator[Tap]:
    """Run a relay on a port; it forwards once its ``target`` is set."""
    tap = Tap(f"http://127.0.0.1:{port}", "")
    with serve(tap.relay, "127.0.0.1", port, max_size=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield tap
        finally:
            server.shutdown()
            thread.join()
