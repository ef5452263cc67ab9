"""Registry whose rooms, history and sessions are in memory."""

import asyncio
from collections import Counter
from types import SimpleNamespace

from lite_gateway.errors import RoomUnavailable
from lite_gateway.metrics import Metrics
from lite_gateway.sessions.admission import FixedSlots
from lite_gateway.sessions.record import SessionRecord
from lite_gateway.sessions.registry import SessionRegistry
from lite_gateway.sessions.session import EndInfo
from lite_gateway.sessions.session_config import (
    ExternalRoom,
    IdentityClaim,
    SessionConfig,
)
from lite_gateway.video_quality import parse_quality
from protocol.lite.messages import EndReason

MAX_SESSIONS = 3


def config(
    identity: str | None, *, data_stream: bool, agent: str = ""
) -> SessionConfig:
    room = ExternalRoom("wss://host", "room", "token", identity or "", agent)
    return SessionConfig(
        avatar="mira",
        quality=parse_quality("low"),
        codec="H264",
        max_duration_s=60.0,
        external_room=room if identity else None,
        data_stream=data_stream,
    )


class FakeSession:
    """Session that runs until it is ended, with an input that may be connected."""

    def __init__(self) -> None:
        self.end_info: EndInfo | None = None
        self.connected = True
        self._ended = asyncio.Event()
        self.session = self.speech = self  # it is its own LiveSession

    def end(self, reason: EndReason, text: str) -> None:
        if self.end_info is None:
            self.end_info = EndInfo(reason, text)
            self._ended.set()

    async def run(self) -> EndInfo:
        await self._ended.wait()
        assert self.end_info is not None
        return self.end_info


class FakeRecorder:
    """History in memory."""

    def __init__(self) -> None:
        self.created: list[str] = []
        self.started: Counter[str] = Counter()
        self.ended: Counter[str] = Counter()

    async def create(self, row) -> None:
        await asyncio.sleep(0.01)
        self.created.append(row.id)

    async def record_start(self, session_id, time) -> None:
        self.started[session_id] += 1
        await asyncio.sleep(0.01)

    async def record_end(self, session_id, time, reason, text) -> None:
        self.ended[session_id] += 1
        await asyncio.sleep(0.01)


class World:
    """Registry with rooms in memory; `plan` says how the next joins go."""

    def __init__(
        self, group: asyncio.TaskGroup, max_sessions: int = MAX_SESSIONS
    ) -> None:
        self.metrics = Metrics()
        self.recorder = FakeRecorder()
        self.in_room: dict[str, FakeSession] = {}
        self.claims: dict[str, IdentityClaim | None] = {}
        self.joining: set[str] = set()
        self.late_s: dict[str, float] = {}  # when a join that was given up succeeds
        self.plan = SimpleNamespace(join_s=0.0, leave_s=0.0, fails=False)
        self.registry = SessionRegistry(
            group,
            self.recorder,
            open_session=self._open,
            close_session=self._close,
            admission=FixedSlots(max_sessions),
            metrics=self.metrics,
        )

    async def _open(self, record: SessionRecord) -> FakeSession:
        plan = SimpleNamespace(**vars(self.plan))
        self.joining.add(record.id)
        try:
            await self._join(record, plan.join_s)
        finally:
            self.joining.discard(record.id)
        if plan.fails:
            raise RoomUnavailable("the room cannot be joined")
        self._disconnect_duplicates(record)
        self.in_room[record.id] = live = FakeSession()
        return live

    async def _join(self, record: SessionRecord, join_s: float) -> None:
        joined_s = asyncio.get_running_loop().time() + join_s
        try:
            await asyncio.sleep(join_s)
        except asyncio.CancelledError:  # the SDK's join goes on
            self.late_s[record.id] = joined_s
            raise

    def _disconnect_duplicates(self, record: SessionRecord) -> None:
        """Disconnect the older participant with an identity, as LiveKit does."""
        claim = record.config.identity_claim
        for other_id, live in list(self.in_room.items()):
            if claim and self.claims[other_id] == claim:
                del self.in_room[other_id]
                live.end(EndReason.USER_DISCONNECTED, "DUPLICATE_IDENTITY")
        self.claims[record.id] = claim

    async def _close(self, record: SessionRecord) -> None:
        try:
            await asyncio.sleep(self.plan.leave_s)
            if joined_s := self.late_s.pop(record.id, None):
                await asyncio.sleep(joined_s - asyncio.get_running_loop().time())
                self._disconnect_duplicates(record)
        finally:  # LiveKit itself drops a participant that does not answer
            self.in_room.pop(record.id, None)
