"""HTTP server of the gateway: uvicorn, signals and the start message."""

import asyncio
import contextlib
import faulthandler
import logging
import math
import os
import shlex
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path
from types import FrameType

import uvicorn
from rich.console import Console

from lite_gateway.app import WS_MAX_BYTES, App, attach, routed_app
from lite_gateway.config import Config
from lite_gateway.conversation.parts import describe_conversations
from lite_gateway.conversation.plan import ConversationPlan
from lite_gateway.devserver.process import LiveKit
from lite_gateway.dispatch.worker import Worker
from lite_gateway.errors import GatewayError
from lite_gateway.http.connections import (
    BACKLOG,
    ConnectionLimits,
    Connections,
    TrustedProxies,
    connection_limit,
    raise_file_limit,
)
from lite_gateway.http.page_headers import SAFE_HEADERS
from lite_gateway.http.server_protocol import limited_protocols
from lite_gateway.listening import bracketed
from lite_gateway.metrics import Metrics
from lite_gateway.playout.trace import both, recording
from lite_gateway.preparation import Preparation
from lite_gateway.resources import data_path
from lite_gateway.service import Service
from lite_gateway.store.engine import Store
from lite_gateway.supervisor import RESTART, UNTIL_DONE
from lite_gateway.telemetry.tracing import exporting

log = logging.getLogger(__name__)

_READY_POLL_S = 0.1
_END_POLL_S = 0.5
# The default of 5 ms would let the render thread delay the event loop that long.
_THREAD_SWITCH_S = 0.0005
_SHUTDOWN_GRACE_S = 3
# After the drain, sessions leave their rooms, requests end and the history is written,
# each within seconds. What has not ended then is ended by force.
EXIT_GRACE_S = 15.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class EndOfProcess:
    """
    Thread that ends the process by force if something hangs at its end.

    It is a thread because a native library can block the event loop, and because
    Python itself waits for threads that hang. Signal handlers may call `limit`.

    Python stops this thread before it frees its modules, and a native library can hang
    in that too: after that, a thread of `faulthandler` ends the process.
    """

    def __init__(self) -> None:
        self._at_s = math.inf
        self._started = False

    def start(self) -> None:
        """Watch from now on."""
        self._started = True
        threading.Thread(target=self._watch, name="end of process", daemon=True).start()

    def limit(self, seconds: float) -> None:
        """End the process after ``seconds``, unless a call before says sooner."""
        now_s = time.monotonic()
        self._at_s = min(self._at_s, now_s + seconds)
        if self._started:
            left_s = max(0.0, self._at_s - now_s) + 2 * _END_POLL_S
            faulthandler.dump_traceback_later(left_s, exit=True)

    def _watch(self) -> None:
        while time.monotonic() < self._at_s:
            time.sleep(_END_POLL_S)
        log.critical("the process did not end in time and is ended by force")
        os._exit(1)


