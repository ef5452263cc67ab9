"""
Client that sends every kind of bad input to its session, in a process of its own.

Usage: bad_client.py WS_URL. The command ``begin`` lets it send until ``rest``. It
answers with one JSON line each: ``begun``; ``rested`` with the number of messages sent
of each kind, when a round of all kinds is complete. It ends with its standard input.
"""

import base64
import contextlib
import json
import sys
import threading
from collections import Counter
from collections.abc import Iterator

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

MIB = 1 << 20
UNREAD = 2000  # events, several times what the gateway queues for one client


def speak(pcm_bytes: int) -> str:
    audio = base64.b64encode(bytes(pcm_bytes)).decode()
    return json.dumps({"type": "agent.speak", "audio": audio})


INTERRUPT = '{"type": "agent.interrupt"}'
LISTEN = '{"type": "agent.start_listening"}'
REST = '{"type": "agent.stop_listening"}'
ANSWER_S = 30.0
# Frames of each kind, and how often each round sends them.
BAD_FRAMES: dict[str, tuple[list[str | bytes], int]] = {
    "not JSON": (["{oops", "", b"\xff\x00", "[" * 10_000], 20),
    "no command": (["[1]", "{}", '{"type": 5}', '{"type": "agent.speak"}'], 20),
    "bad base64": (['{"type": "agent.speak", "audio": "###"}'], 50),
    "PCM of more than 1 MiB": ([speak(MIB + 2)], 3),
    "flood": (['{"type": "agent.dance"}'], 1000),
    "odd bytes": ([speak(7001)], 21),
    "interrupt while idle": ([INTERRUPT], 50),
    "end of nothing": (['{"type": "agent.speak_end"}'], 50),
}


def read_all(socket: ClientConnection) -> None:
    """Read the events that have arrived: the gateway drops clients that do not."""
    with contextlib.suppress(TimeoutError):
        while True:
            socket.recv(timeout=0)


def wait_until_read(socket: ClientConnection) -> None:
    """
    Wait until the gateway has read all that was sent: it answers this last command.

    A second socket that comes before takes the rest of the first one away.
    """
    socket.send(REST)
    socket.send(LISTEN)
    while json.loads(socket.recv(timeout=ANSWER_S)).get("new_state") != "listening":
        pass


def frames() -> Iterator[tuple[str, str | bytes]]:
    """Yield one round of kinds and frames."""
    for kind, (some, count) in BAD_FRAMES.items():
        for _ in range(count):
            for frame in some:
                yield kind, frame
        yield kind, INTERRUPT


def send_round(url: str, sent: Counter[str]) -> None:
    """Send every kind once; each new socket replaces the one before it."""
    with contextlib.suppress(ConnectionClosed), connect(url, max_size=None) as socket:
        for kind, frame in frames():
            socket.send(frame)
            sent[kind] += 1
            read_all(socket)
        wait_until_read(socket)
        with connect(url) as second:
            sent["second socket"] += 1
            sent["frame of 9 MiB"] += 1
            second.send("x" * (9 * MIB))  # the gateway closes with 1009
    with contextlib.suppress(ConnectionClosed), connect(url, max_queue=1) as deaf:
        for _ in range(UNREAD):
            deaf.send(INTERRUPT)  # the gateway closes with 1008
            sent["unread events"] += 1


def main(url: str) -> None:
    sent: Counter[str] = Counter()
    active, ended, resting = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        while not ended.is_set():
            if active.wait(0.1):
                send_round(url, sent)
            if not active.is_set():
                resting.set()

    thread = threading.Thread(target=work)
    thread.start()
    for line in sys.stdin:
        if line.strip() == "begin":
            resting.clear()
            active.set()
            print(json.dumps({"event": "begun"}), flush=True)
        else:
            active.clear()
            resting.clear()
            resting.wait()
            print(json.dumps({"event": "rested", "sent": sent}), flush=True)
    active.clear()
    ended.set()
    thread.join()


if __name__ == "__main__":
    main(sys.argv[1])
