"""Options of ``worker``."""

import argparse
from typing import TYPE_CHECKING

from lite_gateway.cli.settings import add_settings

if TYPE_CHECKING:
    from lite_gateway.cli.parsers import Commands

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
    add_settings(parser, (), {"drain_s": "600"})
    parser.set_defaults(run=lambda args: _run(args, env))


def _run(args: argparse.Namespace, env: dict[str, str]) -> int:
    from lite_gateway.cli.serve import work

    return work(args, env)