class _Server(uvicorn.Server):
    """
    Uvicorn server that ends the sessions before it closes their sockets.

    The service runs around it and not in its lifespan: uvicorn logs an error of the
    lifespan and goes on serving.
    """

    def __init__(
        self, service: Service, config: uvicorn.Config, worker: Worker | None
    ) -> None:
        super().__init__(config)
        self._service = service
        self._worker = worker
        self._loop = asyncio.get_running_loop()
        self._signals: list[int] = []
        self._drain: asyncio.Task[None] | None = None
        self._at_once = False  # end without a drain
        self._end = EndOfProcess()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle signals while the block runs. Uvicorn's would kill the process."""
        former = {sig: signal.signal(sig, self.handle_exit) for sig in _SIGNALS}
        self._end.start()
        try:
            yield
        finally:
            for sig, handler in former.items():
                signal.signal(sig, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drain and stop; a second signal ends the sessions at once."""
        first = not self._signals
        self._signals.append(sig)
        self._end.limit((self._service.config.drain_s if first else 0) + EXIT_GRACE_S)
        self._loop.call_soon_threadsafe(self._stop)

    def _stop(self) -> None:
        if self.should_exit:
            self._skip_drain()
        self.should_exit = True

    def _skip_drain(self) -> None:
        """End the drain, also before uvicorn has seen its flag and begun with it."""
        self._at_once = True
        if self._drain is not None:
            self._drain.cancel()

    async def stop_when_failed(self) -> None:
        """Stop when the supervisor says that the process must end."""
        await self._service.supervisor.failed()
        self._end.limit(EXIT_GRACE_S)
        self.should_exit = True
        self._skip_drain()

    @property
    def interrupted(self) -> bool:
        """True if Ctrl-C stopped the server."""
        return signal.SIGINT in self._signals

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain while the server still answers, and then stop it."""
        self._service.stop_accepting()
        if not self._at_once:
            async with asyncio.TaskGroup() as group:
                self._drain = group.create_task(self._finish_sessions(), name="drain")
        self._end.limit(EXIT_GRACE_S)
        await self._service.drain()
        await super().shutdown(sockets)

    async def _finish_sessions(self) -> None:
        """Wait until the sessions have finished, at most for the setting's time."""
        drain_s = self._service.config.drain_s
        sessions = self._service.sessions
        if sessions.slots_taken:
            count = sessions.slots_taken
            log.info("draining for at most %.0f s, sessions=%d", drain_s, count)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(drain_s):
                if self._worker is not None:
                    await self._worker.drain()
                await sessions.end_silent()


async def run(
    config: Config,
    server_socket: socket.socket,
    store: Store,
    *,
    preparation: Future[Preparation] | None = None,
    demo_key: str = "",
    livekit: LiveKit | None = None,
    as_worker: bool = False,
    send_traces: bool = False,
    environment: Mapping[str, str] = {},
) -> None:
    """
    Serve until a signal arrives or the LiveKit server of `dev` exits.

    ``environment`` is the process's own; its children get a small part of it.

    Raise `GatewayError` if the gateway cannot go on.
    """
    sys.setswitchinterval(_THREAD_SWITCH_S)
    with recording(config.trace) as to_file, exporting(send_traces) as to_otlp:
        traces = both(to_file, to_otlp)
        app = routed_app()  # while a thread still prepares
        prepared = None
        if preparation is not None:
            prepared = await asyncio.wrap_future(preparation)
        service = Service(
            config, Metrics(), traces, store, prepared, environment=environment
        )
        async with service.running():
            worker = Worker(service) if as_worker else None
            server = _server(attach(app, service, demo_key=demo_key), service, worker)
            await _serve(server, service, server_socket, livekit, worker)
    if service.supervisor.failure is not None:
        raise GatewayError(f"the gateway ended: {service.supervisor.failure}")
    if server.interrupted:
        raise KeyboardInterrupt


def _server(app: App, service: Service, worker: Worker | None) -> _Server:
    options = uvicorn.Config(
        app,
        lifespan="off",
        ws_max_size=WS_MAX_BYTES,
        ws_per_message_deflate=False,
        backlog=BACKLOG,
        access_log=False,  # the path of a ws_url contains the secret of its session
        log_config=None,  # its records go to the handler of all others
        log_level="warning",
        server_header=False,
        headers=SAFE_HEADERS,
        timeout_graceful_shutdown=_SHUTDOWN_GRACE_S,
    )
    limits = ConnectionLimits(
        connection_limit(raise_file_limit()),
        service.config.address_connections,
        TrustedProxies(options.forwarded_allow_ips),
    )
    refused = service.metrics.connections_refused
    connections = Connections(limits, lambda reason: refused.labels(reason).inc())
    options.http, options.ws = limited_protocols(
        connections, long_steps=service.long_steps
    )
    return _Server(service, options, worker)


async def _serve(
    server: _Server,
    service: Service,
    server_socket: socket.socket,
    livekit: LiveKit | None,
    worker: Worker | None,
) -> None:
    port = server_socket.getsockname()[1]
    add = service.supervisor.add
    add("announce", lambda: _announce(service, server, port, livekit), UNTIL_DONE)
    add("core", server.stop_when_failed, UNTIL_DONE)
    if worker is not None:
        add("worker", lambda: _work(service, server, worker), RESTART)
    if livekit is not None:
        add("livekit", lambda: _watch_livekit(livekit, server), UNTIL_DONE)
    await server.serve([server_socket])


async def _until_ready(service: Service, server: uvicorn.Server) -> None:
    while True:
        await asyncio.sleep(_READY_POLL_S)
        if server.started and await service.fault() is None:
            return


async def _work(service: Service, server: uvicorn.Server, worker: Worker) -> None:
    """Run the worker from the time on that the gateway is ready."""
    await _until_ready(service, server)
    await worker.run()


async def _announce(
    service: Service,
    server: uvicorn.Server,
    port: int,
    livekit: LiveKit | None,
) -> None:
    """Print the URL when the gateway is ready."""
    await _until_ready(service, server)
    url = f"http://{bracketed(service.config.host)}:{port}"
    if service.config.log_format == "json":
        log.info("ready, url=%s", url)
        console = Console(quiet=True)
    else:
        # Without names of emoji: rich would import a table of them, on the event loop.
        console = Console(highlight=False, emoji=False)
    console.print(f"[bold green]ready:[/] {url}")
    if livekit is None:
        return
    if service.agent.runs and ConversationPlan("FULL").needs_built_in(service.config):
        service.speech.start()  # before somebody waits for it
    console.print(
        f"  {describe_conversations(service.agent.state, service.config)}\n"
        f"  open {url} and press a sentence{_talk_hint(service, url)}"
        f"{_create_hint(service, url)}, or try:\n"
        f"  lite-gateway speak {_sample_path()} --url {url}\n"
        f"  curl {url}/metrics    docs: {url}/docs\n"
        f"  LiveKit: {livekit.url}, log in {livekit.log_path}\n"
        "  stop with Ctrl-C",
        soft_wrap=True,
    )


def _talk_hint(service: Service, url: str) -> str:
    """Return where people can talk with the avatar; empty if they cannot."""
    missing = service.missing_packages("FULL")
    if missing:
        return ""
    free = "" if service.config.llm_url else ", without any key"
    return f", {url}/#talk to talk with the avatar{free}"


def _create_hint(service: Service, url: str) -> str:
    """Return where people can make an avatar; empty if they cannot."""
    if not service.avatar_jobs.enabled:
        return ""
    return f", {url}/create to make an avatar from a photo"


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
