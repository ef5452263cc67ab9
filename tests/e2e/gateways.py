"""Gateways of a test's own, as subprocesses."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[2]
UP_S = 60.0
DOWN_S = 20.0
KEY = "dev"


@dataclass(frozen=True)
class Gateway:
    url: str
    key: str
    log: Path

    def metric(self, name: str, **labels: str) -> float:
        """The value of one line of /metrics; 0 where it is not there yet."""
        inside = ",".join(f'{k}="{v}"' for k, v in sorted(labels.items()))
        line = f"{name}{{{inside}}} " if labels else f"{name} "
        for text in httpx.get(f"{self.url}/metrics").text.splitlines():
            if text.startswith(line):
                return float(text.removeprefix(line))
        return 0.0

    def post(self, path: str, **arguments) -> httpx.Response:
        return httpx.post(self.url + path, timeout=30, **arguments)

    def mint(self, **wanted) -> httpx.Response:
        body = {"avatar_id": "fiducial", "mode": "LITE", **wanted}
        return self.post(
            "/v1/sessions/token", headers={"X-API-KEY": self.key}, json=body
        )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def running_gateway(
    livekit_url: str, key: str, secret: str, log: Path, *, ready: bool = True, **env
) -> Iterator[Gateway]:
    """``lite-gateway dev`` against a LiveKit server; stopped by its own pid."""
    port = free_port()
    settings = {
        "LIVEKIT_URL": livekit_url,
        "LIVEKIT_API_KEY": key,
        "LIVEKIT_API_SECRET": secret,
        **env,
    }
    command = [sys.executable, "-m", "lite_gateway", "dev", "--port", str(port)]
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **settings},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        gateway = Gateway(f"http://127.0.0.1:{port}", KEY, log)
        _wait_until(gateway, "/ready" if ready else "/health", process)
        yield gateway
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(DOWN_S)
        finally:
            process.kill()


def _wait_until(gateway: Gateway, path: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + UP_S
    while time.monotonic() < deadline:
        assert process.poll() is None, gateway.log.read_text()[-2000:]
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(gateway.url + path, timeout=10).status_code == 200:
                return
        time.sleep(0.1)
    raise AssertionError(f"not up in {UP_S} s:\n{gateway.log.read_text()[-2000:]}")
