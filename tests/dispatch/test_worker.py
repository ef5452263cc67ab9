"""Messages between a worker and LiveKit, with sessions in memory."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
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
from lite_gateway.sessions.admission import Admission, FixedSlots
from lite_gateway.sessions.assembly import LiveSession
from lite_gateway.sessions.lite_input import LiteInput
from lite_gateway.sessions.record import SessionRecord
from lite_gateway.sessions.recorder import HistoryRecorder
from lite_gateway.sessions.registry import SessionRegistry
from lite_gateway.sessions.session import Session
from lite_gateway.sessions.session_config import SessionConfig
from lite_gateway.store.encryption import KeyRing
from lite_gateway.store.engine import Store
from lite_gateway.store.models import SessionRow
from tests.fakes import FakeRenderer, MemoryRoom
from tests.waiting import PATIENCE_S

LEAVE_S = 0.05  # that a session takes to leave its room
SECRET = "a LiveKit secret of at least 32 bytes"
FULL = agent.WorkerStatus.WS_FULL


class FakeService:
    """Service as a worker uses it: real sessions, with rooms in memory."""

    def __init__(
        self,
        url: str,
        group: asyncio.TaskGroup,
        recorder: HistoryRecorder,
        admission: Admission,
    ) -> None:
        self.config = Config(
            livekit_url=url,
            livekit_api_key="devkey",
            livekit_api_secret=SECRET,
        )
        self.metrics = Metrics()
        self.sessions = SessionRegistry(
            group,
            recorder,
            open_session=self._open,
            close_session=self._close,
            admission=admission,
            metrics=self.metrics,
        )

    def avatar(self, name: str) -> SimpleNamespace:
        return SimpleNamespace(name=name, is_cut_out=name == "mira", pictures=())

    async def _open(self, record: SessionRecord) -> LiveSession:
        now = asyncio.get_running_loop().time
        room = MemoryRoom()
        playout = Playout(FakeRenderer().render, room, self.metrics, now=now)
        session = Session(record.id, playout, now=now)
        speech = LiteInput(playout, session, self.metrics, now=now)
        return LiveSession(session, room, speech, counts_users=False)

    async def _close(self, record: SessionRecord) -> None:
        await asyncio.sleep(LEAVE_S)


class NoRoomForLargeVideo:
    """Admission of four sessions, of which only the first may have a large video."""

    sessions = 4

    def free(self, running: Sequence[SessionConfig]) -> int:
        return self.sessions - len(running)

    def refusal(
        self, running: Sequence[SessionConfig], config: SessionConfig | None = None
    ) -> str | None:
        is_large = config is not None and config.quality.width > 1000
        return "too large" if running and is_large else None


class ShownBackgrounds(FixedSlots):
    """Admission that keeps the backgrounds which jobs ask for."""

    def __init__(self) -> None:
        super().__init__(4)
        self.asked: list[str] = []

    def refusal(
        self, running: Sequence[SessionConfig], config: SessionConfig | None = None
    ) -> str | None:
        self.asked += [config.background] if config else []
        return super().refusal(running, config)


class FakeLiveKit:
    """LiveKit's side of ``/agent``: it offers jobs and reads the worker's messages."""

    def __init__(self, socket: ServerConnection) -> None:
        self._socket = socket

    async def receive(self, kind: str, **fields: object):
        """Return the next message of that kind with these fields; skip the others."""
        async for frame in self._socket:
            message = agent.WorkerMessage.FromString(frame)
            content = getattr(message, kind)
            if message.WhichOneof("message") == kind and all(
                getattr(content, name) == value for name, value in fields.items()
            ):
                return content
        raise AssertionError(f"the worker sent no {kind} {fields} before it closed")

    async def send(self, **message: object) -> None:
        await self._socket.send(agent.ServerMessage(**message).SerializeToString())

    async def register(self) -> None:
        await self.receive("register")
        await self.send(register=agent.RegisterWorkerResponse(worker_id="w1"))

    async def assign(self, job: agent.Job, token: str = "") -> None:
        """Offer a job and assign it, with a token for its room unless one is given."""
        await self.send(availability=agent.AvailabilityRequest(job=job))
        assert (await self.receive("availability")).available
        if not token:
            grants = api.VideoGrants(room_join=True, room=job.room.name)
            access = api.AccessToken("devkey", SECRET).with_identity("avatar-mira")
            token = access.with_grants(grants).to_jwt()
        assignment = agent.JobAssignment(job=job, token=token)
        await self.send(assignment=assignment)


@contextlib.asynccontextmanager
async def running_service(
    url: str, folder: Path, admission: Admission
) -> AsyncIterator[FakeService]:
    async def delete_room(_: str) -> None: ...

    store = Store.open(str(folder / "state.db"), KeyRing(path=folder / "key"))
    recorder = HistoryRecorder(
        store, delete_room=delete_room, history_days=1, metrics=Metrics()
    )
    await recorder.open()
    async with asyncio.TaskGroup() as group:
        recording = group.create_task(recorder.run(), name="recorder")
        service = FakeService(url, group, recorder, admission)
        yield service
        await service.sessions.drain(PATIENCE_S)
        recording.cancel()
    await recorder.close()
    store.close()


@pytest.fixture
def scripted(tmp_path, monkeypatch):
    """Return a function that runs a worker until a script of LiveKit has ended."""
    monkeypatch.setattr("lite_gateway.dispatch.worker._REPORT_INTERVAL_S", 0.2)

    def run(script, admission: Admission | None = None) -> None:
        async def main() -> None:
            done = asyncio.Event()

            async def handle(socket: ServerConnection) -> None:
                try:
                    await script(FakeLiveKit(socket))
                finally:
                    done.set()

            async with serve(handle, "127.0.0.1", 0) as server:
                port = server.sockets[0].getsockname()[1]
                url = f"ws://127.0.0.1:{port}"
                async with (
                    running_service(
                        url, tmp_path, admission or FixedSlots(1)
                    ) as service,
                    asyncio.TaskGroup() as group,
                ):
                    worker = group.create_task(Worker(service).run(), name="worker")
                    await done.wait()
                    worker.cancel()

        asyncio.run(asyncio.wait_for(main(), PATIENCE_S))

    return run


def test_job_ends_for_livekit_when_its_slot_is_free(scripted):
    """LiveKit does not ask again: after an early report it would skip the worker."""
    updates = []

    async def script(livekit: FakeLiveKit) -> None:
        await livekit.register()
        job = agent.Job(
            id="j1", room=models.Room(name="lobby"), metadata=json.dumps({})
        )
        await livekit.assign(job)
        updates.append(await livekit.receive("update_worker", job_count=1))
        await livekit.send(termination=agent.JobTermination(job_id="j1"))
        updates.append(await livekit.receive("update_worker", job_count=0))

    scripted(script)
    busy, idle = updates
    assert busy.status == FULL
    assert idle.status == agent.WorkerStatus.WS_AVAILABLE
    assert idle.load == 0


def test_a_job_with_a_broken_token_fails_alone(scripted):
    """The worker reports the failure, stays registered and takes the next job."""
    updates = []

    async def script(livekit: FakeLiveKit) -> None:
        await livekit.register()
        broken, sound = (
            agent.Job(id=job_id, room=models.Room(name="lobby"), metadata="{}")
            for job_id in ("broken", "sound")
        )
        await livekit.assign(broken, token="no token")
        updates.append(await livekit.receive("update_job", job_id="broken"))
        await livekit.assign(sound)
        await livekit.receive("update_worker", job_count=1)
        await livekit.send(termination=agent.JobTermination(job_id="sound"))
        updates.append(await livekit.receive("update_job", job_id="sound"))

    scripted(script)
    failed, ended = updates
    assert failed.status == agent.JobStatus.JS_FAILED
    assert "token" in failed.error
    assert ended.status == agent.JobStatus.JS_SUCCESS


def test_a_job_whose_session_is_being_created_has_its_slot(scripted, monkeypatch):
    """Its history is written meanwhile, which waits for the database."""
    create, written = HistoryRecorder.create, asyncio.Event()

    async def create_late(recorder: HistoryRecorder, row: SessionRow) -> None:
        await written.wait()
        await create(recorder, row)

    monkeypatch.setattr(HistoryRecorder, "create", create_late)
    answers, updates = [], []

    async def script(livekit: FakeLiveKit) -> None:
        await livekit.register()
        first, second = (
            agent.Job(id=job_id, room=models.Room(name=job_id), metadata="{}")
            for job_id in ("first", "second")
        )
        await livekit.assign(first)
        await livekit.send(availability=agent.AvailabilityRequest(job=second))
        updates.append(await livekit.receive("update_worker", job_count=1))
        answers.append(await livekit.receive("availability", job_id="second"))
        written.set()
        await livekit.send(termination=agent.JobTermination(job_id="first"))
        updates.append(await livekit.receive("update_job", job_id="first"))

    scripted(script)
    [answer], (load, ended) = answers, updates
    assert load.status == FULL
    assert not answer.available
    assert not answer.terminate
    assert ended.status == agent.JobStatus.JS_SUCCESS


def test_a_job_that_does_not_fit_is_left_to_other_workers(scripted):
    """It is declined and not terminated, also if only reservations are in its way."""
    answers = []

    async def script(livekit: FakeLiveKit) -> None:
        await livekit.register()
        for number, quality in enumerate(("low", "very_high", "medium")):
            job = agent.Job(
                id=f"j{number}",
                room=models.Room(name="lobby"),
                metadata=json.dumps(
                    {"quality": quality, "avatar_identity": f"avatar-{number}"}
                ),
            )
            await livekit.send(availability=agent.AvailabilityRequest(job=job))
            answers.append(await livekit.receive("availability", job_id=job.id))

    scripted(script, NoRoomForLargeVideo())
    assert [answer.available for answer in answers] == [True, False, True]
    assert not any(answer.terminate for answer in answers)


def test_a_background_that_the_avatar_cannot_have_ends_the_job(scripted):
    answers, admission = [], ShownBackgrounds()

    async def script(livekit: FakeLiveKit) -> None:
        await livekit.register()
        for avatar in ("mira", "fiducial"):
            metadata = {"avatar_id": avatar, "background": "#FFAA00"}
            job = agent.Job(
                id=avatar,
                room=models.Room(name="lobby"),
                metadata=json.dumps(metadata),
            )
            await livekit.send(availability=agent.AvailabilityRequest(job=job))
            answers.append(await livekit.receive("availability", job_id=job.id))

    scripted(script, admission)
    assert [(answer.available, answer.terminate) for answer in answers] == [
        (True, False),
        (False, True),
    ]
    assert set(admission.asked) == {"#ffaa00"}
