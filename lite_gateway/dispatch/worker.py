"""
Worker of LiveKit agent dispatch: LiveKit offers jobs, and each job is an avatar.

The protocol is that of LiveKit agents: protobuf over a WebSocket at ``/agent``. Jobs
outlive the connection: the worker reconnects, and sessions continue meanwhile.
"""

import asyncio
import contextlib
import dataclasses
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

from livekit import api
from livekit.protocol import agent, models
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from lite_gateway import __version__
from lite_gateway.api.session_requests import external_room, read_room_claims
from lite_gateway.avatars import background_of
from lite_gateway.dispatch.job import JobMetadata, WorkerLoad
from lite_gateway.errors import GatewayError, Refused
from lite_gateway.foreign.text import foreign_text
from lite_gateway.service import Service
from lite_gateway.sessions.joins import MAX_BACKGROUND_WAIT_S
from lite_gateway.sessions.session_config import (
    ExternalRoom,
    SessionConfig,
    SessionOwner,
)
from lite_gateway.supervisor import IsolatedTasks
from protocol.datastream.names import ON_BEHALF_ATTRIBUTE
from protocol.lite.messages import EndReason

log = logging.getLogger(__name__)

OWNER = SessionOwner("livekit")
_REPORT_INTERVAL_S = 2.0  # between two reports of the load when nothing changes
# LiveKit must answer the registration, and assign an accepted job, within this time.
_ANSWER_TIMEOUT_S = 10.0
_RETRY_STATUSES = (429, 503)  # of a session that another worker may have room for
_MIN_BACKOFF_S, _MAX_BACKOFF_S = 0.5, 10.0  # between two attempts to connect


@dataclass(frozen=True, slots=True)
class _Reservation:
    """Slot for a job that the worker accepted and whose session has not taken one."""

    metadata: JobMetadata
    identity: str
    config: SessionConfig  # without the room's URL and token
    expires_s: float  # infinite once LiveKit has assigned the job


@dataclass(slots=True)
class _RunningJob:
    """Job of a session; the id is None until the session is created."""

    session_id: str | None = None
    terminated: bool = False


@dataclass(slots=True)
class _BusyMeter:
    """Share of time that the render thread works, measured between two updates."""

    worked_s: Callable[[], float]
    now: Callable[[], float] = time.monotonic
    share: float = 0.0
    _last: tuple[float, float] = field(init=False)

    def __post_init__(self) -> None:
        self._last = self.now(), self.worked_s()

    def update(self) -> None:
        """Measure the share, unless the last update was too recent."""
        last_s, last_worked_s = self._last
        now_s, worked_s = self.now(), self.worked_s()
        if now_s - last_s >= _REPORT_INTERVAL_S / 2:  # shorter intervals are noise
            self.share = (worked_s - last_worked_s) / (now_s - last_s)
            self._last = now_s, worked_s


