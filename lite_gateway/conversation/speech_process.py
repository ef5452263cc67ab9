"""
Built-in speech of this gateway: a child process, started when it is needed.

`conversation.speech` serves OpenAI's HTTP interface on loopback. The child connects to
a Unix socket in a folder that only this user can read, gets a key there, and answers
with its URL. It ends when the socket is closed.
"""

import asyncio
import logging
import secrets
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import orjson

from lite_gateway.child_process import (
    ChildEnded,
    ChildProgram,
    run_child,
)
from lite_gateway.foreign.live_secrets import live_secrets
from protocol.link.settings import Endpoint

log = logging.getLogger(__name__)

MODULE = "conversation.speech"
NAME = "speech process"
START_S = 180.0  # imports and models take seconds, and on a busy machine many
WAIT_S = 15.0  # that the start of a session waits for a child that starts
_PING_PERIOD_S = 5.0
HANG_S = 15.0  # a child whose loop stands still for so long is ended

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class SpeechProcess:
    """Child process that recognizes speech, speaks, and answers by a script."""

    def __init__(
        self,
        environment: Mapping[str, str],
        *,
        module: str = MODULE,
        hang_s: float = HANG_S,
    ) -> None:
        """``environment`` is the gateway's own, of which the child gets a part."""
        self._program = ChildProgram(NAME, module, environment)
        self._hang_s = hang_s
        self._needed = asyncio.Event()
        self._ready = asyncio.Event()
        self._endpoint: Endpoint | None = None
        self._key = ""

    @property
    def is_ready(self) -> bool:
        """True while the child answers requests."""
        return self._ready.is_set()

    def start(self) -> None:
        """Start the child, if it does not run yet."""
        self._needed.set()

    async def endpoint(self, wait_s: float = WAIT_S) -> Endpoint | None:
        """
        Return the service, with its first voice; start the child if necessary.

        None if the child is not ready after ``wait_s`` seconds.
        """
        self.start()
        try:
            async with asyncio.timeout(wait_s):
                await self._ready.wait()
        except TimeoutError:
            return None
        return self._endpoint

    async def run(self) -> None:
        """Run one child, once it is needed, until it ends; raise `ChildEnded` then."""
        await self._needed.wait()
        with tempfile.TemporaryDirectory(prefix="lite-gateway-") as folder:
            path = Path(folder) / "speech"
            connected: asyncio.Future[Connection] = (
                asyncio.get_running_loop().create_future()
            )
            server = await asyncio.start_unix_server(
                partial(_take_first, connected), path
            )
            path.chmod(0o600)
            async with server:
                await run_child(
                    self._program,
                    [str(path)],
                    lambda: self._serve(connected),
                    secrets=lambda: (self._key,) if self._key else (),
                )

    async def _serve(self, connected: asyncio.Future[Connection]) -> None:
        """Exchange key and URL, then see that the child's loop turns."""
        loop = asyncio.get_running_loop()
        started_s = loop.time()
        try:
            async with asyncio.timeout(START_S):
                reader, writer = await connected
                self._key = secrets.token_urlsafe(24)
                live_secrets.remember((self._key,))
                writer.write(orjson.dumps({"key": self._key}) + b"\n")
                answer = await reader.readline()
            self._endpoint = _endpoint(answer, self._key)
            self._ready.set()
            log.info("speech process ready, after_s=%.1f", loop.time() - started_s)
            while True:
                await asyncio.sleep(_PING_PERIOD_S)
                async with asyncio.timeout(self._hang_s):
                    writer.write(b"\n")
                    if not await reader.readline():
                        raise ChildEnded(f"the {NAME} has closed its socket")
        except TimeoutError:
            problem = "hangs" if self.is_ready else "did not become ready"
            raise ChildEnded(f"the {NAME} is lost: it {problem}") from None
        finally:
            self._ready.clear()
            self._endpoint = None
            if connected.done() and not connected.cancelled():
                connected.result()[1].close()


def _take_first(
    connected: asyncio.Future[Connection],
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    """Take the first connection, and close any other."""
    if connected.done():
        writer.close()
    else:
        connected.set_result((reader, writer))


def _endpoint(answer: bytes, key: str) -> Endpoint:
    """Return the service that the child announces; `ChildEnded` if it is nonsense."""
    try:
        values = orjson.loads(answer)
        voice = next(iter(values["voices"]), "")
        return Endpoint(
            *(str(values["url"]), "", key, str(voice)),
            trusted=True,
            tells_phones=True,
        )
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise ChildEnded(f"the {NAME} did not say its URL") from None
