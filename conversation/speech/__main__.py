"""
Built-in speech service: ``python -m conversation.speech [SOCKET]``.

The gateway starts it and names a Unix socket, which it connects to; without one, it
uses standard input and output. It reads ``{"key": ...}`` as the first line, writes
``{"url": ..., "voices": [...], "recognizer": ...}`` as one line when it is ready,
answers each further line by an empty one, and ends at the end of its input. If the
first line is empty, it chooses a key and writes it too.
"""

import asyncio
import logging
import os
import secrets
import signal
import sys
from collections.abc import Callable

import orjson

from conversation.speech.server import serving
from lite_gateway.priority import lower_priority
from lite_gateway.telemetry.logs import log_handler

log = logging.getLogger(__name__)

NICENESS = 10  # below the gateway, whose audio leaves every 20 ms
MIN_KEY = 16  # characters

Write = Callable[[bytes], object]


def main() -> int:
    """Serve until the parent closes the socket or the pipe."""
    if len(sys.argv) > 2:
        sys.exit("usage: python -m conversation.speech [SOCKET]")
    # Libraries may print: their text must not be taken for an answer to the parent.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    handler = log_handler("text", sys.stderr)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    lower_priority(NICENESS)
    # Ctrl-C reaches the whole process group, and the gateway ends its sessions first.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        asyncio.run(_run(sys.argv[1:], answers.write))
    except (OSError, ValueError) as error:
        log.error("built-in speech cannot run: %s", error)  # noqa: TRY400
        return 1
    return 0


async def _run(paths: list[str], write: Write) -> None:
    if paths:
        reader, writer = await asyncio.open_unix_connection(paths[0])
        await _serve(reader, writer.write)
        return
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer
    )
    await _serve(reader, write)


async def _serve(reader: asyncio.StreamReader, write: Write) -> None:
    line = await reader.readline()
    if not line:
        return
    key, chosen = _key(line)
    async with serving(key) as (url, parts):
        has_ears = parts.recognizer is not None
        values = {"url": url, "voices": [*parts.voices], "recognizer": has_ears}
        write(orjson.dumps({**values, **chosen}) + b"\n")
        while await reader.readline():
            write(b"\n")


def _key(line: bytes) -> tuple[str, dict[str, str]]:
    """Return the key of a line, and the key again if it was chosen here."""
    if not line.strip():
        key = secrets.token_urlsafe(24)
        return key, {"key": key}
    try:
        values = orjson.loads(line)
    except orjson.JSONDecodeError:
        values = None
    match values:
        case {"key": str(key)} if len(key) >= MIN_KEY:
            return key, {}
    raise ValueError(
        f'the first line is no key; write {{"key": "..."}} with {MIN_KEY} characters or'
        " more"
    )


if __name__ == "__main__":
    sys.exit(main())
