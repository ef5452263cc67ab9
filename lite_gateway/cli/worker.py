"""``worker``: the gateway where LiveKit's own dispatch sends its avatars' jobs."""

import argparse
from typing import TYPE_CHECKING

import uvloop

from lite_gateway.auth.api_keys import ApiKeys
from lite_gateway.cli.settings import (
    add_settings,
    given_config,
    need_livekit,
    refuse_dev_key,
)
from lite_gateway.cli.state import open_store
from lite_gateway.config import DEV_KEY
from lite_gateway.server import listening, run

if TYPE_CHECKING:
    from lite_gateway.cli import Commands

_EPILOG = """\
A dispatch (livekit.api: agent_dispatch.create_dispatch) names the agent and the room.
Its metadata is a JSON object; every field is optional:
  avatar_id             name or id of the avatar (default: LITE_DEFAULT_AVATAR)
  quality               very_high, high, medium, low or WIDTHxHEIGHT
                        (default: LITE_STREAM_QUALITY)
  encoding              H264 or VP8
  agent_identity        the agent that speaks through the avatar
  avatar_identity       the avatar's own (default: avatar-NAME)
  max_session_duration  in seconds
"""


def add_to(commands: "Commands", env: dict[str, str]) -> None:
    parser = commands.add_parser(
        "worker",
        help="run the gateway as a worker of LiveKit's own dispatch",
        description="Like serve, and registered with the LiveKit server as an agent: "
        "LiveKit shares the sessions out among all workers of one name, by load. "
        "API keys are needed only by callers of REST. SIGTERM: no more jobs, and the "
        "end when those that run are over; a second one: now.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_settings(parser, ())
    parser.set_defaults(run=lambda given: _work(given, env))


def _work(given: argparse.Namespace, env: dict[str, str]) -> int:
    config = given_config(given, env)
    need_livekit(config)
    refuse_dev_key(config, DEV_KEY in config.keys)
    with listening(config) as door:
        store = open_store(config, env)
        refuse_dev_key(config, ApiKeys(config, store).contains(DEV_KEY))
        uvloop.run(run(config, door, store, as_worker=True))
    return 0
