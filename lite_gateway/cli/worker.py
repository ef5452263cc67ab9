"""Command ``worker``: run the gateway as a worker of LiveKit agent dispatch."""

import argparse
from typing import TYPE_CHECKING

import uvloop

from lite_gateway.auth.api_keys import ApiKeys
from lite_gateway.cli.settings import (
    add_settings,
    config_from,
    refuse_dev_key,
    require_livekit,
)
from lite_gateway.cli.state import open_store
from lite_gateway.config import DEV_KEY
from lite_gateway.server import listening, run

if TYPE_CHECKING:
    from lite_gateway.cli import Commands

_DESCRIPTION = """\
Run the gateway as `serve` does, and register it with the LiveKit server as an agent.
LiveKit distributes jobs by load among all workers of one agent name. Only clients of
the REST API need API keys.

On SIGTERM the worker takes no more jobs and stops when its running jobs have ended.
A second SIGTERM stops it at once.
"""
_EPILOG = """\
A dispatch (livekit.api: agent_dispatch.create_dispatch) names the agent and the room.
Its metadata is a JSON object. Every field is optional:
  avatar_id             name or id of the avatar (default: LITE_DEFAULT_AVATAR)
  quality               very_high, high, medium, low or WIDTHxHEIGHT
                        (default: LITE_STREAM_QUALITY)
  encoding              H264 or VP8 (default: H264)
  agent_identity        identity of the agent that speaks through the avatar
  avatar_identity       identity of the avatar (default: avatar-NAME)
  max_session_duration  maximum length in seconds
"""


def add_to(commands: "Commands", env: dict[str, str]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "worker",
        help="run the gateway as a worker of LiveKit agent dispatch",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_settings(parser, ())
    parser.set_defaults(run=lambda args: _work(args, env))


def _work(args: argparse.Namespace, env: dict[str, str]) -> int:
    config = config_from(args, env)
    require_livekit(config)
    refuse_dev_key(config, DEV_KEY in config.keys)
    with listening(config) as server_socket:
        store = open_store(config, env)
        refuse_dev_key(config, ApiKeys(config, store).contains(DEV_KEY))
        uvloop.run(run(config, server_socket, store, as_worker=True))
    return 0
