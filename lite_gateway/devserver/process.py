"""
LiveKit server that runs as a child of this process.

On Linux, the kernel kills the server when the thread that started it ends, for any
reason. Start it from the thread whose event loop uses it.
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
    ALTERNATIVES,
    LAST_LINES,
    LiveKitUnavailable,
    find_or_build,
)

__all__ = ["LiveKit", "LiveKitUnavailable", "find_or_build", "running"]

log = logging.getLogger(__name__)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# RFC 5737 and RFC 3849: no machine has these addresses.
ELSEWHERE = {4: ("198.51.100.1", 9), 6: ("2001:db8::1", 9)}
START_TIMEOUT_S = 30.0
POLL_S = 0.02
# Times to wait after each SIGTERM. After the first, LiveKit waits for its participants
# to leave; after the second, it exits.
STOP_GRACES_S = (0.5, 3.0)
LOG_LISTENING = "starting LiveKit server"  # logged when its ports are open
LOG_PORT_IN_USE = "address already in use"
LOG_MEDIA_PORT_IN_USE = "listen udp"
MAX_MEDIA_PORTS = 5  # tried for one server
# IANA assigns this port to no service, and browsers do not block it.
UNASSIGNED_PORT = 4
# Least time between two requests for a keyframe. A viewer who misses the first keyframe
# of a track sees nothing until the next request is allowed: LiveKit's 500 ms and more
# are meant for networks.
KEYFRAME_REQUEST_GAP = "100ms"

# Program that makes the kernel kill it with SIGKILL (9) when its parent dies, and then
# becomes the server; exec keeps the setting. 1 is PR_SET_PDEATHSIG.
EXEC_TIED_TO_PARENT = """
import ctypes, os, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, 9)
if os.getppid() == int(sys.argv[1]):
    try:
        os.execv(sys.argv[2], sys.argv[2:])
    except OSError as error:
        sys.exit(f"{sys.argv[2]}: {error.strerror}")
