"""Command ``worker``: run the gateway as a worker of LiveKit agent dispatch."""

import argparse

import uvloop

from lite_gateway.auth.api_keys import ApiKeys
from lite_gateway.cli.settings import (
    config_from,
    require_livekit,
)
from lite_gateway.cli.state import open_store
from lite_gateway.cli.strength import refuse_weak_keys, refuse_weak_secrets
from lite_gateway.server import listening, run
from lite_gateway.telemetry.tracing import wants_traces


def work(args: argparse.Namespace, env: dict[str, str]) -> int:
    """Run the gateway as a worker until it is stopped."""
    config = config_from(args, env)
    require_livekit(config)
    refuse_weak_secrets(config)
    with listening(config) as server_socket:
        store = open_store(config, env)
        refuse_weak_keys(config, ApiKeys(config, store))
        send = wants_traces(env)
        uvloop.run(run(config, server_socket, store, as_worker=True, send_traces=send))
    return 0
