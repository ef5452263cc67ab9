"""Between a client and the gateway: what they really say to each other, with times."""

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
class Said:
    """One message; ``ours`` if the gateway said it."""

    at: float
    ours: bool
    message: dict[str, Any]
    text: str

    @property
    def type(self) -> str:
        return self.message["type"]


@dataclass
class Tap:
    """A WebSocket relay. It adds a thread's switch to each message, well under 1 ms."""

    url: str
    target: str
    said: list[Said] = field(default_factory=list, repr=False)

    def relay(self, client: ServerConnection) -> None:
        assert client.request is not None
        with connect(self.target + client.request.path, max_size=None) as gateway:
            back = threading.Thread(target=self._pass_on, args=(gateway, client, True))
            back.start()
            self._pass_on(client, gateway, False)
            back.join()

    def _pass_on(self, source: Any, sink: Any, ours: bool) -> None:
        with contextlib.suppress(ConnectionClosed):
            for text in source:
                message = json.loads(text)
                self.said.append(Said(time.monotonic(), ours, message, text))
                sink.send(text)
        sink.close(source.close_code or 1011, source.close_reason or "")

    def ours(self, *types: str, **span: float) -> list[Said]:
        """What the gateway said of those types, ``since`` and ``until``."""
        return [each for each in self._of(types, **span) if each.ours]

    def theirs(self, *types: str, **span: float) -> list[Said]:
        """The same of its clients."""
        return [each for each in self._of(types, **span) if not each.ours]

    def _of(
        self, types: Sequence[str], since: float = 0.0, until: float = math.inf
    ) -> list[Said]:
        within = [each for each in self.said if since <= each.at < until]
        return [each for each in within if each.type in types]


@contextlib.contextmanager
def tapped(port: int) -> Iterator[Tap]:
    """Listening; it relays once its ``target`` is set."""
    tap = Tap(f"http://127.0.0.1:{port}", "")
    with serve(tap.relay, "127.0.0.1", port, max_size=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield tap
        finally:
            server.shutdown()
            thread.join()