"""


@dataclass(frozen=True, slots=True)
class LiveKit:
    """Running LiveKit server: its URL, keys and log."""

    url: str
    key: str
    secret: str = field(repr=False)
    log_path: Path
    _process: Process = field(repr=False)

    @property
    def pid(self) -> int:
        """Process id of the server."""
        return self._process.pid

    async def wait_exited(self) -> str:
        """Wait until the server ends; return a text for the log."""
        status = await self._process.wait()
        return f"the LiveKit server ended ({status}){_last_lines(self.log_path)}"


@dataclass(frozen=True, slots=True)
class _Plan:
    """Settings of a server, except its ports."""

    binary: Path
    host: Address
    key: str
    secret: str = field(repr=False)
    log_path: Path


class _PortInUse(Exception):
    """Another process listens on the port."""


class _MediaPortInUse(Exception):
    """Another process took the UDP port before the server opened it."""


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
    Run a LiveKit server while the block runs; yield it when it answers.

    If ``port`` is in use, the next ``port_search`` ports are tried. The log file is
    overwritten, so each server needs its own.
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
            f"the LiveKit server cannot listen on {host!r}. Use an IP address of this"
            " machine, such as 127.0.0.1"
        ) from None


async def _start_at_first_free(
    plan: _Plan, first: int, search: int, stack: AsyncExitStack
) -> LiveKit:
    for port in range(first, min(first + search, 65535) + 1):
        try:
            process = await _start_with_media_port(plan, port, stack)
        except _PortInUse:
            log.info("port %d is in use", port)
            continue
        url = f"ws://{_authority(plan.host, port)}"
        return LiveKit(url, plan.key, plan.secret, plan.log_path, process)
    ports = f"ports {first} to {first + search} are" if search else f"port {first} is"
    raise LiveKitUnavailable(
        f"the LiveKit server cannot listen: {ports} in use on {plan.host}. Stop the"
        f" program that listens there, choose another port with --livekit-port, or"
        f" {ALTERNATIVES}"
    )


async def _start_with_media_port(
    plan: _Plan, port: int, stack: AsyncExitStack
) -> Process:
    """
    Start a server with a UDP port of the kernel's choice.

    The kernel may give that port to another process before the server opens it. Only
    the server can find that out, so it is started again with another one.
    """
    for _ in range(MAX_MEDIA_PORTS):
        with suppress(_MediaPortInUse):
            return await _start(plan, port, stack)
        log.info("the UDP port was taken before the server started")
    raise LiveKitUnavailable(
        f"the LiveKit server cannot listen: {MAX_MEDIA_PORTS} free UDP ports of"
        f" {plan.host} were taken before it opened them. Start again, or {ALTERNATIVES}"
    )


async def _start(plan: _Plan, port: int, stack: AsyncExitStack) -> Process:
    """Start a server; ``stack`` stops it once it answers, this function until then."""
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
    """Check the port first: it is faster than a failed start, with a clearer error."""
    with socket.socket(_family(host), socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((str(host), port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise _PortInUse from error
            raise LiveKitUnavailable(
                f"the LiveKit server cannot listen on {host}, port {port}:"
                f" {error.strerror}. Use an address of this machine and a port"
                " from 1024 to 65535"
            ) from error


def _free_udp_port(host: Address) -> int:
    with socket.socket(_family(host), socket.SOCK_DGRAM) as probe:
        probe.bind((str(host), 0))
        port: int = probe.getsockname()[1]
        return port


def _media_address(host: Address) -> Address:
    """
    Return the address from which this machine sends to others, in place of loopback.

    A machine without a network keeps loopback.
    """
    if not host.is_loopback:
        return host
    with socket.socket(_family(host), socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(ELSEWHERE[host.version])  # sends nothing
        except OSError:
            return host
        own = ipaddress.ip_address(probe.getsockname()[0])
        return host if own.is_unspecified or own.is_link_local else own


def _family(host: Address) -> socket.AddressFamily:
    return socket.AF_INET6 if host.version == 6 else socket.AF_INET


def _reachable(host: Address) -> str:
    """Return an address at which this machine reaches a server on ``host``."""
    if not host.is_unspecified:
        return str(host)
    return "::1" if host.version == 6 else "127.0.0.1"


def _authority(host: Address, port: int) -> str:
    reachable = _reachable(host)
    return f"[{reachable}]:{port}" if host.version == 6 else f"{reachable}:{port}"


def _config(plan: _Plan, port: int) -> str:
    """
    Return the server's settings as JSON, which is YAML too.

    Media uses UDP on one address: ``host``, or in place of loopback the machine's own
    address, because Firefox sends nothing over loopback and fails if it may choose. The
    server answers there only to who knows the secrets of a connection, which it tells
    over ``port``, and that stays on loopback.
    """
    host = _media_address(plan.host)
    layers = ("low_quality", "mid_quality", "high_quality")
    rtc: dict[str, object] = {
        "udp_port": _free_udp_port(host),
        "tcp_port": 0,
        "pli_throttle": dict.fromkeys(layers, KEYFRAME_REQUEST_GAP),
    }
    if not host.is_unspecified:
        networks = [f"{host}/{host.max_prefixlen}"]
        rtc |= {"node_ip": str(host), "ips": {"includes": networks}}
    if host.is_loopback:
        rtc |= {"enable_loopback_candidate": True}
    if plan.host.is_loopback:
        # By default, LiveKit tells clients to use public STUN servers. The address here
        # must not be the media port: clients would take its packets for STUN.
        rtc |= {"stun_servers": [_authority(plan.host, UNASSIGNED_PORT)]}
    return json.dumps(
        {
            "port": port,
            "bind_addresses": [str(plan.host)],
            "keys": {plan.key: plan.secret},
            "rtc": rtc,
            # As in the rooms that the gateway creates, see `LiveKitServerApi.create`.
            "room": {"sync_streams": True},
            "logging": {"level": "info", "json": False},
        }
    )


async def _spawn(plan: _Plan, config: str) -> Process:
    plan.log_path.parent.mkdir(parents=True, exist_ok=True)
    launcher = [sys.executable, "-I", "-S", "-c", EXEC_TIED_TO_PARENT, str(os.getpid())]
    # The settings go to stdin, because other users can read command lines.
    server = [str(plan.binary), "--dev", "--config", "/dev/stdin"]
    with tempfile.TemporaryFile() as stdin, plan.log_path.open("wb") as stdout:
        stdin.write(config.encode())
        stdin.seek(0)
        return await asyncio.create_subprocess_exec(
            *launcher,
            *server,
            stdin=stdin,
            stdout=stdout,
            stderr=STDOUT,
            # Ctrl-C must not stop the server before the gateway.
            start_new_session=True,
        )


async def _until_healthy(plan: _Plan, port: int, process: Process) -> None:
    """
    Wait until the server has logged that it listens, and answers.

    An answer alone could come from another server that took the port just before.
    """
    while not (_has_logged(plan, LOG_LISTENING) and await _answers(plan.host, port)):
        if process.returncode is not None:
            if _has_logged(plan, LOG_PORT_IN_USE):
                media = _has_logged(plan, LOG_MEDIA_PORT_IN_USE)
                raise _MediaPortInUse if media else _PortInUse
            raise LiveKitUnavailable(
                f"the LiveKit server {plan.binary} ended at once"
                f" ({process.returncode}){_last_lines(plan.log_path)}"
            )
        await asyncio.sleep(POLL_S)  # there is no event for the readiness of a process


def _has_logged(plan: _Plan, text: str) -> bool:
    return text in plan.log_path.read_text(errors="replace")


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
    end = "".join(f"\n  {line}" for line in lines) or " (empty)"
    return f"; the end of {log_path}:{end}"


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
