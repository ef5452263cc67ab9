"""``serve`` and ``dev``: the gateway in production, and with everything beside it."""

import argparse
import asyncio
import contextlib
import dataclasses
import socket
import tempfile
import warnings
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import jwt
import uvloop
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from lite_gateway.auth.api_keys import ApiKeys
from lite_gateway.cli.settings import (
    LOOPBACK,
    add_settings,
    given_config,
    need_livekit,
    refuse_dev_key,
)
from lite_gateway.cli.state import cache_dir, open_store
from lite_gateway.config import DEV_KEY, Config
from lite_gateway.devserver.build import find_or_build
from lite_gateway.devserver.process import LiveKit, running
from lite_gateway.errors import ConfigError
from lite_gateway.server import listening, run
from lite_gateway.store.engine import Store

if TYPE_CHECKING:
    from lite_gateway.cli import Commands

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


def _serve(given: argparse.Namespace, env: dict[str, str]) -> int:
    config = given_config(given, env)
    need_livekit(config)
    refuse_dev_key(config, DEV_KEY in config.keys)
    with listening(config) as door:
        store = open_store(config, env)
        callers = ApiKeys(config, store)
        refuse_dev_key(config, callers.contains(DEV_KEY))
        if not callers.has_keys:
            raise ConfigError(
                "LITE_API_KEYS", "", "set, or run `lite-gateway keys create NAME`"
            )
        uvloop.run(run(config, door, store))
    return 0


def _dev(given: argparse.Namespace, env: dict[str, str]) -> int:
    # LiveKit's own development secret is short, and stays on this machine.
    warnings.simplefilter("ignore", jwt.InsecureKeyLengthWarning)
    config = dataclasses.replace(
        given_config(given, env), api_keys=DEV_KEY, api_keys_file=""
    )
    if config.host not in LOOPBACK:
        raise ConfigError("LITE_HOST", config.host, "loopback in dev mode; use serve")
    with listening(config) as door:
        store = open_store(config, env, name="dev.db")
        uvloop.run(_run_dev(config, door, store, given.livekit_port, cache_dir(env)))
    return 0


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
