"""``serve`` and ``dev``: the gateway in production, and with everything beside it."""

import argparse
import asyncio
import contextlib
import dataclasses
import logging
import os
import signal
import socket
import sys
import tempfile
import warnings
from collections.abc import AsyncIterator
from dataclasses import fields
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import jwt
import uvicorn
import uvloop
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from lite_gateway.app import WS_MAX_BYTES, make_app
from lite_gateway.callers import Callers
from lite_gateway.cli.state import open_store
from lite_gateway.config import DEV_KEY, Config, env_name, parse
from lite_gateway.errors import ConfigError, GatewayError
from lite_gateway.livekit_dev import LiveKit, find_or_build, running
from lite_gateway.metrics import Metrics
from lite_gateway.service import Service
from lite_gateway.store.engine import Store
from lite_gateway.trace import recording
from lite_gateway.worker import Worker

if TYPE_CHECKING:
    from lite_gateway.cli import Commands

log = logging.getLogger(__name__)

_READY_POLL_S = 0.1
_SWITCH_S = 0.0005  # the loop gets its turn between two operations of the renderer
_GRACE_S = 8
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_DEV_LIVEKIT = ("devkey", "secret")
_WORKERS = ("agent_name", "drain_s")


def add_to(commands: "Commands", env: dict[str, str]) -> None:
    serving = commands.add_parser(
        "serve",
        help="run the gateway against a LiveKit server that exists",
        description="Run the gateway. Each option is also an environment variable.",
    )
    add_settings(serving, _WORKERS)
    serving.set_defaults(run=lambda given: _serve(given, env))
    dev = commands.add_parser(
        "dev",
        help="run the gateway with a LiveKit server of its own and the demo page",
        description="Everything on this machine, with the API key 'dev'. LiveKit is "
        "started too, unless LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET "
        "name one that runs.",
    )
    dev.add_argument(
        "--livekit-port", type=int, default=7880, help="for LiveKit (default: 7880)"
    )
    add_settings(dev, ("api_keys", "api_keys_file", *_WORKERS))
    dev.set_defaults(run=lambda given: _dev(given, env))


def add_settings(parser: argparse.ArgumentParser, without: tuple[str, ...]) -> None:
    for each in fields(Config):
        if each.name in without:
            continue
        default = f" (default: {each.default})" if each.default != "" else ""
        parser.add_argument(
            f"--{each.name.replace('_', '-')}",
            metavar=each.name.rpartition("_")[2].upper(),
            help=f"{each.metadata['help']}{default} [{env_name(each.name)}]",
        )


def given_config(given: argparse.Namespace, env: dict[str, str]) -> Config:
    """The environment, with the command line over it."""
    config = Config.from_env(env)
    said = {
        each.name: parse(f"--{each.name}", text, type(each.default))
        for each in fields(Config)
        if (text := getattr(given, each.name, None)) is not None
    }
    return dataclasses.replace(config, **said)


def _serve(given: argparse.Namespace, env: dict[str, str]) -> int:
    config = given_config(given, env)
    need_livekit(config)
    refuse_dev_key(config, DEV_KEY in config.keys)
    with listening(config) as door:
        store = open_store(config, env)
        callers = Callers(config, store)
        refuse_dev_key(config, callers.holds(DEV_KEY))
        if not callers.any:
            raise ConfigError(
                "LITE_API_KEYS", "", "set, or run `lite-gateway keys create NAME`"
            )
        uvloop.run(run(config, door, store))
    return 0


def need_livekit(config: Config) -> None:
    for name in ("livekit_url", "livekit_api_key", "livekit_api_secret"):
        if not getattr(config, name):
            raise ConfigError(env_name(name), "", "set (see lite-gateway serve --help)")


def refuse_dev_key(config: Config, used: bool) -> None:
    if used and config.host not in _LOOPBACK:
        raise ConfigError(
            "LITE_API_KEYS", DEV_KEY, f"a key of your own to listen on {config.host}"
        )


def _dev(given: argparse.Namespace, env: dict[str, str]) -> int:
    # LiveKit's own development secret is short, and stays on this machine.
    warnings.simplefilter("ignore", jwt.InsecureKeyLengthWarning)
    config = dataclasses.replace(
        given_config(given, env), api_keys=DEV_KEY, api_keys_file=""
    )
    if config.host not in _LOOPBACK:
        raise ConfigError("LITE_HOST", config.host, "loopback in dev mode; use serve")
    with listening(config) as door:
        store = open_store(config, env, name="dev.db")
        uvloop.run(_run_dev(config, door, store, given.livekit_port, cache_dir(env)))
    return 0


def cache_dir(env: dict[str, str]) -> Path:
    """Where things are kept that can be made again."""
    base = env.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "lite-gateway"


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


async def _run_dev(
    config: Config,
    door: socket.socket,
    store: Store,
    livekit_port: int,
    cache: Path,
) -> None:
    if config.livekit_url:
        await run(config, door, store, demo_key=DEV_KEY)
        return
    binary = await asyncio.to_thread(_livekit_binary, cache)
    async with _livekit(binary, livekit_port) as livekit:
        config = dataclasses.replace(
            config,
            livekit_url=livekit.url,
            livekit_api_key=livekit.key,
            livekit_api_secret=livekit.secret,
        )
        await run(config, door, store, demo_key=DEV_KEY, livekit=livekit)


def _livekit_binary(cache: Path) -> Path:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, transient=True) as progress:
        task = progress.add_task("looking for a LiveKit server", total=None)

        def report(text: str, fraction: float | None) -> None:
            share = "" if fraction is None else f" {fraction:.0%}"
            progress.update(task, description=text + share)

        return find_or_build(report, cache_dir=cache)


@contextlib.asynccontextmanager
async def _livekit(binary: Path, port: int) -> AsyncIterator[LiveKit]:
    key, secret = _DEV_LIVEKIT
    log_path = Path(tempfile.mkdtemp(prefix="lite-gateway-")) / "livekit.log"
    async with running(
        binary, port=port, key=key, secret=secret, log_path=log_path
    ) as livekit:
        yield livekit


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
