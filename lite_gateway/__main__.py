"""The command ``lite-gateway``; the one place that reads the environment."""

import argparse
import logging
import os
import sys
from collections.abc import Mapping, Sequence

from lite_gateway.cli import avatars, face, keys, render, secrets, serve, speak, worker
from lite_gateway.client import ServerRefused
from lite_gateway.devserver.process import LiveKitUnavailable
from lite_gateway.errors import GatewayError
from lite_gateway.offline.wav import InvalidWav
from renderer.speech.driver import InvalidFaces

_EPILOG = """\
first steps:
  lite-gateway dev                     a gateway, a LiveKit server and a demo page
  lite-gateway speak hello.wav         say something through it
  lite-gateway render hello.wav -o talk.mp4    the same face into a file
  lite-gateway keys create robot       an API key for a program of yours
  lite-gateway worker                  avatars for LiveKit's own dispatch

Every option of serve, dev and worker is also LITE_<NAME> in the environment.
"""

_EXPECTED = (GatewayError, LiveKitUnavailable, InvalidWav, ServerRefused, InvalidFaces)


def main(
    arguments: Sequence[str] | None = None, environment: Mapping[str, str] | None = None
) -> None:
    """Entry point of the console script; ends in `SystemExit`."""
    parser = argparse.ArgumentParser(
        prog="lite-gateway",
        description="Speech in over a WebSocket, a talking face in a LiveKit room.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    env = dict(os.environ if environment is None else environment)
    for command in (serve, worker, speak, render, face, avatars, keys, secrets):
        command.add_to(commands, env)
    given = parser.parse_args(arguments)
    logging.basicConfig(
        level=env.get("LOG_LEVEL", "INFO"),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    logging.getLogger("alembic").setLevel(logging.WARNING)  # news at every start
    try:
        status = given.run(given)
    except _EXPECTED as wrong:
        sys.exit(f"lite-gateway: {wrong}")
    except KeyboardInterrupt:
        status = 130
    sys.exit(status)


if __name__ == "__main__":
    main()
