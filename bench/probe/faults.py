"""Faults to inject: stopped and busy processes, slow and odd servers, silent peers."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import sqlalchemy
from anyio.abc import SocketAttribute, SocketStream

from lite_gateway.store.engine import database_url

NEVER = float("inf")  # delay of a connection that is accepted and not answered
_LOOPBACK = "127.0.0.1"
# It ends with its parent, so that nothing is left of a run that was killed.
_BUSY_PROGRAM = """
import os
parent = os.getppid()
while os.getppid() == parent:
    pass
"""
UNFINISHED = {  # requests that never end
    "nothing": b"",
    "header": b"GET /health HTTP/1.1\r\nHost: 127.0.0.1",
    "body": b"POST /launch HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
    "handshake": b"GET /v1/ws/a/b HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    b"Upgrade: websocket\r\nConnection: Upgrade\r\n",
}


@contextlib.contextmanager
def stopped(pids: Iterable[int]) -> Iterator[None]:
    """Stop processes (SIGSTOP) within the block: their sockets stay open and silent."""
    pids = list(pids)
    try:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
                os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def busy(processes: int) -> Iterator[None]:
    """Run processes that take all the processor time they get, within the block."""
    command = [sys.executable, "-c", _BUSY_PROGRAM]
    running = [
        subprocess.Popen(command, start_new_session=True) for _ in range(processes)
    ]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def process_tree(pid: int) -> list[int]:
    """Return a process and its descendants, parents first."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The command name, in brackets, may contain spaces: split behind it.
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            parents.setdefault(parent, []).append(int(stat.parent.name))
    tree = [pid]
    for member in tree:
        tree += parents.get(member, [])
    return tree


def postgres_processes(url: str) -> list[int]:
    """Return the processes of the PostgreSQL server at ``url``, on this host."""
    engine = sqlalchemy.create_engine(database_url(url))
    with engine.connect() as connection:
        folder = connection.exec_driver_sql("show data_directory").scalar_one()
    engine.dispose()
    pid = int((Path(folder) / "postmaster.pid").read_text().splitlines()[0])
    return process_tree(pid)


@contextlib.asynccontextmanager
async def slow_proxy(port: int, delays_s: Sequence[float]) -> AsyncIterator[int]:
    """
    Run a proxy of a TCP port of the loopback, and yield its own port.

    Each of the first connections waits for its own delay, later ones do not wait.
    """
    delays = iter(delays_s)

    async def serve(client: SocketStream) -> None:
        async with client:
            await anyio.sleep(next(delays, 0.0))
            async with (
                await anyio.connect_tcp(_LOOPBACK, port) as server,
                anyio.create_task_group() as pipes,
            ):
                pipes.start_soon(_pipe, client, server)
                pipes.start_soon(_pipe, server, client)

    async with _serving(serve) as own_port:
        yield own_port


@contextlib.asynccontextmanager
async def odd_server(response: bytes) -> AsyncIterator[int]:
    """Run a server that answers every HTTP request with ``response``."""

    async def serve(client: SocketStream) -> None:
        async with client:
            await client.receive()
            await client.send(response)

    async with _serving(serve) as port:
        yield port


@contextlib.asynccontextmanager
async def odd_livekit(port: int, answers: Mapping[str, bytes]) -> AsyncIterator[int]:
    """
    Run a proxy before the LiveKit server at ``port``, and yield its own port.

    A call of LiveKit's server API whose path ends with a key of ``answers`` gets that
    response, as from a load balancer with a fault. All else is passed on.
    """

    async def serve(client: SocketStream) -> None:
        async with client:
            try:
                await answer(client)
            # The client has left, or the server behind does not run.
            except* (anyio.EndOfStream, anyio.BrokenResourceError, OSError):
                pass

    async def answer(client: SocketStream) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += await client.receive()
        path = head.split(b" ", 2)[1].decode()
        for ending, response in answers.items():
            if path.endswith(ending):
                await client.send(response)
                return
        if "/twirp/" in path:  # one request a connection, so that each is seen
            head = head.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
        async with (
            await anyio.connect_tcp(_LOOPBACK, port) as server,
            anyio.create_task_group() as pipes,
        ):
            await server.send(head)
            pipes.start_soon(_pipe, client, server)
            await _pipe(server, client)
            pipes.cancel_scope.cancel()

    async with _serving(serve) as own_port:
        yield own_port


@contextlib.asynccontextmanager
async def silent_server() -> AsyncIterator[int]:
    """Run a server that accepts connections and never answers."""

    async def serve(client: SocketStream) -> None:
        async with client:
            await anyio.sleep_forever()

    async with _serving(serve) as port:
        yield port


@contextlib.asynccontextmanager
async def _serving(
    serve: Callable[[SocketStream], Awaitable[None]],
) -> AsyncIterator[int]:
    listener = await anyio.create_tcp_listener(local_host=_LOOPBACK)
    async with listener, anyio.create_task_group() as connections:
        connections.start_soon(listener.serve, serve)
        yield listener.extra(SocketAttribute.local_port)
        connections.cancel_scope.cancel()


async def _pipe(source: SocketStream, target: SocketStream) -> None:
    with contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
        async for chunk in source:
            await target.send(chunk)
        await target.send_eof()


@contextlib.contextmanager
def silent_peers(
    url: str, count: int, sent: bytes = b""
) -> Iterator[list[socket.socket]]:
    """Open ``count`` connections that send ``sent`` and then nothing."""
    parts = urlsplit(url)
    with contextlib.ExitStack() as stack:
        peers = []
        for _ in range(count):
            peer = socket.create_connection((parts.hostname, parts.port), timeout=30)
            peers.append(stack.enter_context(peer))
            with contextlib.suppress(ConnectionError):
                peer.sendall(sent)
        yield peers


def received(peer: socket.socket) -> bytes:
    """Return what the server sends until it closes; `TimeoutError` if it does not."""
    answer = b""
    with contextlib.suppress(ConnectionError):
        while piece := peer.recv(65_536):
            answer += piece
    return answer
