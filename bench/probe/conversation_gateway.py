"""
Gateway process that also pings its agent process often, and records how long it takes.

Usage: python -m bench.probe.conversation_gateway FOLDER dev --port PORT; settings are
LITE_* variables. FOLDER gets the file "link"; with --wakes also "wakes", the lateness
of the event loop (see `bench.probe.loop_monitor`, whose timer costs some processor).
"""

import argparse
import os
import sys
import time
from pathlib import Path
from typing import BinaryIO

import numpy as np
import uvloop

from bench.probe import loop_monitor
from lite_gateway.__main__ import main as lite_gateway
from lite_gateway.config import Config
from lite_gateway.conversation import agent_process
from lite_gateway.conversation.link import AgentStream, LinkDelay

PERIOD_S = 0.05  # between two pings
LINK, WAKES = "link", "wakes"
_ROW = np.dtype([("at_s", "<f8"), ("to_agent_s", "<f8"), ("to_gateway_s", "<f8")])


class RecordedStream(AgentStream):
    """Stream to the agent process whose pings are written to a file."""

    output: BinaryIO

    async def ping(self) -> LinkDelay:
        delay = await super().ping()
        row = (time.monotonic(), delay.to_agent_s, delay.to_gateway_s)
        self.output.write(np.array([row], _ROW).tobytes())
        return delay


def read_delays(path: Path, since_s: float, until_s: float) -> list[LinkDelay]:
    """Return the delays of the pings that were answered in that time."""
    data = path.read_bytes()
    rows = np.frombuffer(data[: len(data) - len(data) % _ROW.itemsize], _ROW)
    rows = rows[(rows["at_s"] >= since_s) & (rows["at_s"] < until_s)]
    return [LinkDelay(float(row[1]), float(row[2])) for row in rows]


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.probe.conversation_gateway")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--wakes", action="store_true")
    parser.add_argument("mode", choices=["dev"])
    parser.add_argument("--port", required=True)
    args = parser.parse_args()
    env = {**os.environ, "LITE_PORT": args.port}
    with (args.folder / LINK).open("ab", buffering=0) as output:
        RecordedStream.output = output
        setattr(agent_process, "AgentStream", RecordedStream)  # noqa: B010 -- a probe
        agent_process.PING_PERIOD_S = PERIOD_S
        if args.wakes:
            wakes = args.folder / WAKES
            uvloop.run(loop_monitor.serve(Config.from_env(env), wakes))
        else:
            lite_gateway([args.mode, "--port", args.port], env)
    sys.exit(0)


if __name__ == "__main__":
    main()
