"""
A LiveKit server at hand, run as a child of this process.

On Linux the server ends when the thread that started it does, however that comes
about: start it from the thread whose event loop goes on using it.
"""

import asyncio
import errno
import ipaddress
import json
import logging
import os
import signal
import socket
import sys
import tempfile
from asyncio.subprocess import STDOUT, Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from lite_gateway.devserver.build import (
    LAST_LINES,
    OTHER_WAYS,
    LiveKitUnavailable,
    find_or_build,
)

__all__ = ["LiveKit", "LiveKitUnavailable", "find_or_build", "running"]

log = logging.getLogger(__name__)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

START_TIMEOUT_S = 30.0
POLL_S = 0.02
# Asked once, LiveKit waits for its participants to leave; asked twice, it goes.
STOP_GRACES_S = (0.5, 3.0)
LISTENING = "starting LiveKit server"  # logged by LiveKit once its ports are open
DISCARD_PORT = 9
PORT_LOST = "address already in use"

# A bare interpreter that has the kernel kill it when its parent dies, and then
# becomes the server: the wish survives exec. 1 is PR_SET_PDEATHSIG.
TETHER = """
import ctypes, os, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, 9)
if os.getppid() == int(sys.argv[1]):
    try:
        os.execv(sys.argv[2], sys.argv[2:])
    except OSError as failed:
        sys.exit(f"{sys.argv[2]}: {failed.strerror}")
"""


@dataclass(frozen=True, slots=True)
class LiveKit:
    """A server that runs and answers."""

    url: str
    key: str
    secret: str = field(repr=False)
    log_path: Path
    _process: Process = field(repr=False)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def wait_exited(self) -> str:
        """Wait until the server ends, by itself or not; the words for a log."""
        status = await self._process.wait()
        return f"the LiveKit server ended ({status}){_last_lines(self.log_path)}"


@dataclass(frozen=True, slots=True)
class _Plan:
    """What to run, but for its ports."""

    binary: Path
    host: Address
    key: str
    secret: str = field(repr=False)
    log_path: Path


class _PortTaken(Exception):
    """Someone else listens there."""


@asynccontextmanager
async def running(
    binary: Path,
    *,
    port: int = 7880,
    host: str = "127.0.0.1",
    key: str = "devkey",
    secret: str = "secret",
    log_path: Path,
    port_search: int = 20,
) -> AsyncIterator[LiveKit]:
    """
    A LiveKit server that answers, for as long as the block lasts.

    Where ``port`` is taken, the next ``port_search`` ones are tried. The log is
    written anew, by this server alone: each needs a path of its own.
    """
    plan = _Plan(binary, _address(host), key, secret, log_path)
    async with AsyncExitStack() as stack:
        livekit = await _start_at_first_free(plan, port, port_search, stack)
        log.info("livekit server answers at %s, log in %s", livekit.url, log_path)
        yield livekit


def _address(host: str) -> Address:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        raise LiveKitUnavailable(
            f"the LiveKit server cannot listen on {host!r}; it needs an IP address of"
            " this machine, such as 127.0.0.1"
        ) from None


async def _start_at_first_free(
    plan: _Plan, first: int, search: int, stack: AsyncExitStack
) -> LiveKit:
    for port in range(first, min(first + search, 65535) + 1):
        try:
            process = await _start(plan, port, stack)
        except _PortTaken:
            log.info("port %d is taken", port)
            continue
        url = f"ws://{_authority(plan.host, port)}"
        return LiveKit(url, plan.key, plan.secret, plan.log_path, process)
    through = f"ports {first} to {first + search} are" if search else f"port {first} is"
    raise LiveKitUnavailable(
        f"{through} taken on {plan.host}, so the LiveKit server has nowhere to listen:"
        f" end what listens there, choose another with --livekit-port, or {OTHER_WAYS}"
    )


async def _start(plan: _Plan, port: int, stack: AsyncExitStack) -> Process:
    """Once healthy the server's end is the stack's business, until then ours."""
    _check_free(plan.host, port)
    async with AsyncExitStack() as attempt:
        process = await _spawn(plan, _config(plan, port))
        attempt.push_async_callback(_stop, process)
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await _until_healthy(plan, port, process)
        except TimeoutError:
            raise LiveKitUnavailable(
                f"the LiveKit server did not answer on {_authority(plan.host, port)}"
                f" within {START_TIMEOUT_S:.0f} s{_last_lines(plan.log_path)}"
            ) from None
        stack.push_async_exit(attempt.pop_all())
        return process


