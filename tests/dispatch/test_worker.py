"""What LiveKit is told of a worker, by a worker that serves no rooms."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from livekit import api
from livekit.protocol import agent, models
from websockets.asyncio.server import ServerConnection, serve

from lite_gateway.config import Config
from lite_gateway.dispatch.worker import Worker
from lite_gateway.metrics import Metrics
from lite_gateway.playout.playout import Playout
from lite_gateway.sessions.assembly import LiveSession
from lite_gateway.sessions.lite_input import LiteInput
from lite_gateway.sessions.recorder import HistoryRecorder
from lite_gateway.sessions.registry import SessionRecord, SessionRegistry
from lite_gateway.sessions.session import Session
from lite_gateway.store.encryption import KeyRing
from lite_gateway.store.engine import Store
from tests.fakes import FakeRenderer, MemoryRoom
from tests.waiting import PATIENCE_S

LEAVES_S = 0.05  # out of a room
SECRET = "a LiveKit secret of at least 32 bytes"
FULL = agent.WorkerStatus.WS_FULL


class Hall:
    """A service as a worker sees it: real sessions, and rooms in memory."""

    def __init__(
        self, url: str, group: asyncio.TaskGroup, recorder: HistoryRecorder
    ) -> None:
        self.config = Config(
            livekit_url=url,
            livekit_api_key="devkey",
            livekit_api_secret=SECRET,
            max_sessions=1,
        )
        self.metrics = Metrics()
        self.sessions = SessionRegistry(
            group,
            recorder,
            open_session=self._open,
            close_session=self._close,
            max_sessions=1,
            metrics=self.metrics,
        )

    def avatar(self, wanted: str) -> SimpleNamespace:
        return SimpleNamespace(name=wanted)

    async def _open(self, record: SessionRecord) -> LiveSession:
        now = asyncio.get_running_loop().time
        room = MemoryRoom()
        playout = Playout(FakeRenderer().render, room, self.metrics, now=now)
        session = Session(record.id, playout, now=now)
        speech = LiteInput(playout, session, self.metrics, now=now)
        return LiveSession(session, room, speech, counts_users=False)

    async def _close(self, record: SessionRecord) -> None:
        await asyncio.sleep(LEAVES_S)


class LiveKitSide:
    """The server's end of ``/agent``: it offers jobs and reads what it is told."""

    def __init__(self, socket: ServerConnection) -> None:
        self._socket = socket

    async def told(self, kind: str, **want: object):
        """The next message of that kind that says so; those before it are read."""
        async for read in self._socket:
            message = agent.WorkerMessage.FromString(read)
            said = getattr(message, kind)
            if message.WhichOneof("message") == kind and all(
                getattr(said, name) == value for name, value in want.items()
            ):
                return said
        raise AssertionError(f"the worker left before it told {kind} {want}")

    async def tell(self, **message: object) -> None:
        await self._socket.send(agent.ServerMessage(**message).SerializeToString())

    async def register(self) -> None:
        await self.told("register")
        await self.tell(register=agent.RegisterWorkerResponse(worker_id="w1"))

    async def assign(self, job: agent.Job) -> None:
        await self.tell(availability=agent.AvailabilityRequest(job=job))
        assert (await self.told("availability")).available
        token = api.AccessToken("devkey", SECRET).with_identity("avatar-ada")
        token.with_grants(api.VideoGrants(room_join=True, room=job.room.name))
        given = agent.JobAssignment(job=job, token=token.to_jwt())
        await self.tell(assignment=given)


@contextlib.asynccontextmanager
async def hall(url: str, folder: Path) -> AsyncIterator[Hall]:
    async def lost(_: str) -> None: ...

    store = Store.open(str(folder / "state.db"), KeyRing(path=folder / "key"))
    recorder = HistoryRecorder(store, delete_room=lost, history_days=1)
    await recorder.open()
    async with asyncio.TaskGroup() as group:
        books = group.create_task(recorder.run(), name="recorder")
        made = Hall(url, group, recorder)
        yield made
        await made.sessions.drain(PATIENCE_S)
        books.cancel()
    await recorder.close()
    store.close()


@pytest.fixture
def scripted(tmp_path):
    """Runs a worker against LiveKit's side of a talk, until that has been said."""

    def run(script) -> None:
        async def main() -> None:
            over = asyncio.Event()

            async def talk(socket: ServerConnection) -> None:
                try:
                    await script(LiveKitSide(socket))
                finally:
                    over.set()

            async with serve(talk, "127.0.0.1", 0) as server:
                port = server.sockets[0].getsockname()[1]
                url = f"ws://127.0.0.1:{port}"
                async with hall(url, tmp_path) as service, asyncio.TaskGroup() as group:
                    working = group.create_task(Worker(service).run(), name="worker")
                    await over.wait()
                    working.cancel()

        asyncio.run(asyncio.wait_for(main(), PATIENCE_S))

    return run


def test_a_job_is_over_for_livekit_when_its_place_is_free(scripted):
    """LiveKit does not try again: told too early, it would believe us full for long."""
    told = []

    async def script(livekit: LiveKitSide) -> None:
        await livekit.register()
        job = agent.Job(
            id="j1", room=models.Room(name="lobby"), metadata=json.dumps({})
        )
        await livekit.assign(job)
        told.append(await livekit.told("update_worker", job_count=1))
        await livekit.tell(termination=agent.JobTermination(job_id="j1"))
        told.append(await livekit.told("update_worker", job_count=0))

    scripted(script)
    busy, over = told
    assert busy.status == FULL
    assert over.status == agent.WorkerStatus.WS_AVAILABLE
    assert over.load == 0
