"""Real client in its own process and environment, controlled by lines of text."""

import contextlib
import json
import os
import queue
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PROGRAMS = Path(__file__).parent / "programs"
ANSWER_S = 60.0


class Program:
    """Running client: its events, which it prints as JSON lines, and its log."""

    def __init__(self, process: subprocess.Popen[str], log_path: Path) -> None:
        self._process, self._log_path = process, log_path
        self._lines: queue.Queue[str] = queue.Queue()
        self.events: list[dict[str, Any]] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def tell(self, line: str) -> None:
        """Send a command to the client."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def wait(self, *kinds: str, within_s: float = ANSWER_S) -> dict[str, Any]:
        """Return the next event of one of these kinds."""
        deadline_s = time.monotonic() + within_s
        while True:
            left_s = max(0.0, deadline_s - time.monotonic())
            try:
                line = self._lines.get(timeout=left_s)
            except queue.Empty:
                line = ""
            if not line:
                problem = f"no {' or '.join(kinds)} within {within_s:.0f} s"
                raise AssertionError(f"{problem}; {self.events}\n{self.log()[-3000:]}")
            event: dict[str, Any] = json.loads(line)
            self.events.append(event)
            if event["event"] in kinds:
                return event

    def log(self) -> str:
        return self._log_path.read_text(errors="replace")

    def end(self) -> None:
        """Close standard input; kill the client if it does not exit within 10 s."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._reader.join()


@contextlib.contextmanager
def running(
    python: Path, program: Path, folder: Path, *arguments: str, **env: str
) -> Iterator[Program]:
    """Run a client with arguments and environment variables."""
    log_path = folder / f"{program.stem}.log"
    with (
        log_path.open("w") as log,
        subprocess.Popen(
            [python, program, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, **env},
        ) as process,
    ):
        started = Program(process, log_path)
        try:
            yield started
        finally:
            started.end()
