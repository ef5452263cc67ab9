"""
Python module that runs as a child of the gateway.

Its arguments name no secret, its environment holds none, and its stderr is part of the
gateway's log, cleaned like all texts of others.
"""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Mapping,
    Sequence,
)
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import lite_gateway
from lite_gateway.errors import GatewayError
from lite_gateway.foreign.text import MAX_LOG_CHARACTERS, foreign_text
from lite_gateway.supervisor import Policy
from lite_gateway.token_bucket import TokenBucket

log = logging.getLogger(__name__)

# A child that dies is started again after 1, 2, 4 .. 30 s.
RESTART_CHILD = Policy(first_restart_s=1.0)
# What programs and TLS need. No setting of the gateway, no key, no proxy.
_INHERITED = (
    *("PATH", "HOME", "USER", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "TZ"),
    *("TMPDIR", "XDG_CACHE_HOME", "LD_LIBRARY_PATH", "PYTHONDONTWRITEBYTECODE"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR"),
)
STOP_GRACE_S = 2.0  # between SIGTERM and SIGKILL
_LAST_LINES_S = 0.5
_MAX_LINE = 16 << 10  # bytes; the rest of a longer line is another line
_MAX_LINES, _LINES_PER_S = 500, 50.0  # that a child may log
_LEVELS = {
    name: level
    for name, level in logging.getLevelNamesMapping().items()
    if name in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
}


class ChildEnded(GatewayError):
    """Child process that ended, hung or wrote nonsense; the text says which."""


class StreamClosed(ChildEnded):
    """Stream that a child has closed: a part of it has died, or all of it."""


@dataclass(frozen=True, slots=True)
class ChildProgram:
    """
    Module of Python that runs as a child.

    ``environment`` is the gateway's own; `cut_down` of it is handed on.
    """

    name: str  # in the log
    module: str
    environment: Mapping[str, str]


def cut_down(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the part of an environment that a child gets, and its search path."""
    kept = {name: environment[name] for name in _INHERITED if name in environment}
    # The gateway may have found its packages in the folder that it was started in.
    # The child forks, which only a process without threads may.
    kept["OPENBLAS_NUM_THREADS"] = "1"
    return {**kept, "PYTHONPATH": str(Path(lite_gateway.__file__).parents[1])}


async def run_child(
    program: ChildProgram,
    arguments: Sequence[str],
    serve: Callable[[], Awaitable[None]],
    *,
    secrets: Callable[[], Iterable[str]] = tuple,
    ends_alone_s: float = 0.0,
) -> NoReturn:
    """
    Run a child, and ``serve`` beside it, until one of them ends; raise `ChildEnded`.

    A child that is still there then is killed. If this call is cancelled, the child has
    ``ends_alone_s`` to notice that, then it gets SIGTERM, and `STOP_GRACE_S` later
    SIGKILL. ``secrets`` returns the values that must not appear in the log.
    """
    process = await _start(program, arguments)
    assert process.stdout is not None
    log.info("%s started, pid=%d", program.name, process.pid)
    ended, grace_s = ChildEnded(f"{program.name} ended"), STOP_GRACE_S + ends_alone_s
    async with asyncio.TaskGroup() as group:
        lines = group.create_task(
            log_output(program.name, process.stdout, secrets),
            name=f"log of {program.name}",
        )
        try:
            await first_to_end(lambda: _exit_of(program, process), serve)
        except ChildEnded as error:
            ended, grace_s = error, 0.0
        finally:
            await stop_process(process, ends_alone_s=ends_alone_s, grace_s=grace_s)
            # The last lines say why; grandchildren may hold the pipe open.
            await asyncio.wait({lines}, timeout=_LAST_LINES_S)
            lines.cancel()
            close_pipes(process)
    raise ended


async def first_to_end(*works: Callable[[], Awaitable[None]]) -> None:
    """Run all; when one ends, cancel the others, and raise its error if it has one."""
    outcome: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception as error:  # boundary: raised below, alone and not in a group
            if not outcome.done():
                outcome.set_exception(error)
        else:
            if not outcome.done():
                outcome.set_result(None)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(run(work)) for work in works]
        try:
            await asyncio.wait({outcome})
        finally:
            if outcome.done():
                outcome.exception()  # read, also if this call is cancelled
            for task in tasks:
                task.cancel()
    outcome.result()


async def _start(program: ChildProgram, arguments: Sequence[str]) -> Process:
    try:
        # -P: no module is taken from the current folder.
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", program.module, *arguments),
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
            env=cut_down(program.environment),
            cwd="/",
            limit=_MAX_LINE,
            start_new_session=True,  # Ctrl-C must not end it before the sessions
        )
    except OSError as error:
        raise ChildEnded(f"{program.name} cannot be started: {error}") from None


async def _exit_of(program: ChildProgram, process: Process) -> None:
    status = await process.wait()
    raise ChildEnded(f"{program.name} ended ({status_text(status)})")


def status_text(status: int) -> str:
    """Return the exit status of a child for people."""
    if status >= 0:
        return f"status {status}"
    with contextlib.suppress(ValueError):
        return signal.Signals(-status).name
    return f"signal {-status}"


async def stop_process(
    process: Process, *, ends_alone_s: float = 0.0, grace_s: float
) -> None:
    """
    End a child that leads a session, and its own children.

    It may end by itself for ``grace_s``, and gets SIGTERM after a part of that.
    """
    try:
        async with asyncio.timeout(grace_s):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ends_alone_s):
                    await process.wait()
            _signal(process, signal.SIGTERM)
            await process.wait()
    except TimeoutError:
        pass
    finally:
        _signal(process, signal.SIGKILL)
        await process.wait()


def close_pipes(process: Process) -> None:
    """Close the pipes of a child that has ended; its children may hold them open."""
    # asyncio waits for their ends, and offers nothing public to close them.
    process._transport.close()  # type: ignore[attr-defined]


def _signal(process: Process, number: signal.Signals) -> None:
    """Send a signal to the child and to its own children."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)


async def log_output(
    name: str,
    stream: asyncio.StreamReader,
    secrets: Callable[[], Iterable[str]] = tuple,
) -> None:
    """Log each line; a line of a traceback has the level of the line before it."""
    loop = asyncio.get_running_loop()
    bucket = TokenBucket(_MAX_LINES, _LINES_PER_S, loop.time())
    level, dropped = logging.INFO, 0
    async for line in _lines(stream):
        if bucket.acquire(loop.time()):
            dropped += 1
            continue
        if dropped:
            log.warning("%s logged too much, lines_dropped=%d", name, dropped)
            dropped = 0
        word, _, rest = line.partition(" ")
        if word in _LEVELS:
            level, line = _LEVELS[word], rest
        text = foreign_text(line, secrets=secrets(), limit=MAX_LOG_CHARACTERS)
        log.log(level, "%s: %s", name, text)


async def _lines(stream: asyncio.StreamReader) -> AsyncIterator[str]:
    """Yield lines; one that is too long comes in pieces."""
    while True:
        try:
            line = await stream.readuntil(b"\n")
        except asyncio.IncompleteReadError as end:
            if end.partial:
                yield end.partial.decode("utf-8", "replace")
            return
        except asyncio.LimitOverrunError as error:
            line = await stream.readexactly(max(1, error.consumed))
        yield line.decode("utf-8", "replace").rstrip("\r\n")
