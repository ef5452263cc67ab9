"""Counterpart as tests use it: a process, and calls that script and read it."""

import base64
import contextlib
import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).parents[2]
_START_S = 120.0


@dataclass(frozen=True, slots=True)
class RunningCounterpart:
    """Counterpart that runs. ``url`` is the base URL of an endpoint."""

    url: str
    control: str

    def script(self, **parts: Any) -> None:
        """Replace parts of the script; see `tests.openai_counterpart.script`."""
        self._post("", parts)

    def reset(self) -> None:
        """Forget script, clips and records."""
        self._post("/reset", {})

    def teach(
        self, name: str, words: str, pcm: NDArray[np.int16], rate: int = 24_000
    ) -> None:
        """Let the counterpart recognise a clip."""
        data = base64.b64encode(pcm.astype("<i2").tobytes()).decode()
        self._post("/clips", {"name": name, "words": words, "pcm": data, "rate": rate})

    def requests(self, part: str = "") -> list[dict[str, Any]]:
        """Return the requests of a part, such as ``chat``; all without one."""
        found: list[dict[str, Any]] = self._get("/requests")
        return [each for each in found if part in ("", each["part"])]

    def connections(self) -> list[dict[str, Any]]:
        """Return the connections of Realtime, with all their events."""
        found: list[dict[str, Any]] = self._get("/realtime")
        return found

    def refused(self) -> list[dict[str, Any]]:
        """Return the events of clients that Realtime has refused."""
        return [each for one in self.connections() for each in one["refused"]]

    def broken(self) -> list[str]:
        """Return what is wrong with events that the counterpart has sent."""
        return [each for one in self.connections() for each in one["broken"]]

    def drop(self, **which: Any) -> None:
        """Break the connections of Realtime; ``key`` picks those of one key."""
        self._post("/realtime", {"do": "drop", **which})

    def close(self, code: int = 1001, reason: str = "", **which: Any) -> None:
        """Close the connections of Realtime with a code."""
        body = {"do": "close", "code": code, "reason": reason, **which}
        self._post("/realtime", body)

    def send_error(self, message: str, **error: Any) -> None:
        """Send an error event to all connections of Realtime."""
        body = {"do": "error", "error": {"message": message, **error}}
        self._post("/realtime", body)

    def _post(self, path: str, body: dict[str, Any]) -> None:
        request = urllib.request.Request(
            self.control + path,
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        try:
            _open(request)
        except urllib.error.HTTPError as error:
            raise ValueError(error.read().decode()) from None

    def _get(self, path: str) -> Any:
        return json.loads(_open(urllib.request.Request(self.control + path)))


def _open(request: urllib.request.Request) -> bytes:
    # Without the proxies of the environment.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=30) as response:
        return bytes(response.read())


@contextlib.contextmanager
def running_counterpart() -> Iterator[RunningCounterpart]:
    """Run the counterpart while the block runs."""
    command = [sys.executable, "-m", "tests.openai_counterpart", "--with-parent"]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert line, "the counterpart did not start; see its stderr above"
            yield RunningCounterpart(**json.loads(line))
        finally:
            process.stdin.close()
            process.stdout.close()
