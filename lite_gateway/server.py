"""HTTP server of the gateway: uvicorn, signals and the start message."""

import asyncio
import logging
import os
import shlex
import signal
import socket
import sys
from pathlib import Path
from types import FrameType

import uvicorn
from rich.console import Console

from lite_gateway.app import WS_MAX_BYTES, make_app
from lite_gateway.config import Config
from lite_gateway.devserver.process import LiveKit
from lite_gateway.dispatch.worker import Worker
from lite_gateway.errors import GatewayError
from lite_gateway.metrics import Metrics
from lite_gateway.playout.trace import recording
from lite_gateway.resources import data_path
from lite_gateway.service import Service
from lite_gateway.store.engine import Store

log = logging.getLogger(__name__)

_READY_POLL_S = 0.1
# The default of 5 ms would let the render thread delay the event loop that long.
_THREAD_SWITCH_S = 0.0005
_SHUTDOWN_GRACE_S = 8


def listening(config: Config) -> socket.socket:
    """Open the listening socket, before anything slow is started."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    try:
        return socket.create_server((config.host, config.port), family=family)
    except OSError as error:
        raise GatewayError(
            f"cannot listen on {config.host}:{config.port}: "
            f"{os.strerror(error.errno or 0)}. "
            "Choose another port with --port or LITE_PORT."
        ) from None


class _Server(uvicorn.Server):
    """Uvicorn server that ends the sessions before it closes their sockets."""

    def __init__(
        self, service: Service, config: uvicorn.Config, worker: Worker | None
    ) -> None:
        super().__init__(config)
        self._service = service
        self._worker = worker
        self._loop = asyncio.get_running_loop()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop; a second signal makes a worker stop without waiting for its jobs."""
        if self.should_exit and self._worker is not None:
            self._loop.call_soon_threadsafe(self._worker.stop_now)
            return
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._worker is not None:
            await self._worker.drain(self._service.config.drain_s)
        await self._service.drain()
        await super().shutdown(sockets)


async def run(
    config: Config,
    server_socket: socket.socket,
    store: Store,
    *,
    demo_key: str = "",
    livekit: LiveKit | None = None,
    as_worker: bool = False,
) -> None:
    """Serve until a signal arrives or the LiveKit server of `dev` exits."""
    sys.setswitchinterval(_THREAD_SWITCH_S)
    with recording(config.trace) as traces:
        service = Service(config, Metrics(), traces, store)
        worker = Worker(service) if as_worker else None
        await _serve_app(service, server_socket, demo_key, livekit, worker)


async def _serve_app(
    service: Service,
    server_socket: socket.socket,
    demo_key: str,
    livekit: LiveKit | None,
    worker: Worker | None,
) -> None:
    server = _Server(
        service,
        uvicorn.Config(
            make_app(service, demo_key=demo_key),
            ws="websockets-sansio",
            ws_max_size=WS_MAX_BYTES,
            ws_per_message_deflate=False,
            access_log=False,  # the path of a ws_url contains the secret of its session
            log_level="warning",
            timeout_graceful_shutdown=_SHUTDOWN_GRACE_S,
        ),
        worker,
    )
    async with asyncio.TaskGroup() as group:
        port = server_socket.getsockname()[1]
        when_ready = _announce(service, server, port, livekit, worker)
        tasks = [group.create_task(when_ready, name="announce")]
        if livekit is not None:
            watch = _watch_livekit(livekit, server)
            tasks.append(group.create_task(watch, name="watch livekit"))
        await server.serve([server_socket])
        for task in tasks:
            task.cancel()


async def _announce(
    service: Service,
    server: uvicorn.Server,
    port: int,
    livekit: LiveKit | None,
    worker: Worker | None,
) -> None:
    """Print the URL when the gateway is ready; then run the worker, if there is one."""
    while True:
        await asyncio.sleep(_READY_POLL_S)
        if server.started and await service.fault() is None:
            break
    url = f"http://{service.config.host}:{port}"
    console = Console(highlight=False)
    console.print(f"[bold green]ready:[/] {url}")
    if worker is not None:
        await worker.run()
    if livekit is None:
        return
    console.print(
        f"  open {url} and press a sentence, or try:\n"
        f"  lite-gateway speak {_sample_path()} --url {url}\n"
        f"  curl {url}/metrics    docs: {url}/docs\n"
        f"  LiveKit: {livekit.url}, log in {livekit.log_path}\n"
        "  stop with Ctrl-C",
        soft_wrap=True,
    )


def _sample_path() -> str:
    """Return the path of a WAV file that is shipped, quoted for a shell."""
    path = data_path("web/samples/hello.wav")
    if path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    return shlex.quote(str(path))


async def _watch_livekit(livekit: LiveKit, server: uvicorn.Server) -> None:
    """Stop the gateway when its LiveKit server exits, because it needs one."""
    log.error("%s; stopping", await livekit.wait_exited())
    server.handle_exit(signal.SIGTERM, None)
