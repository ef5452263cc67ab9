"""Commands ``serve`` and ``dev``: the gateway alone, or with a LiveKit server."""

import argparse
import asyncio
import contextlib
import dataclasses
import secrets
import socket
import tempfile
import warnings
from collections.abc import AsyncIterator
from pathlib import Path

import jwt
import uvloop
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from lite_gateway.auth.api_keys import ApiKeys
from lite_gateway.cli.settings import (
    config_from,
    require_livekit,
)
from lite_gateway.cli.state import cache_dir, open_store
from lite_gateway.cli.strength import (
    DEV_LIVEKIT,
    refuse_weak_keys,
    refuse_weak_secrets,
)
from lite_gateway.config import DEV_KEY, Config
from lite_gateway.devserver.build import find_or_build
from lite_gateway.devserver.process import LiveKit, running
from lite_gateway.errors import ConfigError
from lite_gateway.foreign.addresses import LOOPBACK_HOSTS
from lite_gateway.http.connections import is_loopback
from lite_gateway.server import listening, run
from lite_gateway.store.engine import Store
from lite_gateway.telemetry.tracing import wants_traces


def serve(args: argparse.Namespace, env: dict[str, str]) -> int:
    """Run the gateway until it is stopped."""
    config = config_from(args, env)
    require_livekit(config)
    refuse_weak_secrets(config)
    with listening(config) as server_socket:
        store = open_store(config, env)
        api_keys = ApiKeys(config, store)
        refuse_weak_keys(config, api_keys)
        if not api_keys.has_keys:
            fix = "Set it, or run `lite-gateway keys create NAME`."
            raise ConfigError("LITE_API_KEYS", "there is no API key", fix)
        uvloop.run(run(config, server_socket, store, send_traces=wants_traces(env)))
    return 0


def dev(args: argparse.Namespace, env: dict[str, str]) -> int:
    """Run the gateway, a LiveKit server and the demo page until stopped."""
    # LiveKit's development secret is short. That is safe here: it stays on loopback.
    warnings.simplefilter("ignore", jwt.InsecureKeyLengthWarning)
    config, demo_key = with_dev_keys(config_from(args, env))
    # Everything runs on this machine, so a caller's own LiveKit server may too.
    allowed = ",".join((*config.allowed, *LOOPBACK_HOSTS))
    config = dataclasses.replace(config, allowed_hosts=allowed)
    if not is_loopback(config.host):
        problem = f"`dev` listens on loopback only, not on {config.host}"
        raise ConfigError("LITE_HOST", problem, "Use `serve` for other addresses.")
    with listening(config) as server_socket:
        store = open_store(config, env, name="dev.db")
        uvloop.run(
            _run_dev(
                *(config, server_socket, store),
                demo_key=demo_key,
                livekit_port=args.livekit_port,
                cache=cache_dir(env),
            )
        )
    return 0


def with_dev_keys(config: Config) -> tuple[Config, str]:
    """
    Return the settings with the keys of `dev`, and the key of its demo page.

    Programs use the key that everybody knows. The page gets one that only it can read.
    """
    demo_key = secrets.token_urlsafe(24)
    keys = f"{DEV_KEY},{demo_key}"
    return dataclasses.replace(config, api_keys=keys, api_keys_file=""), demo_key


async def _run_dev(
    config: Config,
    server_socket: socket.socket,
    store: Store,
    *,
    demo_key: str,
    livekit_port: int,
    cache: Path,
) -> None:
    if config.livekit_url:
        await run(config, server_socket, store, demo_key=demo_key)
        return
    binary = await asyncio.to_thread(_livekit_binary, cache)
    async with _livekit(binary, livekit_port) as livekit:
        config = dataclasses.replace(
            config,
            livekit_url=livekit.url,
            livekit_api_key=livekit.key,
            livekit_api_secret=livekit.secret,
        )
        await run(config, server_socket, store, demo_key=demo_key, livekit=livekit)


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
