"""A gateway in a process of its own, as a user starts it, and the LiveKit beside it."""

import contextlib
import itertools
import os
import random
import signal
import socket
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

from lite_gateway.config import PREFIX
from lite_gateway.devserver.process import LiveKit, find_or_build, running

ROOT = Path(__file__).parents[2]
UP_S = 180.0  # on a machine that has others to serve
DOWN_S = 20.0
ANSWER_S = 60.0
KEY = "dev"
# Below those that the kernel gives to whoever connects, before a server has come up.
_PORTS = range(20_000, 32_000)
_numbers = itertools.count(random.randrange(len(_PORTS)))


@dataclass(frozen=True)
class Gateway:
    """A ``lite-gateway dev`` that answers."""

    url: str
    key: str
    pid: int
    log_path: Path

    def call(self, method: str, path: str, body: object = None) -> Any:
        """One REST call with the API key: the envelope's data."""
        answer = httpx.request(
            method,
            self.url + path,
            headers={"X-API-KEY": self.key},
            json=body,
            timeout=ANSWER_S,
        )
        answer.raise_for_status()
        return answer.json()["data"]

    def active(self) -> list[str]:
        """The ids of the sessions that run, newest first."""
        listed = self.call("GET", "/v1/sessions?type=active&page_size=100")
        return [each["id"] for each in listed["results"]]

    def metrics(self) -> dict[str, float]:
        """Every line of /metrics, by name and labels as they stand there."""
        lines = self.get("/metrics").text.splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    def get(self, path: str, **arguments: Any) -> httpx.Response:
        return httpx.get(self.url + path, timeout=ANSWER_S, **arguments)

    def post(self, path: str, **arguments: Any) -> httpx.Response:
        return httpx.post(self.url + path, timeout=ANSWER_S, **arguments)

    def mint(self, **wanted: Any) -> httpx.Response:
        body = {"avatar_id": "fiducial", "mode": "LITE", **wanted}
        headers = {"X-API-KEY": self.key}
        return self.post("/v1/sessions/token", headers=headers, json=body)


def free_port() -> int:
    """Each is told once; those of two processes are far apart, most likely."""
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
    **env: str,
) -> Iterator[Gateway]:
    """``lite-gateway`` against a LiveKit server; stopped by its own pid."""
    port = free_port()
    ours = {name: text for name, text in os.environ.items() if name[:5] != PREFIX}
    there = {
        "LIVEKIT_URL": livekit_url,
        "LIVEKIT_API_KEY": key,
        "LIVEKIT_API_SECRET": secret,
        # Not the user's own, and gone with the log.
        "LITE_DATABASE": str(log_path.with_name(f"{log_path.name}.db")),
    }
    command = [sys.executable, "-m", "lite_gateway", mode, "--port", str(port)]
    with (
        log_path.open("wb") as output,
        subprocess.Popen(
            command,
            cwd=ROOT,
            env={**ours, **there, **env},
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
                process.wait(DOWN_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_until(gateway: Gateway, path: str, process: subprocess.Popen[bytes]) -> None:
    deadline_s = time.monotonic() + UP_S
    while process.poll() is None and time.monotonic() < deadline_s:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(gateway.url + path, timeout=10).status_code == 200:
                return
        time.sleep(0.1)
    told = gateway.log_path.read_text(errors="replace")[-2000:]
    raise AssertionError(f"the gateway was not up within {UP_S:.0f} s:\n{told}")


@dataclass(frozen=True)
class Stack:
    """A LiveKit server and a gateway, for as long as the bench runs."""

    livekit: LiveKit
    gateway: Gateway
    trace: Path | None = None  # where the gateway tells what was when

    def room_token(self, room: str, identity: str) -> str:
        return (
            api.AccessToken(self.livekit.key, self.livekit.secret)
            .with_identity(identity)
            .with_grants(api.VideoGrants(room_join=True, room=room))
            .to_jwt()
        )


@contextlib.contextmanager
def running_stack(cache: Path) -> Iterator[Stack]:
    """Both, built if need be, on free ports of the loopback."""
    binary = find_or_build(lambda text, _: print(text), cache_dir=cache)
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace.jsonl"
        server = running(
            binary,
            port=free_port(),
            secret="a LiveKit secret of at least 32 bytes",
            log_path=Path(folder) / "livekit.log",
        )
        with (
            start_blocking_portal() as portal,
            portal.wrap_async_context_manager(server) as livekit,
            running_gateway(
                livekit.url,
                livekit.key,
                livekit.secret,
                Path(folder) / "gateway.log",
                LITE_TRACE=str(trace),
                LITE_USER_GONE_S="0",  # listeners come and go
            ) as gateway,
        ):
            yield Stack(livekit, gateway, trace)
