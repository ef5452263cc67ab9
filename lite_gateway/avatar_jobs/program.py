"""Program `creation` as the gateway runs it: arguments, limits, and its lines."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from lite_gateway.avatar_jobs.waiting import JobClock
from lite_gateway.child_process import (
    STOP_GRACE_S,
    ChildEnded,
    close_pipes,
    cut_down,
    first_to_end,
    log_output,
    status_text,
    stop_process,
)
from lite_gateway.config import shipped_avatars

CONSENT = "This is me, or I have this person's consent to make them speak."
STEPS = {
    "face": "finding the face", "fit": "fitting the surface",
    "keyframes": "painting keyframes", "writing": "writing", "done": "done",
}  # fmt: skip
MODULE = "creation.job"
REFUSED = 2  # exit status: nothing was made
_NAME = "avatar job"
_MAX_LINE = 256 << 10  # bytes; that of a face has 10,000
_LAST_LINES_S = 0.5
_CLOCK_S = 2.0  # between two readings of a job's clock

Line = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CreationLimits:
    """
    Bounds of one job. A usual one takes 30 to 60 s of a core, and 1.6 GB.

    ``own_s`` leaves out the time in which others use the processors: a job yields to
    all of them. ``longest_s`` counts it.
    """

    own_s: float = 600.0
    longest_s: float = 3600.0
    processor_s: int = 600
    memory_mb: int = 3000


@dataclass(frozen=True, slots=True)
class CreationOptions:
    """Choices of who makes an avatar; they are checked already."""

    title: str
    by: str  # name of who confirmed `CONSENT`
    confirmed: str  # part of it: me or consent
    background: str = "keep"
    smile: float | None = None
    jaw: float | None = None
    donor: str = ""

    def arguments(self, out: Path, photo: Path) -> list[str]:
        """Return the arguments that make the package ``out``."""
        options: dict[str, object] = {
            "output": out,
            "title": self.title,
            "by": self.by,
            "confirmed": self.confirmed,
            "avatars": shipped_avatars(),
            "background": self.background,
        }
        for name in ("smile", "jaw", "donor"):
            if (value := getattr(self, name)) not in (None, ""):
                options[name] = value
        options_given = (f"--{name}={value}" for name, value in options.items())
        return [*options_given, "--json", "--", str(photo)]


class CreationProgram:
    """Program that runs as a child, one photo at a time."""

    def __init__(
        self,
        environment: Mapping[str, str],
        limits: CreationLimits,
        *,
        module: str = MODULE,
    ) -> None:
        """``environment`` is the gateway's own, of which the child gets a part."""
        self._environment = environment
        self._limits = limits
        self._module = module

    async def run(
        self,
        options: CreationOptions,
        out: Path,
        photo: int,
        report: Callable[[Line], None],
    ) -> None:
        """
        Make the package ``out`` from the file that the descriptor ``photo`` is of.

        ``report`` gets each line. Returns when the program ends, whichever way it tells
        how; raises `ChildEnded` if it dies, and `TimeoutError`. No process is left,
        also if this call is cancelled.
        """
        process = await self._start(options, out, photo)
        assert process.stdout is not None
        assert process.stderr is not None
        lines = process.stdout
        clock, is_late = JobClock(process.pid), False

        async def read() -> None:
            if await _read_lines(lines, report):
                await process.wait()

        async def watch() -> None:
            while clock.own_s < self._limits.own_s:
                if clock.elapsed_s >= self._limits.longest_s:
                    break
                await asyncio.sleep(_CLOCK_S)
                clock.read()
                report({"type": "waiting", "waiting": clock.is_waiting})
            raise TimeoutError

        async with asyncio.TaskGroup() as group:
            log = group.create_task(
                log_output(_NAME, process.stderr), name=f"log of the {_NAME}"
            )
            try:
                await first_to_end(read, watch)
            except TimeoutError:
                is_late = True
            finally:
                await stop_process(process, grace_s=STOP_GRACE_S)
                await asyncio.wait({log}, timeout=_LAST_LINES_S)
                log.cancel()
                close_pipes(process)
        if is_late or process.returncode == -signal.SIGXCPU:
            raise TimeoutError
        if process.returncode not in (0, REFUSED):
            status = status_text(process.returncode or 0)
            raise ChildEnded(f"the {_NAME} ended ({status})")

    async def _start(self, options: CreationOptions, out: Path, photo: int) -> Process:
        # The photo has no name in any folder: it is gone with the last process that has
        # it open, whatever ends that.
        os.lseek(photo, 0, os.SEEK_SET)
        limits = self._limits
        try:
            # -P: no module is taken from the current folder.
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", self._module),
                *(str(limits.memory_mb), str(limits.processor_s)),
                stdin=PIPE,  # closed by the end of the gateway, which ends the program
                stdout=PIPE,
                stderr=PIPE,
                pass_fds=(photo,),
                env={**cut_down(self._environment), "OMP_NUM_THREADS": "1"},
                cwd="/",
                limit=_MAX_LINE,
                start_new_session=True,
            )
        except OSError as error:
            raise ChildEnded(f"the {_NAME} cannot be started: {error}") from None
        # By stdin: other users of the machine can read the arguments of a command.
        assert process.stdin is not None
        arguments = options.arguments(out, Path(f"/dev/fd/{photo}"))
        process.stdin.write(json.dumps(arguments).encode() + b"\n")
        return process


async def _read_lines(
    stream: asyncio.StreamReader, report: Callable[[Line], None]
) -> bool:
    """Report each line that is a JSON object; return False for one that is too long."""
    while True:
        try:
            line = await stream.readline()
        except ValueError:
            return False
        if not line:
            return True
        with contextlib.suppress(orjson.JSONDecodeError):
            value = orjson.loads(line)
            if isinstance(value, dict):
                report(value)
