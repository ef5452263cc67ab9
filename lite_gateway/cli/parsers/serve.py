"""Options of ``serve`` and ``dev``."""

import argparse
from typing import TYPE_CHECKING

from lite_gateway.cli.settings import add_settings

if TYPE_CHECKING:
    from lite_gateway.cli.parsers import Commands

_WORKER_SETTINGS = ("agent_name",)


def add_to(commands: "Commands", env: dict[str, str]) -> None:
    """Add both commands to the parser."""
    serve = commands.add_parser(
        "serve",
        help="run the gateway with an existing LiveKit server",
        description="Run the gateway. Each option is also an environment variable, "
        "named in brackets.",
    )
    add_settings(serve, _WORKER_SETTINGS)
    serve.set_defaults(run=lambda args: _run_serve(args, env))
    dev = commands.add_parser(
        "dev",
        help="run the gateway with its own LiveKit server and the demo page",
        description="Run everything on this machine, with the API key 'dev'. A LiveKit "
        "server is started too, unless LIVEKIT_URL, LIVEKIT_API_KEY and "
        "LIVEKIT_API_SECRET name a running one.",
    )
    dev.add_argument(
        "--livekit-port",
        type=int,
        default=7880,
        metavar="PORT",
        help="first port to try for the LiveKit server (default: 7880)",
    )
    without = ("api_keys", "api_keys_file", *_WORKER_SETTINGS)
    add_settings(dev, without, {"drain_s": "0"})
    dev.set_defaults(run=lambda args: _run_dev(args, env))


def _run_serve(args: argparse.Namespace, env: dict[str, str]) -> int:
    from lite_gateway.cli.serve import serve

    return serve(args, env)


def _run_dev(args: argparse.Namespace, env: dict[str, str]) -> int:
    from lite_gateway.cli.serve import dev

    return dev(args, env)
