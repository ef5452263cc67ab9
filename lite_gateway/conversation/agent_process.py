"""
Agent process of this gateway: started, warmed, watched, and started again.

It is one child for all conversations. Its socket is in a folder that only this user
can read; the child connects to it, and ends when it is closed. In the child a worker
dies alone: another one then connects within a second or two. Of a child that hangs or
writes nonsense nothing is kept.
"""

import asyncio
import logging
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Literal

from lite_gateway.child_process import (
    ChildEnded,
    ChildProgram,
    StreamClosed,
    first_to_end,
    run_child,
)
from lite_gateway.conversation.extra import INSTALL_EXTRA, missing_packages
from lite_gateway.conversation.link import (
    AgentStream,
    ConversationLink,
    ConversationReceiver,
)
from lite_gateway.errors import Refused
from lite_gateway.foreign.live_secrets import live_secrets
from lite_gateway.metrics import Metrics
from protocol.link.frames import BrokenFrame
from protocol.link.settings import ConversationSettings, Mode

log = logging.getLogger(__name__)

State = Literal["off", "not installed", "starting", "ready"]
MODULE = "conversation.agent"
START_S = 180.0  # imports take seconds, and on a busy machine many
AGAIN_S = 60.0  # for another worker: up to 30 s after the one before, and its start
RETRY_S = 5.0  # Retry-After of a conversation while the child starts
_LEAVE_S = 4.0  # for the child to leave its rooms when the gateway ends
PING_PERIOD_S = 5.0
HANG_S = 15.0  # a child whose loop stands still for so long is ended
TURNED_OFF = "conversations are turned off here (LITE_CONVERSATIONS=off)"
_TEXTS: dict[State, str] = {
    "off": TURNED_OFF,
    "not installed": INSTALL_EXTRA,
    "starting": "the agent process is starting; try again in a few seconds",
}


class AgentProcess:
    """Child process in which conversations run; `state` says whether it takes any."""

    def __init__(
        self,
        environment: Mapping[str, str],
        metrics: Metrics,
        *,
        enabled: bool = True,
        module: str = MODULE,
        hang_s: float = HANG_S,
    ) -> None:
        """``environment`` is the gateway's own, of which the child gets a part."""
        self._program = ChildProgram("agent process", module, environment)
        self._metrics = metrics
        self._enabled = enabled
        self._hang_s = hang_s
        self._installed = module != MODULE or not missing_packages("FULL")
        self._stream: AgentStream | None = None

    @property
    def state(self) -> State:
        """State for `/ready` and for callers."""
        if not self._enabled:
            return "off"
        if not self._installed:
            return "not installed"
        return "ready" if self._ready_stream is not None else "starting"

    @property
    def _ready_stream(self) -> AgentStream | None:
        stream = self._stream
        return stream if stream is not None and not stream.closed else None

    @property
    def runs(self) -> bool:
        """Return whether `run` is to be supervised: neither off nor missing."""
        return self._enabled and self._installed

    def missing_packages(self, mode: Mode, *, own_recognizer: bool = False) -> str:
        """Return why ``mode`` is not offered here; empty if it is."""
        if not self._enabled:
            return TURNED_OFF
        return missing_packages(mode, own_recognizer=own_recognizer)

    def begin(
        self, settings: ConversationSettings, receiver: ConversationReceiver
    ) -> ConversationLink:
        """
        Begin a conversation in the child.

        Raise `Refused` with 503 while the child is not ready, and with 422 if it never
        will be, or for settings that are too long.
        """
        stream = self.check()
        live_secrets.remember(settings.secrets)
        try:
            return stream.begin(settings, receiver)
        except BrokenFrame:
            text = "context, opening text and variables are too long together"
            raise Refused(422, text) from None

    def check(self) -> AgentStream:
        """Return the stream to the child, or raise `Refused` as `begin` does."""
        if stream := self._ready_stream:
            return stream
        if self.runs:
            raise Refused(503, _TEXTS["starting"], retry_s=RETRY_S)
        raise Refused(422, _TEXTS[self.state])

    async def run(self) -> None:
        """Run one child until it ends or is broken; raise `ChildEnded` then."""
        with tempfile.TemporaryDirectory(prefix="lite-gateway-") as folder:
            path = Path(folder) / "agent"
            workers: asyncio.Queue[AgentStream] = asyncio.Queue()
            server = await asyncio.start_unix_server(
                lambda reader, writer: workers.put_nowait(AgentStream(reader, writer)),
                path,
            )
            path.chmod(0o600)
            async with server:
                await run_child(
                    self._program,
                    [str(path)],
                    lambda: self._serve(workers),
                    ends_alone_s=_LEAVE_S,  # its socket is closed then
                )

    async def _serve(self, workers: asyncio.Queue[AgentStream]) -> None:
        """Serve one worker after the other, until one hangs or does not come."""
        wait_s = START_S
        while True:
            self._metrics.conversation_children_started.inc()
            started_s = asyncio.get_running_loop().time()
            async with _within(wait_s, "no worker has connected"):
                stream = await workers.get()
            try:
                watch = partial(self._watch, stream, started_s)
                await first_to_end(stream.run, watch)
            except StreamClosed as error:
                log.error("%s", error)  # noqa: TRY400
            finally:
                self._stream = None
                stream.close()
            wait_s = AGAIN_S

    async def _watch(self, stream: AgentStream, started_s: float) -> None:
        """Wait until the child is warm; then see that its loop turns."""
        loop = asyncio.get_running_loop()
        async with _within(START_S, "it did not become ready"):
            await stream.ready.wait()
        self._stream = stream
        log.info("agent process ready, after_s=%.1f", loop.time() - started_s)
        while True:
            await asyncio.sleep(PING_PERIOD_S)
            async with _within(self._hang_s, "it hangs"):
                delay = await stream.ping()
            for way, delay_s in (
                ("to_agent", delay.to_agent_s),
                ("to_gateway", delay.to_gateway_s),
            ):
                self._metrics.conversation_link.labels(way).observe(delay_s)


class _within:
    """Deadline whose end is a `ChildEnded`."""

    def __init__(self, seconds: float, problem: str) -> None:
        self._timeout = asyncio.timeout(seconds)
        self._text = f"the agent process is lost: {problem} within {seconds:.0f} s"

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()

    async def __aexit__(self, *error: object) -> None:
        try:
            await self._timeout.__aexit__(*error)  # type: ignore[arg-type]
        except TimeoutError:
            raise ChildEnded(self._text) from None
