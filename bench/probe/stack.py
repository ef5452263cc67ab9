"""Gateway and LiveKit server in processes of their own, started as users do."""

import contextlib
import itertools
import os
import random
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from anyio.from_thread import start_blocking_portal
from livekit import api

from lite_gateway.devserver.process import LiveKit, find_or_build, running
from lite_gateway.setting_fields import PREFIX

ROOT = Path(__file__).parents[2]
START_TIMEOUT_S = 180.0  # on a machine that is busy with other work
STOP_TIMEOUT_S = 20.0
ANSWER_TIMEOUT_S = 60.0
KEY = "dev"
# httpx would load the certificates of the system for each request, which takes 20 ms of
# processor time; tests that wait for an answer ask ten times a second. Nobody has TLS.
_NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
# Below the ephemeral ports, which the kernel may give away before a server has bound.
_PORTS = range(20_000, 32_000)
_numbers = itertools.count(random.randrange(len(_PORTS)))


@dataclass(frozen=True)
class Gateway:
    """Running ``lite-gateway`` process that answers."""

    url: str
    key: str
    pid: int
    log_path: Path

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Make a REST call with the API key and return the envelope's data."""
        headers = {"X-API-KEY": self.key}
        response = request(method, self.url + path, headers=headers, json=body)
        response.raise_for_status()
        return response.json()["data"]

    def active_sessions(self) -> list[str]:
        """Return the ids of the running sessions, newest first."""
        listed = self.call("GET", "/v1/sessions?type=active&page_size=100")
        return [row["id"] for row in listed["results"]]

    def metrics(self) -> dict[str, float]:
        """Return every sample of /metrics, keyed by its name with labels."""
        lines = self.get("/metrics").text.splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    def get(self, path: str, **options: Any) -> httpx.Response:
        return request("GET", self.url + path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return request("POST", self.url + path, **options)

    def create_session(self, **fields: Any) -> httpx.Response:
        """Create a session and its token (``POST /v1/sessions/token``)."""
        body = {"avatar_id": "fiducial", "mode": "LITE", **fields}
        headers = {"X-API-KEY": self.key}
        return self.post("/v1/sessions/token", headers=headers, json=body)


def request(method: str, url: str, **options: Any) -> httpx.Response:
    """Make a request of HTTP to a program on this machine."""
    defaults = {"timeout": ANSWER_TIMEOUT_S, "verify": _NO_CERTIFICATES}
    return httpx.request(method, url, **{**defaults, **options})


def free_port() -> int:
    """
    Return a free port of the loopback, each only once.

    Processes start counting at random places, so that two rarely try the same port.
    """
    while True:
        port = _PORTS[next(_numbers) % len(_PORTS)]
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@contextlib.contextmanager
def running_gateway(
    livekit_url: str,
    key: str,
    secret: str,
    log_path: Path,
    *,
    ready: bool = True,
    mode: str = "dev",
    command: tuple[str, ...] = ("-m", "lite_gateway"),
    folder: Path = ROOT,
    **env: str,
) -> Iterator[Gateway]:
    """
    Run ``lite-gateway`` against a LiveKit server until the context ends.

    Wait for /ready, or only for /health where ``ready`` is false. ``command`` has
    the arguments of Python that start the program, in the checkout ``folder``; ``env``
    extends the environment.
    """
    port = free_port()
    inherited = {name: text for name, text in os.environ.items() if name[:5] != PREFIX}
    own = {
        "LIVEKIT_URL": livekit_url,
        "LIVEKIT_API_KEY": key,
        "LIVEKIT_API_SECRET": secret,
        "LITE_CONVERSATIONS": "off",  # the agent process takes seconds of processor
        "LITE_MAX_SESSIONS": "8",  # whatever this machine is measured to carry
        # A database next to the log instead of the user's own.
        "LITE_DATABASE": str(log_path.with_name(f"{log_path.name}.db")),
    }
    with (
        log_path.open("wb") as output,
        subprocess.Popen(
            [sys.executable, *command, mode, "--port", str(port)],
            cwd=folder,
            env={**inherited, **own, **env},
            stdout=output,
            stderr=output,
        ) as process,
    ):
        try:
            url = f"http://127.0.0.1:{port}"
            gateway = Gateway(url, KEY, process.pid, log_path)
            _wait_until(gateway, "/ready" if ready else "/health", process)
            yield gateway
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_until(gateway: Gateway, path: str, process: subprocess.Popen[bytes]) -> None:
    """Wait for status 200; raise with the end of the log if it does not come."""
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < deadline_s:
        with contextlib.suppress(httpx.TransportError):
            answer = request("GET", gateway.url + path, timeout=10)
            if answer.status_code == 200:
                return
        time.sleep(0.1)
    log = gateway.log_path.read_text(errors="replace")[-2000:]
    raise AssertionError(
        f"the gateway did not answer {path} within {START_TIMEOUT_S:.0f} s; "
        f"its log ends with:\n{log}"
    )


@dataclass(frozen=True)
class Stack:
    """LiveKit server and gateway that a run of the benchmark uses."""

    livekit: LiveKit
    gateway: Gateway
    trace: Path | None = None  # trace file of the gateway

    def room_token(self, room: str, identity: str) -> str:
        """Sign a token with which a participant may join a room."""
        return (
            api.AccessToken(self.livekit.key, self.livekit.secret)
            .with_identity(identity)
            .with_grants(api.VideoGrants(room_join=True, room=room))
            .to_jwt()
        )


@contextlib.contextmanager
def running_livekit(cache: Path, folder: Path) -> Iterator[LiveKit]:
    """Run a LiveKit server on a free port of the loopback; build it if needed."""
    binary = find_or_build(lambda text, _: print(text), cache_dir=cache)
    server = running(
        binary,
        port=free_port(),
        secret="a LiveKit secret of at least 32 bytes",
        log_path=folder / "livekit.log",
    )
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(server) as livekit,
    ):
        yield livekit


@contextlib.contextmanager
def running_stack(cache: Path) -> Iterator[Stack]:
    """Run a LiveKit server and a gateway that writes a trace file."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        trace = folder / "trace.jsonl"
        with (
            running_livekit(cache, folder) as livekit,
            running_gateway(
                livekit.url,
                livekit.key,
                livekit.secret,
                folder / "gateway.log",
                LITE_TRACE=str(trace),
                LITE_USER_GONE_S="0",  # subscribers come and go between scenarios
            ) as gateway,
        ):
            yield Stack(livekit, gateway, trace)
