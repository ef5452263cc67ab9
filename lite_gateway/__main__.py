"""Command ``lite-gateway``. Only this module reads the environment."""

import argparse
import logging
import os
import sys
from collections.abc import Mapping, Sequence

from lite_gateway import __version__
from lite_gateway.cli.argument_parser import QuietParser
from lite_gateway.cli.parsers import (
    avatars,
    face,
    keys,
    render,
    secrets,
    serve,
    speak,
    state,
    worker,
)
from lite_gateway.errors import GatewayError
from lite_gateway.foreign.text import foreign_text
from lite_gateway.telemetry import logs

log = logging.getLogger(__name__)

_DESCRIPTION = """\
Avatar server for voice pipelines. It receives speech over a WebSocket or a
LiveKit data stream and sends a talking avatar to a LiveKit room.
"""
_MAX_ERROR = 2000  # characters
_EPILOG = """\
first steps:
  lite-gateway dev                 run a gateway, a LiveKit server and a demo page
  lite-gateway speak hello.wav     play a sound file through that gateway
  lite-gateway render hello.wav -o talk.mp4    render the same avatar to a file
  lite-gateway keys create robot   create an API key for a program of yours
  lite-gateway worker              serve avatars to LiveKit agent dispatch

Every option of serve, dev and worker is also an environment variable. Their --help
names it in brackets, such as [LITE_PORT]. LOG_LEVEL is the least level that is logged:
DEBUG, INFO (the default), WARNING, ERROR or CRITICAL.

exit status:
  0 done, 1 failed, 2 wrong usage, 130 after Ctrl-C. The reason is on stderr. `avatars
  create` ends with 2 also where the photo does not do.
"""


def main(
    arguments: Sequence[str] | None = None, environment: Mapping[str, str] | None = None
) -> None:
    """Run one command and raise `SystemExit` with its status."""
    parser = QuietParser(
        prog="lite-gateway",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--version", action="version", version=f"lite-gateway {__version__}"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    env = dict(os.environ if environment is None else environment)
    for command in (serve, worker, speak, render, face, avatars, keys, secrets, state):
        command.add_to(commands, env)
    args = parser.parse_args(arguments)
    # Only some commands have the option; for the others the environment says it.
    style = getattr(args, "log_format", None) or env.get("LITE_LOG_FORMAT", "text")
    try:
        logs.configure(env.get("LOG_LEVEL", "INFO"), style)
        status = args.run(args)
    except GatewayError as error:  # any other error is a bug: a traceback
        if style == "json":
            log.critical("%s", error)
            sys.exit(1)
        sys.exit(f"lite-gateway: {foreign_text(error, limit=_MAX_ERROR)}")
    except KeyboardInterrupt:
        status = 130
    sys.exit(status)


if __name__ == "__main__":
    main()
