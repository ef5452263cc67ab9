"""Link of an agent process that stands in for the real one in a test."""

import socket
import time

from protocol.link.frames import FrameReader, pack
from protocol.link.messages import (
    LinkMessage,
    Ping,
    Pong,
    Ready,
    from_frame,
    to_frame,
)


class StandInAgent:
    """Agent process without the packages of the extra; `take` gets each message."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)

    def send(self, *messages: LinkMessage) -> None:
        self._socket.sendall(b"".join(pack(to_frame(message)) for message in messages))

    def run(self) -> None:
        """Be ready, and take messages until the gateway closes the socket."""
        self.send(Ready())
        frames = FrameReader()
        while data := self._socket.recv(1 << 16):
            for frame in frames.feed(data):
                message = from_frame(frame)
                if isinstance(message, Ping):
                    self.send(Pong(at_s=time.monotonic()))
                else:
                    self.take(message)

    def take(self, message: LinkMessage) -> None:
        raise NotImplementedError
