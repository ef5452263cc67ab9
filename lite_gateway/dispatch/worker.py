"""
This gateway as a worker of LiveKit's own dispatch: rooms ask, it answers with avatars.

The protocol is that of LiveKit's agents: protobuf over a WebSocket at ``/agent``. Jobs
outlive the connection: one that is lost is made anew, and sessions go on meanwhile.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

from livekit import api
from livekit.protocol import agent, models
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from lite_gateway.api.session_requests import parse_room_token
from lite_gateway.dispatch.job import JobMetadata, WorkerLoad
from lite_gateway.errors import GatewayError, Refused
from lite_gateway.service import Service
from lite_gateway.sessions.request import ExternalRoom, SessionConfig, SessionOwner
from protocol.datastream.names import ON_BEHALF_ATTRIBUTE
from protocol.lite.messages import EndReason

log = logging.getLogger(__name__)

OWNER = SessionOwner("livekit")
_VERSION = "lite-gateway 0.1.0"
_REPORT_S = 2.0  # between two reports when nothing happens
_ANSWER_S = 10.0  # for LiveKit to register us, and to assign what it asked for
_AGAIN_S = 0.5, 10.0  # between two attempts to connect, the first and the longest


@dataclass(frozen=True, slots=True)
class _Reservation:
    """LiveKit was told that we take this job; it has not assigned it yet."""

    wanted: JobMetadata
    avatar: str
    identity: str
    until_s: float


@dataclass(slots=True)
class _RunningJob:
    """A job that runs; its session has no id before it is minted."""

    session_id: str | None = None
    unwanted: bool = False


@dataclass(slots=True)
class _BusyMeter:
    """The render thread's share of time between two looks at what it has worked."""

    worked_s: Callable[[], float]
    now: Callable[[], float] = time.monotonic
    share: float = 0.0
    _at: tuple[float, float] = field(init=False)

    def __post_init__(self) -> None:
        self._at = self.now(), self.worked_s()

    def look(self) -> None:
        then_s, worked_s = self._at
        now_s, works_s = self.now(), self.worked_s()
        if now_s - then_s >= _REPORT_S / 2:  # a shorter time says nothing
            self.share = (works_s - worked_s) / (now_s - then_s)
            self._at = now_s, works_s


