"""Process of the counterpart."""

import argparse
import asyncio
import contextlib
import json
import signal
import sys
import threading
from pathlib import Path

from aiohttp import web

from tests.openai_counterpart.script import Script
from tests.openai_counterpart.server import application


def main() -> None:
    """Serve until a signal, or until stdin closes."""
    parser = argparse.ArgumentParser(
        prog="tests.openai_counterpart", description=__doc__
    )
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    parser.add_argument("--script", type=Path, help="JSON file with rules")
    parser.add_argument(
        "--with-parent", action="store_true", help="end when stdin is closed"
    )
    args = parser.parse_args()
    script = Script()
    if args.script:
        script.update(json.loads(args.script.read_text()))
    asyncio.run(_serve(args.port, script, with_parent=args.with_parent))


async def _serve(port: int, script: Script, *, with_parent: bool) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if with_parent:
        threading.Thread(target=_await_end, args=(loop, stop), daemon=True).start()
    # A client that leaves ends the answer that it waits for.
    runner = web.AppRunner(
        application(script), handler_cancellation=True, shutdown_timeout=0.2
    )
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    print(
        json.dumps({"url": f"{address}/v1", "control": f"{address}/control"}),
        flush=True,
    )
    try:
        await stop.wait()
    finally:
        await runner.cleanup()


def _await_end(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    sys.stdin.read()
    with contextlib.suppress(RuntimeError):  # the loop is closed
        loop.call_soon_threadsafe(stop.set)


if __name__ == "__main__":
    main()