def _check_free(host: Address, port: int) -> None:
    """Quicker and clearer than letting the server find out."""
    with socket.socket(_family(host), socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((str(host), port))
        except OSError as failed:
            if failed.errno == errno.EADDRINUSE:
                raise _PortTaken from failed
            raise LiveKitUnavailable(
                f"the LiveKit server cannot listen on {host}, port {port}:"
                f" {failed.strerror}; it needs an address of this machine and a port"
                " from 1024 to 65535"
            ) from failed


def _free_udp_port(host: Address) -> int:
    with socket.socket(_family(host), socket.SOCK_DGRAM) as probe:
        probe.bind((str(host), 0))
        port: int = probe.getsockname()[1]
        return port


def _family(host: Address) -> socket.AddressFamily:
    return socket.AF_INET6 if host.version == 6 else socket.AF_INET


def _reachable(host: Address) -> str:
    """Where this machine finds a server that listens on ``host``."""
    if not host.is_unspecified:
        return str(host)
    return "::1" if host.version == 6 else "127.0.0.1"


def _authority(host: Address, port: int) -> str:
    reachable = _reachable(host)
    return f"[{reachable}]:{port}" if host.version == 6 else f"{reachable}:{port}"


def _config(plan: _Plan, port: int) -> str:
    """JSON, which is YAML too. Media stays on ``host``: UDP there and no TCP."""
    rtc: dict[str, object] = {"udp_port": _free_udp_port(plan.host), "tcp_port": 0}
    if not plan.host.is_unspecified:
        only_here = [f"{plan.host}/{plan.host.max_prefixlen}"]
        rtc |= {"node_ip": str(plan.host), "ips": {"includes": only_here}}
    if plan.host.is_loopback:
        # Clients would otherwise be told to ask public STUN servers who they are.
        # It must not be the media port: they take all it sends for STUN then.
        nobody = [_authority(plan.host, DISCARD_PORT)]
        rtc |= {"enable_loopback_candidate": True, "stun_servers": nobody}
    return json.dumps(
        {
            "port": port,
            "bind_addresses": [str(plan.host)],
            "keys": {plan.key: plan.secret},
            "rtc": rtc,
            "logging": {"level": "info", "json": False},
        }
    )


async def _spawn(plan: _Plan, config: str) -> Process:
    plan.log_path.parent.mkdir(parents=True, exist_ok=True)
    tether = [sys.executable, "-I", "-S", "-c", TETHER, str(os.getpid())]
    # Settings go in by stdin: secrets on a command line can be read by anyone.
    server = [str(plan.binary), "--dev", "--config", "/dev/stdin"]
    with tempfile.TemporaryFile() as stdin, plan.log_path.open("wb") as stdout:
        stdin.write(config.encode())
        stdin.seek(0)
        return await asyncio.create_subprocess_exec(
            *tether,
            *server,
            stdin=stdin,
            stdout=stdout,
            stderr=STDOUT,
            start_new_session=True,  # Ctrl-C is for us; we stop the server
        )


async def _until_healthy(plan: _Plan, port: int, process: Process) -> None:
    """
    An answer alone could come from another server that took the port just before
    ours; only ours writes to our log.
    """
    while not (_says(plan, LISTENING) and await _answers(plan.host, port)):
        if process.returncode is not None:
            if _says(plan, PORT_LOST):
                raise _PortTaken
            raise LiveKitUnavailable(
                f"the LiveKit server {plan.binary} ended at once"
                f" ({process.returncode}){_last_lines(plan.log_path)}"
            )
        await asyncio.sleep(POLL_S)  # nothing tells us when another process is up


def _says(plan: _Plan, words: str) -> bool:
    return words in plan.log_path.read_text(errors="replace")


async def _answers(host: Address, port: int) -> bool:
    try:
        reader, writer = await asyncio.open_connection(_reachable(host), port)
        try:
            writer.write(b"GET / HTTP/1.0\r\n\r\n")
            return b" 200 " in await reader.readline()
        finally:
            writer.close()
    except OSError:
        return False


def _last_lines(log_path: Path) -> str:
    lines = log_path.read_text(errors="replace").splitlines()[-LAST_LINES:]
    said = "".join(f"\n  {line}" for line in lines) or " nothing"
    return f"; the end of {log_path}:{said}"


async def _stop(process: Process) -> None:
    try:
        for grace_s in STOP_GRACES_S:
            _signal(process, signal.SIGTERM)
            with suppress(TimeoutError):
                async with asyncio.timeout(grace_s):
                    await process.wait()
                    return
    finally:
        _signal(process, signal.SIGKILL)
        await process.wait()


def _signal(process: Process, number: signal.Signals) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
