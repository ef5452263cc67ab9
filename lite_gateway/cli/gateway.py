"""Gateway of the commands: its store, its keys, its run until it is stopped."""

import socket
from concurrent.futures import Future

import uvloop

from lite_gateway.auth.api_keys import ApiKeys
from lite_gateway.cli.state import open_store
from lite_gateway.cli.strength import refuse_weak_keys
from lite_gateway.config import Config
from lite_gateway.devserver.process import LiveKit
from lite_gateway.errors import ConfigError
from lite_gateway.preparation import Preparation
from lite_gateway.server import run
from lite_gateway.telemetry.tracing import wants_traces


def serve_until_stopped(
    config: Config,
    server_socket: socket.socket,
    env: dict[str, str],
    preparation: Future[Preparation],
    *,
    as_worker: bool,
) -> None:
    """Run a gateway, also as a worker, that others can reach."""
    store = open_store(config, env)
    api_keys = ApiKeys(config, store)
    refuse_weak_keys(config, api_keys)
    if not as_worker and not api_keys.has_keys:
        fix = "Set it, or run `lite-gateway keys create NAME`."
        raise ConfigError("LITE_API_KEYS", "there is no API key", fix)
    uvloop.run(
        run(
            *(config, server_socket, store),
            preparation=preparation,
            as_worker=as_worker,
            send_traces=wants_traces(env),
            environment=env,
        )
    )


async def run_dev(
    config: Config,
    server_socket: socket.socket,
    env: dict[str, str],
    preparation: Future[Preparation],
    demo_key: str,
    livekit: LiveKit | None,
) -> None:
    """Run the gateway of `dev` until it is stopped, or its LiveKit server ends."""
    store = open_store(config, env, name="dev.db")
    await run(
        *(config, server_socket, store),
        preparation=preparation,
        demo_key=demo_key,
        livekit=livekit,
        environment=env,
    )
