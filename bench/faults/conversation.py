"""Session of the soak with faults: it sends turns and accounts for their events."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Callable

from websockets.exceptions import ConnectionClosed

from bench.faults.account import TurnAccount
from bench.faults.site import Site
from bench.probe.listening import speech
from lite_gateway.client import AvatarSession, Event, open_session
from lite_gateway.client.pacing import paced
from protocol.lite.messages import Interrupt

# Longer than any fault lasts: what takes longer is lost.
RECONNECT_S = 60.0
PATIENCE_S = 60.0
VIDEO = {"quality": "512x512"}
_CONNECTED = "session.state_updated"
_CLEARED = "agent.audio_buffer_cleared"
_COMMITTED = "agent.audio_buffer_committed"
_names = itertools.count(1)


class SessionOver(Exception):
    """The session has ended although nobody asked for it."""


class Conversation:
    """Session, the account of its turns, and waits for its events."""

    def __init__(self, session: AvatarSession, group: asyncio.TaskGroup) -> None:
        self.session = session
        self.account = TurnAccount()
        self.reconnects = 0  # that this client did not cause
        self.refused = 0  # messages that the server refused
        self.opened_s = time.monotonic()
        self._connects = 0
        self._own_aborts = 0
        self._answered: set[str] = set()  # ids of ends and interrupts
        self._heard_by_s = time.monotonic()
        self._changed = asyncio.Event()
        self.is_over = False
        self._reading = group.create_task(self._read(), name="reader")

    async def aclose(self) -> None:
        """Read no more events."""
        self._reading.cancel()
        await asyncio.wait([self._reading])

    async def _read(self) -> None:
        """Read the events until the socket is closed for good."""
        try:
            async for event in self.session.events():
                self._take(event)
                self._notify()
        finally:
            self.is_over = True
            self._notify()

    def _take(self, event: Event) -> None:
        self.account.take(event)
        match event["type"]:
            case "error":
                self.refused += 1
            case kind if kind in (_CLEARED, _COMMITTED):
                self._answered.add(event.get("source_event_id") or "")
            case kind if kind == _CONNECTED and event.get("state") == "connected":
                self._connects += 1
                if self._connects > 1 + self._own_aborts:
                    self._own_aborts += 1
                    self.reconnects += 1
                    self.account.doubt(self.account.pending())

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait(
        self, condition: Callable[[], bool], timeout_s: float = PATIENCE_S
    ) -> None:
        """Wait until events make ``condition`` true; `TimeoutError` if they do not."""
        async with asyncio.timeout(timeout_s):
            while not condition():
                if self.is_over:
                    raise SessionOver(self.session.close_reason)
                await self._changed.wait()

    async def closed(self) -> None:
        """Wait until the server has closed the socket for good."""
        async with asyncio.timeout(PATIENCE_S):
            while not self.is_over:
                await self._changed.wait()

    async def speak(
        self, seconds: float, pace: str = "burst", *, certain: bool = True
    ) -> str:
        """Send one turn and return its id."""
        turn = self.name()
        await self.send_turn(turn, seconds, pace, certain=certain)
        return turn

    def name(self) -> str:
        """Return an id that no other turn has."""
        return f"turn-{next(_names)}"

    async def send_turn(
        self, turn: str, seconds: float, pace: str = "burst", *, certain: bool = True
    ) -> None:
        self.account.sending(turn, certain=certain)
        self._heard_by_s = max(self._heard_by_s, time.monotonic()) + seconds
        try:
            await self.session.speak(paced(speech(seconds), pace), turn)
        except BaseException:
            self.account.doubt([turn])
            raise

    async def started(self, turn: str) -> None:
        record = self.account.turns[turn]
        await self.wait(lambda: record.starts > 0 or record.is_over, self._patience_s())

    async def settled(self) -> None:
        """Wait until no turn is due."""
        await self.wait(lambda: not self.account.due(), self._patience_s())

    def _patience_s(self) -> float:
        return max(0.0, self._heard_by_s - time.monotonic()) + PATIENCE_S

    async def sealed(self, turn: str) -> None:
        """Wait until the server has the end of a turn."""
        await self.wait(lambda: turn in self._answered)

    async def interrupt(self) -> None:
        """Interrupt, and wait until the server has done so."""
        command = f"cut-{self.name()}"
        await self.session.send(Interrupt(command))
        await self.wait(lambda: command in self._answered)

    def abort(self) -> None:
        """Drop the connection without a close frame."""
        self._own_aborts += 1
        self.session.abort()

    def leave(self) -> None:
        """Drop the connection and never come back."""
        self._reading.cancel()
        self.session.abort()

    async def reconnected(self) -> None:
        """Wait until the socket is connected after each of the own aborts."""
        await self.wait(lambda: self._connects > self._own_aborts)

    async def send_raw(self, frame: str) -> None:
        """Send a frame once, if the connection holds."""
        with contextlib.suppress(ConnectionClosed):
            await self.session.send_raw(frame)


@contextlib.asynccontextmanager
async def conversation(site: Site, avatar: str) -> AsyncIterator[Conversation]:
    """Open a session and read its events until the block ends."""
    gateway = site.gateway
    async with open_session(
        gateway.url,
        gateway.key,
        avatar=avatar,
        reconnect_s=RECONNECT_S,
        video_settings=VIDEO,
    ) as session:
        talk = Conversation(session, site.group)
        async with contextlib.aclosing(talk):
            yield talk


async def stop(site: Site, talk: Conversation) -> None:
    """Stop a session by REST, and wait for its last event."""
    body = {"session_id": talk.session.session_id}
    response = await site.call("POST", "/v1/sessions/stop", json=body)
    response.raise_for_status()
    await talk.closed()
