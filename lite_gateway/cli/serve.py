"""
Commands ``serve``, ``worker`` and ``dev``: the gateway, alone or with a LiveKit server.

The gateway takes a second or more to import. A LiveKit server starts meanwhile, and the
renderer is prepared in a thread while the rest is imported.
"""

import argparse
import asyncio
import contextlib
import dataclasses
import secrets
import socket
import tempfile
import warnings
from collections.abc import AsyncIterator, Iterable
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING

import jwt
import uvloop
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from lite_gateway.cli.folders import cache_dir, with_created_avatars
from lite_gateway.cli.settings import (
    config_from,
    require_livekit,
)
from lite_gateway.cli.strength import DEV_LIVEKIT, refuse_weak_secrets
from lite_gateway.config import DEV_KEY, Config
from lite_gateway.devserver.build import find_or_build
from lite_gateway.devserver.local_model import USUAL_PORTS, find_local_model
from lite_gateway.devserver.process import LiveKit, running
from lite_gateway.errors import ConfigError
from lite_gateway.foreign.addresses import LOOPBACK_HOSTS
from lite_gateway.http.connections import is_loopback
from lite_gateway.listening import listening

if TYPE_CHECKING:
    from lite_gateway.preparation import Preparation


def serve(args: argparse.Namespace, env: dict[str, str]) -> int:
    """Run the gateway until it is stopped."""
    return _serve(args, env, as_worker=False)


def work(args: argparse.Namespace, env: dict[str, str]) -> int:
    """Run the gateway as a worker of LiveKit agent dispatch until it is stopped."""
    return _serve(args, env, as_worker=True)


def _serve(args: argparse.Namespace, env: dict[str, str], *, as_worker: bool) -> int:
    config = with_created_avatars(config_from(args, env), env)
    require_livekit(config)
    refuse_weak_secrets(config)
    with listening(config) as server_socket:
        preparation = _load(config)
        from lite_gateway.cli.gateway import serve_until_stopped

        serve_until_stopped(
            config, server_socket, env, preparation, as_worker=as_worker
        )
    return 0


def _load(config: Config) -> "Future[Preparation]":
    """Import the gateway. Return its renderer, which a thread prepares."""
    from lite_gateway.preparation import start_preparing

    preparation = start_preparing(config)
    import lite_gateway.cli.gateway  # noqa: F401

    return preparation


def dev(args: argparse.Namespace, env: dict[str, str]) -> int:
    """Run the gateway, a LiveKit server and the demo page until stopped."""
    # LiveKit's development secret is short. That is safe here: it stays on loopback.
    warnings.simplefilter("ignore", jwt.InsecureKeyLengthWarning)
    config = with_created_avatars(config_from(args, env), env)
    config, demo_key = with_dev_keys(config)
    # Everything runs on this machine, so a caller's own LiveKit server may too.
    allowed = ",".join((*config.allowed, *LOOPBACK_HOSTS))
    config = dataclasses.replace(config, allowed_hosts=allowed)
    if not is_loopback(config.host):
        problem = f"`dev` listens on loopback only, not on {config.host}"
        raise ConfigError("LITE_HOST", problem, "Use `serve` for other addresses.")
    with listening(config) as server_socket:
        uvloop.run(_run_dev(config, server_socket, env, demo_key, args.livekit_port))
    return 0


def with_dev_keys(config: Config) -> tuple[Config, str]:
    """
    Return the settings with the keys of `dev`, and the key of its demo page.

    Programs use the key that everybody knows. The page gets one that only it can read.
    """
    demo_key = secrets.token_urlsafe(24)
    keys = f"{DEV_KEY},{demo_key}"
    return dataclasses.replace(config, api_keys=keys, api_keys_file=""), demo_key


def with_local_model(
    config: Config, own_port: int, ports: Iterable[tuple[str, int]] = USUAL_PORTS
) -> Config:
    """Return the settings with a language model of this machine, if they name none."""
    if config.llm_url:
        return config
    found = find_local_model(own_port, ports)
    if found is None:
        return config
    return dataclasses.replace(config, llm_url=found.base_url, llm_model=found.model)


async def _run_dev(
    config: Config,
    server_socket: socket.socket,
    env: dict[str, str],
    demo_key: str,
    livekit_port: int,
) -> None:
    loading = asyncio.get_running_loop().run_in_executor(None, _load, config)
    own_port = server_socket.getsockname()[1]
    config = await asyncio.to_thread(with_local_model, config, own_port)
    async with contextlib.AsyncExitStack() as stack:
        livekit = None
        if not config.livekit_url:
            binary = await asyncio.to_thread(_livekit_binary, cache_dir(env))
            livekit = await stack.enter_async_context(_livekit(binary, livekit_port))
            config = dataclasses.replace(
                config,
                livekit_url=livekit.url,
                livekit_api_key=livekit.key,
                livekit_api_secret=livekit.secret,
            )
        preparation = await loading
        from lite_gateway.cli.gateway import run_dev

        await run_dev(config, server_socket, env, preparation, demo_key, livekit)


def _livekit_binary(cache: Path) -> Path:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, transient=True) as progress:
        task = progress.add_task("looking for a LiveKit server", total=None)

        def report(text: str, fraction: float | None) -> None:
            percent = "" if fraction is None else f" {fraction:.0%}"
            progress.update(task, description=text + percent)

        return find_or_build(report, cache_dir=cache)


@contextlib.asynccontextmanager
async def _livekit(binary: Path, port: int) -> AsyncIterator[LiveKit]:
    key, secret = DEV_LIVEKIT
    log_path = Path(tempfile.mkdtemp(prefix="lite-gateway-")) / "livekit.log"
    async with running(
        binary, port=port, key=key, secret=secret, log_path=log_path
    ) as livekit:
        yield livekit
