"""LiveKit server, database, avatars and gateway that faults can stop and damage."""

import asyncio
import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from bench.probe.faults import odd_livekit, postgres_processes, stopped
from bench.probe.postgres import running_postgres
from bench.probe.stack import (
    ANSWER_TIMEOUT_S,
    ROOT,
    Gateway,
    free_port,
    running_gateway,
)
from lite_gateway.config import shipped_avatars
from lite_gateway.devserver.process import LiveKit, find_or_build, running

SLOTS = 16
KILLED_S = 3.0  # between the end of a LiveKit server and the start of the next one
_SECRET = "a LiveKit secret of at least 32 bytes"
_CLOSE = {"Connection": "close"}  # a kept connection may be closed in between


class LiveKitProcess:
    """LiveKit server that can be killed and started again on its port."""

    def __init__(self, binary: Path, folder: Path) -> None:
        self._binary = binary
        self._folder = folder
        self._stack = contextlib.AsyncExitStack()
        self._starts = 0
        self.port = free_port()
        self.server: LiveKit

    async def start(self) -> None:
        self._starts += 1
        self.server = await self._stack.enter_async_context(
            running(
                self._binary,
                port=self.port,
                secret=_SECRET,
                log_path=self._folder / f"livekit-{self._starts}.log",
                port_search=0,
            )
        )

    async def kill(self) -> None:
        """Kill the server, start another one after `KILLED_S`."""
        os.kill(self.server.pid, signal.SIGKILL)
        await self._stack.aclose()
        await asyncio.sleep(KILLED_S)
        await self.start()

    async def aclose(self) -> None:
        await self._stack.aclose()


@dataclass(frozen=True)
class Site:
    """Servers of a run, and what its faults need of them."""

    folder: Path
    avatars: Path
    database: str
    livekit: LiveKitProcess
    odd_answers: dict[str, bytes]  # of LiveKit's API, by the end of the path
    gateway: Gateway
    group: asyncio.TaskGroup = field(repr=False)  # of the readers of all sessions
    http: httpx.AsyncClient = field(repr=False)

    @property
    def log(self) -> str:
        return self.gateway.log_path.read_text(errors="replace")

    def is_running(self) -> bool:
        """Return whether the gateway's process runs."""
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(self.gateway.pid)
            return bool(process.status() != psutil.STATUS_ZOMBIE)
        return False

    async def call(self, method: str, path: str, **options: object) -> httpx.Response:
        """Make a REST call with the API key, unless ``options`` have headers."""
        headers = options.pop("headers", {"X-API-KEY": self.gateway.key})
        assert isinstance(headers, dict)
        return await self.http.request(
            method,
            self.gateway.url + path,
            headers={**_CLOSE, **headers},
            **options,  # type: ignore[arg-type]
        )

    async def bearer(self, **fields: object) -> dict[str, str]:
        """Create a session; return the header with its token."""
        body = {"avatar_id": "fiducial", "mode": "LITE", **fields}
        response = await self.call("POST", "/v1/sessions/token", json=body)
        token = response.raise_for_status().json()["data"]["session_token"]
        return {"Authorization": f"Bearer {token}"}

    async def metrics(self) -> dict[str, float]:
        return await asyncio.to_thread(self.gateway.metrics)

    @contextlib.contextmanager
    def silent_database(self) -> Iterator[None]:
        """Stop PostgreSQL, or lock the SQLite file, within the block."""
        if self.database.startswith("postgresql"):
            with stopped(postgres_processes(self.database)):
                yield
            return
        other = sqlite3.connect(self.database, isolation_level=None, timeout=30.0)
        with contextlib.closing(other):
            other.execute("begin exclusive")
            yield
            other.execute("rollback")


@contextlib.contextmanager
def _database(folder: Path) -> Iterator[str]:
    """Yield the database of the gateway: PostgreSQL if this machine has it."""
    script = ROOT / "tools" / "postgres.sh"
    found = subprocess.run([script], capture_output=True, text=True, check=False)
    if found.returncode:
        yield str(folder / "gateway.db")
        return
    with running_postgres(Path(found.stdout.strip())) as url:
        yield url


@contextlib.asynccontextmanager
async def running_site(
    cache: Path, folder: Path, group: asyncio.TaskGroup
) -> AsyncIterator[Site]:
    """Run all servers; the gateway reaches LiveKit's API through a proxy."""
    binary = find_or_build(lambda text, _: print(text), cache_dir=cache)
    avatars, answers = folder / "avatars", dict[str, bytes]()
    await asyncio.to_thread(shutil.copytree, shipped_avatars(), avatars)
    livekit = LiveKitProcess(binary, folder)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(livekit.aclose)
        await livekit.start()
        proxy = await stack.enter_async_context(odd_livekit(livekit.port, answers))
        database = await asyncio.to_thread(stack.enter_context, _database(folder))
        gateway = await asyncio.to_thread(
            stack.enter_context,
            running_gateway(
                f"ws://127.0.0.1:{proxy}",
                livekit.server.key,
                livekit.server.secret,
                folder / "gateway.log",
                XDG_DATA_HOME=str(folder),
                LITE_DATABASE=database,
                LITE_AVATARS=str(avatars),
                LITE_DEFAULT_AVATAR="fiducial",
                LITE_MAX_SESSIONS=str(SLOTS),
                LITE_KEY_RATE="0",
                LITE_ALLOWED_HOSTS="127.0.0.1",
                LITE_USER_GONE_S="0",  # nobody subscribes
            ),
        )
        http = httpx.AsyncClient(timeout=ANSWER_TIMEOUT_S)
        await stack.enter_async_context(http)
        yield Site(*(folder, avatars, database, livekit, answers, gateway, group, http))