class Worker:
    """Worker of one gateway: registers with LiveKit, takes jobs and runs them."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._reservations: dict[str, _Reservation] = {}  # by job id
        self._jobs: dict[str, _RunningJob] = {}  # by job id
        self._socket: ClientConnection | None = None
        self._load_changed = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._draining = False
        registry = service.metrics.registry
        self._busy = _BusyMeter(
            lambda: registry.get_sample_value("lite_render_seconds_sum") or 0.0
        )

    async def run(self) -> None:
        """Stay registered until cancelled; reconnect after each loss."""
        backoff_s = _MIN_BACKOFF_S
        async with IsolatedTasks() as jobs:
            while True:
                started_s = time.monotonic()
                try:
                    await self._serve_connection(jobs)
                # boundary: no answer of LiveKit ends the jobs, which need no worker
                except* Exception as error:
                    log.warning("not registered with LiveKit: %s", _text(error))
                if time.monotonic() - started_s > _MAX_BACKOFF_S:
                    backoff_s = _MIN_BACKOFF_S
                await asyncio.sleep(backoff_s)
                backoff_s = min(2 * backoff_s, _MAX_BACKOFF_S)

    async def drain(self) -> None:
        """Take no more jobs, and wait for the running ones."""
        self._draining = True
        self._load_changed.set()
        if self._jobs or self._reservations:
            log.info("worker is draining, jobs=%d", len(self._jobs))
        self._update_idle()
        await self._idle.wait()

    # Connection to LiveKit.

    async def _serve_connection(self, jobs: asyncio.TaskGroup) -> None:
        """Register on a new connection and serve it until it ends with an error."""
        async with connect(
            self._url(),
            additional_headers={"Authorization": f"Bearer {self._token()}"},
            open_timeout=_ANSWER_TIMEOUT_S,
            max_size=1 << 20,  # bytes
        ) as socket:
            await self._register(socket)
            self._socket = socket
            try:
                async with asyncio.TaskGroup() as group:
                    report = group.create_task(self._report_load(), name="report")
                    async for frame in socket:
                        if isinstance(frame, bytes):
                            message = agent.ServerMessage.FromString(frame)
                            await self._receive(message, jobs)
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
            version=f"lite-gateway {__version__}",
            allowed_permissions=permissions,
        )
        message = agent.WorkerMessage(register=register)
        async with asyncio.timeout(_ANSWER_TIMEOUT_S):
            await socket.send(message.SerializeToString())
            frame = await socket.recv(decode=False)
        answer = agent.ServerMessage.FromString(frame)
        if answer.WhichOneof("message") != "register":
            raise ConnectionError("LiveKit did not answer the registration")
        worker_id = answer.register.worker_id
        log.info("worker registered, agent=%s worker=%s", name, worker_id)
        self._load_changed.set()

    async def _receive(
        self, message: agent.ServerMessage, jobs: asyncio.TaskGroup
    ) -> None:
        match message.WhichOneof("message"):
            case "availability":
                await self._answer_offer(message.availability.job)
            case "assignment":
                self._start_job(message.assignment, jobs)
            case "termination":
                job_id = message.termination.job_id
                stop = self._terminate(job_id)
                jobs.create_task(stop, name=f"terminate {job_id}")

    async def _send(self, message: agent.WorkerMessage) -> None:
        """
        Send a message if the worker is connected.

        Messages lost with the connection need no resend: LiveKit drops the worker's
        state too.
        """
        if self._socket is not None:
            with contextlib.suppress(WebSocketException, TimeoutError):
                async with asyncio.timeout(_ANSWER_TIMEOUT_S):
                    await self._socket.send(message.SerializeToString())

    # Load.

    @property
    def _full(self) -> bool:
        return self._draining or self._load().full

    def _load(self) -> WorkerLoad:
        now_s = time.monotonic()
        for job_id, reservation in list(self._reservations.items()):
            if reservation.expires_s < now_s:
                del self._reservations[job_id]
        self._update_idle()
        sessions = self._service.sessions
        slots = sessions.slots_taken + sessions.slots_free
        slots_taken = sessions.slots_taken + len(self._reservations)
        return WorkerLoad(slots_taken, slots, self._busy.share)

    def _update_idle(self) -> None:
        if self._jobs or self._reservations:
            self._idle.clear()
        else:
            self._idle.set()

    async def _report_load(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_REPORT_INTERVAL_S):
                    await self._load_changed.wait()
            self._load_changed.clear()
            self._busy.update()
            await self._send_load()

    async def _send_load(self) -> None:
        status = agent.WorkerStatus
        update = agent.UpdateWorkerStatus(
            status=status.WS_FULL if self._full else status.WS_AVAILABLE,
            load=self._load().load,
            job_count=len(self._jobs),
            draining=self._draining,
        )
        await self._send(agent.WorkerMessage(update_worker=update))

    # Jobs.

    async def _answer_offer(self, job: agent.Job) -> None:
        """
        Accept or decline a job that LiveKit offers.

        A job that no worker could run is terminated, so that LiveKit does not offer it
        to the others.
        """
        answer = agent.AvailabilityResponse(job_id=job.id)
        if not self._full:
            try:
                reservation = self._reserve(job)
            except Refused as error:
                log.warning("job refused, job=%s: %s", job.id, error)
                answer.terminate = error.status not in _RETRY_STATUSES
            else:
                self._reservations[job.id] = reservation
                answer.available = True
                answer.participant_identity = reservation.identity
                answer.participant_name = reservation.config.avatar
                if on_behalf_of := reservation.metadata.agent_identity:
                    answer.participant_attributes[ON_BEHALF_ATTRIBUTE] = on_behalf_of
        # The load goes first, because LiveKit may offer the next job at once.
        await self._send_load()
        await self._send(agent.WorkerMessage(availability=answer))

    def _reserve(self, job: agent.Job) -> _Reservation:
        """Check the metadata of a job; `Refused` if no session could be made of it."""
        metadata = JobMetadata.parse(job.metadata)
        name = metadata.avatar_id or self._service.config.default_avatar
        avatar = self._service.avatar(name)
        if avatar is None:
            raise Refused(404, f"there is no avatar {metadata.avatar_id[:60]!r}")
        identity = metadata.avatar_identity or f"avatar-{avatar.name}"
        # The room's URL and token come with the assignment; this checks the rest.
        room = ExternalRoom("", job.room.name, "", identity)
        settings = self._service.config
        config = metadata.session_config(
            *(avatar.name, settings.stream_quality, settings.max_session_s, room),
            background=background_of(avatar, metadata.background, "background"),
        )
        reserved = [reservation.config for reservation in self._reservations.values()]
        self._service.sessions.check_free_slots([*reserved, config], OWNER)
        expires_s = time.monotonic() + _ANSWER_TIMEOUT_S
        return _Reservation(metadata, identity, config, expires_s)

    def _start_job(
        self, assignment: agent.JobAssignment, jobs: asyncio.TaskGroup
    ) -> None:
        job_id = assignment.job.id
        reservation = self._reservations.get(job_id)
        if reservation is None or job_id in self._jobs:
            log.warning("LiveKit assigned a job that it did not offer, job=%s", job_id)
            return
        self._jobs[job_id] = _RunningJob()
        kept = dataclasses.replace(reservation, expires_s=math.inf)
        self._reservations[job_id] = kept
        self._update_idle()
        jobs.create_task(self._run_job(reservation, assignment), name=f"job {job_id}")

    async def _run_job(
        self, reservation: _Reservation, assignment: agent.JobAssignment
    ) -> None:
        """Run the session of a job to its end and report the result to LiveKit."""
        job_id = assignment.job.id
        status, error = agent.JobStatus.JS_SUCCESS, ""
        try:
            url = assignment.url or self._service.config.livekit_url
            claims = read_room_claims(assignment.token, "the job's")
            room = external_room(url, assignment.token, claims)
            room = dataclasses.replace(room, named_by_livekit=True)
            config = dataclasses.replace(reservation.config, external_room=room)
            error = await self._run_session(job_id, config)
        except GatewayError as failure:
            error = foreign_text(failure)
        except Exception:  # boundary: the end of a job
            log.exception("job failed, job=%s", job_id)
            error = "internal error of the gateway; see its log"
        finally:
            self._reservations.pop(job_id, None)
            del self._jobs[job_id]
            self._load_changed.set()
            self._update_idle()
        if error:
            status = agent.JobStatus.JS_FAILED
            log.warning("job failed, job=%s: %s", job_id, error)
        update = agent.UpdateJobStatus(job_id=job_id, status=status, error=error)
        await self._send(agent.WorkerMessage(update_job=update))

    async def _run_session(self, job_id: str, config: SessionConfig) -> str:
        """Return the error that ended the session; empty if it ended normally."""
        sessions, job = self._service.sessions, self._jobs[job_id]
        record = await sessions.create(config, OWNER)  # waits for the database
        self._reservations.pop(job_id, None)  # the start takes a slot before it waits
        job.session_id = record.id
        if job.terminated:
            await sessions.stop(record.id, EndReason.USER_CLOSED)
            return ""
        try:
            # LiveKit, not a client, waits: a job that fails is worse than a late one.
            started = await sessions.start(record.id, max_wait_s=MAX_BACKGROUND_WAIT_S)
            if started is None:
                return ""  # the job was terminated while the session started
        except BaseException:
            await sessions.stop(record.id, EndReason.SERVER_ERROR)
            raise
        await record.ended.wait()
        # The slot is free when the room is left. The job's end is not reported
        # earlier, because the load reported with it would still be full.
        await record.room_left.wait()
        assert record.live is not None
        end_info = record.live.session.end_info
        assert end_info is not None
        return end_info.text if end_info.reason is EndReason.SERVER_ERROR else ""

    async def _terminate(self, job_id: str) -> None:
        """Stop the session of a job whose dispatch or room was deleted."""
        if job := self._jobs.get(job_id):
            job.terminated = True
            if job.session_id is not None:
                sessions = self._service.sessions
                await sessions.stop(job.session_id, EndReason.USER_CLOSED)


def _text(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) or type(error).__name__