class Worker:
    def __init__(self, service: Service) -> None:
        self._service = service
        self._promised: dict[str, _Reservation] = {}
        self._works: dict[str, _RunningJob] = {}
        self._socket: ClientConnection | None = None
        self._news = asyncio.Event()  # what LiveKit was told of us is out of date
        self._idle = asyncio.Event()
        self._idle.set()
        self._draining = False
        self._hurried = asyncio.Event()
        registry = service.metrics.registry
        self._busy = _BusyMeter(
            lambda: registry.get_sample_value("lite_render_seconds_sum") or 0.0
        )

    async def run(self) -> None:
        """Stay registered, through every loss of the connection, until cancelled."""
        again_s, longest_s = _AGAIN_S
        async with asyncio.TaskGroup() as group:
            while True:
                began_s = time.monotonic()
                try:
                    await self._attend(group)
                except* (OSError, WebSocketException, TimeoutError) as lost:
                    log.warning("not registered with LiveKit: %s", _told(lost))
                if time.monotonic() - began_s > longest_s:
                    again_s = _AGAIN_S[0]
                await asyncio.sleep(again_s)
                again_s = min(2 * again_s, longest_s)

    async def drain(self, most_s: float) -> None:
        """Take no more jobs; wait until those that run are over, but not for ever."""
        self._draining = True
        self._news.set()
        if self._works or self._promised:
            log.info("worker is draining, jobs=%d", len(self._works))
        self._note_idle()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(most_s), asyncio.TaskGroup() as group:
                ends = group.create_task(self._idle.wait(), name="idle")
                hurry = group.create_task(self._hurried.wait(), name="hurry")
                await asyncio.wait((ends, hurry), return_when=asyncio.FIRST_COMPLETED)
                ends.cancel()
                hurry.cancel()

    def stop_now(self) -> None:
        """Drain no longer."""
        self._hurried.set()

    # The connection.

    async def _attend(self, jobs: asyncio.TaskGroup) -> None:
        """One connection, from its registration to its end, which it raises."""
        async with connect(
            self._url(),
            additional_headers={"Authorization": f"Bearer {self._token()}"},
            open_timeout=_ANSWER_S,
            max_size=1 << 20,
        ) as socket:
            await self._register(socket)
            self._socket = socket
            try:
                async with asyncio.TaskGroup() as group:
                    report = group.create_task(self._report(), name="report")
                    async for message in socket:
                        if isinstance(message, bytes):
                            told = agent.ServerMessage.FromString(message)
                            await self._receive(told, jobs)
                    report.cancel()
            finally:
                self._socket = None
        raise ConnectionError(f"LiveKit closed the connection ({socket.close_code})")

    def _url(self) -> str:
        scheme, host, path, *_ = urlsplit(self._service.config.livekit_url)
        scheme = {"http": "ws", "https": "wss"}.get(scheme, scheme)
        return urlunsplit((scheme, host, f"{path.rstrip('/')}/agent", "", ""))

    def _token(self) -> str:
        config = self._service.config
        grants = api.VideoGrants(agent=True)
        key, secret = config.livekit_api_key, config.livekit_api_secret
        return api.AccessToken(key, secret).with_grants(grants).to_jwt()

    async def _register(self, socket: ClientConnection) -> None:
        name = self._service.config.agent_name
        permissions = models.ParticipantPermission(
            can_subscribe=True,
            can_publish=True,
            can_publish_data=True,
            can_update_metadata=True,
            agent=True,
        )
        register = agent.RegisterWorkerRequest(
            type=agent.JobType.JT_ROOM,
            agent_name=name,
            version=_VERSION,
            allowed_permissions=permissions,
        )
        message = agent.WorkerMessage(register=register)
        await socket.send(message.SerializeToString())
        async with asyncio.timeout(_ANSWER_S):
            answer = await socket.recv(decode=False)
        told = agent.ServerMessage.FromString(answer)
        if told.WhichOneof("message") != "register":
            raise ConnectionError("LiveKit did not answer the registration")
        log.info("worker registered, agent=%s worker=%s", name, told.register.worker_id)
        self._news.set()

    async def _receive(
        self, told: agent.ServerMessage, jobs: asyncio.TaskGroup
    ) -> None:
        match told.WhichOneof("message"):
            case "availability":
                await self._answer(told.availability.job)
            case "assignment":
                self._begin(told.assignment, jobs)
            case "termination":
                job_id = told.termination.job_id
                stop = self._terminate(job_id)
                jobs.create_task(stop, name=f"terminate {job_id}")

    async def _send(self, message: agent.WorkerMessage) -> None:
        """What a lost connection swallows, LiveKit has forgotten with it."""
        if self._socket is not None:
            with contextlib.suppress(WebSocketException):
                await self._socket.send(message.SerializeToString())

    # How full we are.

    @property
    def _full(self) -> bool:
        return self._draining or self._fullness().full

    def _fullness(self) -> WorkerLoad:
        now_s = time.monotonic()
        for job_id, promise in list(self._promised.items()):
            if promise.until_s < now_s:
                del self._promised[job_id]
        self._note_idle()
        sessions = self._service.sessions
        taken = sessions.slots_taken + len(self._promised)
        return WorkerLoad(taken, self._service.config.max_sessions, self._busy.share)

    def _note_idle(self) -> None:
        if self._works or self._promised:
            self._idle.clear()
        else:
            self._idle.set()

    async def _report(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_REPORT_S):
                    await self._news.wait()
            self._news.clear()
            self._busy.look()
            await self._tell_load()

    async def _tell_load(self) -> None:
        status = agent.WorkerStatus
        update = agent.UpdateWorkerStatus(
            status=status.WS_FULL if self._full else status.WS_AVAILABLE,
            load=self._fullness().load,
            job_count=len(self._works),
            draining=self._draining,
        )
        await self._send(agent.WorkerMessage(update_worker=update))

    # Jobs.

    async def _answer(self, job: agent.Job) -> None:
        """Whether we take it. What nobody could take is ended, not handed round."""
        answer = agent.AvailabilityResponse(job_id=job.id)
        if not self._full:
            try:
                promise = self._promise(job)
            except Refused as why:
                log.warning("job refused, job=%s: %s", job.id, why)
                answer.terminate = True
            else:
                self._promised[job.id] = promise
                answer.available = True
                answer.participant_identity = promise.identity
                answer.participant_name = promise.avatar
                if behalf := promise.wanted.agent_identity:
                    answer.participant_attributes[ON_BEHALF_ATTRIBUTE] = behalf
        await self._tell_load()  # first: LiveKit may ask again at once
        await self._send(agent.WorkerMessage(availability=answer))

    def _promise(self, job: agent.Job) -> _Reservation:
        wanted = JobMetadata.parse(job.metadata)
        avatar = self._service.avatar(
            wanted.avatar_id or self._service.config.default_avatar
        )
        if avatar is None:
            raise Refused(404, f"avatar {wanted.avatar_id[:60]!r} is not here")
        identity = wanted.avatar_identity or f"avatar-{avatar.name}"
        nowhere = ExternalRoom("", job.room.name, "", identity)
        until_s = time.monotonic() + _ANSWER_S
        promise = _Reservation(wanted, avatar.name, identity, until_s)
        self._order(promise, nowhere)  # `Refused` for what is no quality
        return promise

    def _order(self, promise: _Reservation, room: ExternalRoom) -> SessionConfig:
        config = self._service.config
        return promise.wanted.order(
            promise.avatar, config.stream_quality, config.max_session_s, room
        )

    def _begin(self, given: agent.JobAssignment, jobs: asyncio.TaskGroup) -> None:
        job = given.job
        promise = self._promised.pop(job.id, None)
        if promise is None:
            log.warning("LiveKit assigned what it did not ask for, job=%s", job.id)
            return
        url = given.url or self._service.config.livekit_url
        order = self._order(promise, parse_room_token(url, given.token, "the job's"))
        work = self._works[job.id] = _RunningJob()
        self._note_idle()
        jobs.create_task(self._do(job.id, work, order), name=f"job {job.id}")

    async def _do(self, job_id: str, work: _RunningJob, order: SessionConfig) -> None:
        """Run the job's session to its end, and tell LiveKit how that was."""
        status, text = agent.JobStatus.JS_SUCCESS, ""
        try:
            text = await self._session(work, order)
        except GatewayError as failed:
            text = str(failed)
        except Exception:  # boundary: the end of a job
            log.exception("job failed, job=%s", job_id)
            text = "the server failed; its log says more"
        finally:
            del self._works[job_id]
            self._news.set()
            self._note_idle()
        if text:
            status = agent.JobStatus.JS_FAILED
            log.warning("job failed, job=%s: %s", job_id, text)
        update = agent.UpdateJobStatus(job_id=job_id, status=status, error=text)
        await self._send(agent.WorkerMessage(update_job=update))

    async def _session(self, work: _RunningJob, order: SessionConfig) -> str:
        """What went wrong with it; empty if nothing did."""
        sessions = self._service.sessions
        record = await sessions.create(order, OWNER)
        work.session_id = record.id
        if work.unwanted:
            await sessions.stop(record.id, EndReason.USER_CLOSED)
            return ""
        try:
            if await sessions.start(record.id) is None:
                return ""  # stopped before it began
        except BaseException:
            await sessions.stop(record.id, EndReason.SERVER_ERROR)
            raise
        await record.ended.wait()
        await record.room_left.wait()  # before, LiveKit would be told that we are full
        assert record.live is not None
        end_info = record.live.session.end_info
        assert end_info is not None
        return end_info.text if end_info.reason is EndReason.SERVER_ERROR else ""

    async def _terminate(self, job_id: str) -> None:
        """LiveKit wants the job to end: its dispatch was deleted, or its room."""
        if work := self._works.get(job_id):
            work.unwanted = True
            if work.session_id is not None:
                sessions = self._service.sessions
                await sessions.stop(work.session_id, EndReason.USER_CLOSED)


def _told(lost: BaseException) -> str:
    while isinstance(lost, BaseExceptionGroup):
        lost = lost.exceptions[0]
    return str(lost) or type(lost).__name__
