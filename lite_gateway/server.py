"""HTTP server of the gateway: uvicorn, signals, and the announcement when ready."""

import asyncio
import logging
import os
import signal
import socket
import sys
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
from lite_gateway.service import Service
from lite_gateway.store.engine import Store

log = logging.getLogger(__name__)

_READY_POLL_S = 0.1
_SWITCH_S = 0.0005  # the loop gets its turn between two operations of the renderer
_GRACE_S = 8


def listening(config: Config) -> socket.socket:
    """The port, taken before anything slow is started."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    try:
        return socket.create_server((config.host, config.port), family=family)
    except OSError as failed:
        raise GatewayError(
            f"cannot listen on {config.host}:{config.port}: "
            f"{os.strerror(failed.errno or 0)}; "
            "choose another port with --port or LITE_PORT"
        ) from None


class _Server(uvicorn.Server):
    """Sessions say goodbye before their sockets are closed under them."""

    def __init__(
        self, service: Service, config: uvicorn.Config, worker: Worker | None
    ) -> None:
        super().__init__(config)
        self._service = service
        self._worker = worker
        self._loop = asyncio.get_running_loop()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Asked twice, a worker waits for its jobs no longer."""
        if self.should_exit and self._worker is not None:
            self._loop.call_soon_threadsafe(self._worker.hurry)
            return
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._worker is not None:
            await self._worker.drain(self._service.config.drain_s)
        await self._service.drain()
        await super().shutdown(sockets)


async def run(
    config: Config,
    door: socket.socket,
    store: Store,
    *,
    demo_key: str = "",
    livekit: LiveKit | None = None,
    as_worker: bool = False,
) -> None:
    """Serve until a signal, or until LiveKit is gone."""
    sys.setswitchinterval(_SWITCH_S)
    with recording(config.trace) as traces:
        service = Service(config, Metrics(), traces, store)
        worker = Worker(service) if as_worker else None
        await _serve_app(service, door, demo_key, livekit, worker)


async def _serve_app(
    service: Service,
    door: socket.socket,
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
            access_log=False,  # a ws_url carries its session's secret
            log_level="warning",
            timeout_graceful_shutdown=_GRACE_S,
        ),
        worker,
    )
    async with asyncio.TaskGroup() as group:
        port = door.getsockname()[1]
        announce = _announce(service, server, port, livekit, worker)
        helpers = [group.create_task(announce, name="announce")]
        if livekit is not None:
            helpers.append(group.create_task(_follow(livekit, server)))
        await server.serve([door])
        for helper in helpers:
            helper.cancel()


async def _announce(
    service: Service,
    server: uvicorn.Server,
    port: int,
    livekit: LiveKit | None,
    worker: Worker | None,
) -> None:
    """Print where to look, once there is something to see; then a worker works."""
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
        f"  lite-gateway speak web/samples/hello.wav --url {url}\n"
        f"  curl {url}/metrics    docs: {url}/docs\n"
        f"  LiveKit: {livekit.url}, log in {livekit.log_path}\n"
        "  stop with Ctrl-C"
    )


async def _follow(livekit: LiveKit, server: uvicorn.Server) -> None:
    """A gateway without its LiveKit server is of no use: say so and stop."""
    log.error("%s; stopping", await livekit.wait_exited())
    server.handle_exit(signal.SIGTERM, None)
