"""Speech service as a process of its own, as the gateway starts it."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from openai import AsyncOpenAI

KEY = "key-of-the-tests-0123456789"
START_S = 120


@dataclass(frozen=True, slots=True)
class Service:
    """Running service."""

    process: subprocess.Popen[bytes]
    url: str
    voices: list[str]

    def client(self, key: str = KEY) -> AsyncOpenAI:
        return AsyncOpenAI(api_key=key, base_url=self.url, max_retries=0)


@contextlib.contextmanager
def running_service(
    program: tuple[str, ...] = ("-m", "conversation.speech"),
    env: Mapping[str, str] | None = None,
) -> Iterator[Service]:
    """Run the service; at the end it must end with its pipe."""
    process = subprocess.Popen(
        [sys.executable, *program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **(env or {})},
    )
    with process:
        try:
            assert process.stdin
            assert process.stdout
            process.stdin.write(json.dumps({"key": KEY}).encode() + b"\n")
            process.stdin.flush()
            values = json.loads(process.stdout.readline())
            yield Service(process, values["url"], values["voices"])
            process.stdin.close()
            assert process.wait(START_S) == 0
        finally:
            process.kill()
