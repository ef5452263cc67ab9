"""Gateway without HTTP: configuration, avatars, renderer, sessions and store."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import Self

from starlette.concurrency import run_in_threadpool

from lite_gateway.auth.api_keys import ApiKeys
from lite_gateway.auth.session_tokens import SessionTokens
from lite_gateway.avatar_jobs.jobs import AvatarJobs
from lite_gateway.avatar_selection import AvatarSelection
from lite_gateway.avatars import RESCAN_S, RESCAN_WARNING_S
from lite_gateway.child_process import RESTART_CHILD
from lite_gateway.config import Config
from lite_gateway.conversation.agent_process import AgentProcess
from lite_gateway.conversation.speech_process import SpeechProcess
from lite_gateway.conversation.starter import ConversationStarter
from lite_gateway.conversation.transcripts import TranscriptRecorder
from lite_gateway.conversation.voices import BuiltInVoice, built_in_voices
from lite_gateway.errors import RenderFailed
from lite_gateway.foreign.addresses import AddressGuard
from lite_gateway.garbage import keep_passes_short
from lite_gateway.long_steps import LongSteps
from lite_gateway.metrics import Metrics
from lite_gateway.playout.render_threads import RenderThreads
from lite_gateway.playout.trace import Traces
from lite_gateway.preparation import Preparation, prepare
from lite_gateway.readiness import Dependency, Readiness
from lite_gateway.rooms.sdk import SdkPanics
from lite_gateway.rooms.sdk_events import sdk_events
from lite_gateway.rooms.server_api import LiveKitServerApi
from lite_gateway.sessions.admission import Admission, FixedSlots, MeasuredSlots
from lite_gateway.sessions.assembly import SessionFactory
from lite_gateway.sessions.capacity import Capacity
from lite_gateway.sessions.opener import SessionOpener
from lite_gateway.sessions.recorder import HistoryRecorder
from lite_gateway.sessions.registry import (
    SESSION_FAILED,
    SHUT_DOWN,
    SessionRegistry,
    shutting_down,
)
from lite_gateway.store import instances, secrets
from lite_gateway.store.engine import Store
from lite_gateway.supervisor import (
    END_PROCESS,
    ESSENTIAL,
    RESTART,
    UNTIL_DONE,
    IsolatedTasks,
    Supervisor,
)
from lite_gateway.telemetry.processors import core_speed, usable_cores
from lite_gateway.threads import Workers
from lite_gateway.video_quality import WARM_QUALITY
from renderer.avatar import Avatar, AvatarCatalog

log = logging.getLogger(__name__)

DRAIN_S = 5.0
HISTORY_STUCK_S = 10.0  # a write takes some 0.01 s
_LAG_PERIOD_S = 0.100
REMEASURE_S = 300.0


class Service:
    """Sessions and everything that they share, from configuration to drain."""

    def __init__(
        self,
        config: Config,
        metrics: Metrics,
        traces: Traces,
        store: Store,
        preparation: Preparation | None = None,
        *,
        environment: Mapping[str, str] = {},
    ) -> None:
        """
        Make all parts, which takes seconds without a ``preparation``.

        ``environment`` is the process's own; its children get a small part of it.
        """
        preparation = preparation or prepare(config)
        self.config = config
        self.store = store
        self.api_keys = ApiKeys(config, store)
        self.metrics = metrics
        self.long_steps = LongSteps()
        self.packages = preparation.packages
        self._selection = AvatarSelection(self.packages, store, config.default_avatar)
        # Decrypt it even if the setting replaces it: a wrong encryption key must fail
        # at startup, not at the first request.
        stored_secret = store.run_sync(
            lambda db: secrets.server_secret(db, store.key_ring, secrets.TOKEN_SECRET)
        )
        self.tokens = SessionTokens(
            config.token_secret or stored_secret, config.max_session_s
        )
        self.rooms = self._make_rooms()
        self.supervisor = Supervisor(metrics)
        self.addresses = AddressGuard(
            config.allowed, own_urls=(config.livekit_url, config.livekit_public_url)
        )
        self.installed_voices = built_in_voices()
        self.transcripts = TranscriptRecorder(
            store, metrics, keep=config.keeps_transcripts
        )
        self.avatar_jobs = self._make_avatar_jobs(environment)
        self.agent = AgentProcess(
            environment, metrics, enabled=config.conversations == "auto"
        )
        self.speech = SpeechProcess(environment)
        self.missing_packages = partial(
            self.agent.missing_packages, own_recognizer=not config.stt_url
        )
        self._warmed = asyncio.Event()
        self._rescanned = asyncio.Event()
        self._draining = False
        self._not_ready_reason = "the renderer is warming up"
        self.recorder: HistoryRecorder
        self._readiness: Readiness
        self.sessions: SessionRegistry
        self._renderer = RenderThreads(metrics, preparation.engine)
        self._factory = self._make_factory(traces)
        self._capacity = self._make_capacity()
        self._opener = self._make_opener()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        """Start everything; at the end end the sessions, then close everything."""
        self.recorder = recorder = HistoryRecorder(
            self.store,
            delete_room=self.rooms.delete,
            history_days=self.config.history_days,
            metrics=self.metrics,
        )
        await recorder.open()
        async with self.supervisor.running():
            try:
                async with IsolatedTasks() as group:
                    self.sessions = self._registry(group)
                    self._readiness = self._make_readiness(group)
                    self._supervise()
                    try:
                        yield self
                    finally:
                        await self.drain()
                        self._readiness.close()
                        group.cancel()
            finally:
                await self.transcripts.close()
                await recorder.close()
        self.addresses.close()
        await self.rooms.aclose()
        await self.store.aclose()
        await self._factory.aclose()
        self._renderer.close()

    def _registry(self, group: asyncio.TaskGroup) -> SessionRegistry:
        return SessionRegistry(
            group,
            self.recorder,
            open_session=self._opener.open,
            close_session=self._opener.close,
            admission=self._admission(),
            metrics=self.metrics,
        )

    def _make_capacity(self) -> Capacity:
        return Capacity(
            self._renderer.draw_time,
            fps=self.config.fps,
            cores=usable_cores(),
            core_speed=core_speed(),
            quality=WARM_QUALITY,
            encodes=self.config.output != "null",
        )

    def _make_rooms(self) -> LiveKitServerApi:
        return LiveKitServerApi(
            self.config.livekit_url,
            self.config.livekit_api_key,
            self.config.livekit_api_secret,
            public_url=self.config.livekit_public_url or None,
            long_steps=self.long_steps,
        )

    def _make_factory(self, traces: Traces) -> SessionFactory:
        return SessionFactory(
            self._renderer,
            self.metrics,
            traces=traces,
            fps=self.config.fps,
            missing_end_s=self.config.missing_end_s,
            output=self.config.output,
            long_steps=self.long_steps,
        )

    def _make_avatar_jobs(self, environment: Mapping[str, str]) -> AvatarJobs:
        return AvatarJobs(
            self.packages,
            environment,
            self.metrics,
            enabled=self.config.allow_create == "on",
            evict=lambda names: self._renderer.evict(names),
            most_kept=self.config.max_created_avatars,
        )

    def _make_opener(self) -> SessionOpener:
        return SessionOpener(
            self.config,
            self.metrics,
            self._factory,
            rooms=self.rooms,
            addresses=self.addresses,
            packages=self.packages,
            conversations=ConversationStarter(
                self.config,
                self.metrics,
                self.agent,
                rooms=self.rooms,
                addresses=self.addresses,
                store=self.store,
                transcripts=self.transcripts,
                speech=self.speech,
            ),
        )

    def _admission(self) -> Admission:
        if self.config.max_sessions:
            return FixedSlots(self.config.max_sessions)
        rates = self._factory.frame_rates
        return MeasuredSlots(self._capacity, lambda: rates.level > 0)

    def _make_readiness(self, group: asyncio.TaskGroup) -> Readiness:
        livekit = "LiveKit does not answer, or refuses the API key; see the log"
        database = "the database cannot be written; see the log"
        return Readiness(
            group,
            self.metrics,
            self._own_fault,
            (
                Dependency("livekit", self.rooms.fault, livekit),
                Dependency("database", self._check_database, database),
            ),
        )

    def _supervise(self) -> None:
        add = self.supervisor.add
        add("renderer", self._renderer.run, ESSENTIAL)
        add("recorder", self.recorder.run, ESSENTIAL)
        add("transcripts", self.transcripts.run, RESTART)
        add("render watch", self._renderer.watch, END_PROCESS)
        add("readiness", self._readiness.run, RESTART)
        add("warm-up", self._warm_up, UNTIL_DONE)
        if not self.config.max_sessions:
            add("capacity", self._measure_again, RESTART)
        add("avatars", self._watch_avatars, RESTART)
        if self.avatar_jobs.enabled:
            add("avatar jobs", self.avatar_jobs.run, RESTART)
        add("loop lag", self._measure_lag, RESTART)
        if self.agent.runs:
            add("agent process", self._run_agent, RESTART_CHILD)
            add("speech process", self.speech.run, RESTART_CHILD)
        sdk_panics = SdkPanics(self.metrics)
        sdk_panics.install()
        add("sdk panics", sdk_panics.watch, END_PROCESS)

    def stop_accepting(self) -> None:
        """Refuse new sessions from now on, and be no longer ready."""
        self._draining = True

    def check_accepting(self) -> None:
        """Raise `Refused` with 503 if this gateway accepts no new sessions."""
        if self._draining:
            raise shutting_down()

    async def drain(self) -> None:
        """End every session and take no more."""
        self.stop_accepting()
        failed = self.supervisor.failure is not None
        await self.sessions.drain(DRAIN_S, SESSION_FAILED if failed else SHUT_DOWN)

    @property
    def built_in_voices(self) -> tuple[BuiltInVoice, ...]:
        """Voices that sessions may name without a provider."""
        return () if self.missing_packages("FULL") else self.installed_voices

    @property
    def catalog(self) -> AvatarCatalog:
        return self.packages.catalog

    def avatar(self, requested: str) -> Avatar | None:
        """Return the avatar with that name or id."""
        return self.packages.find(requested)

    async def select_avatar(self, requested: str) -> tuple[Avatar, str]:
        """Return an avatar and a warning, as `AvatarSelection.select`."""
        return await self._selection.select(requested)

    async def fault(self) -> str | None:
        """Return None if a session could start now, else the reason."""
        return await self._readiness.fault()

    def _own_fault(self) -> str | None:
        """Return why no session can start, apart from LiveKit and the database."""
        if self.supervisor.fault is not None:
            return self.supervisor.fault
        if self._draining:
            return "draining: the server is shutting down"
        if not self.catalog.avatars:
            return "no avatar could be loaded; `lite-gateway avatars check` says why"
        if not self.warm:
            return self._not_ready_reason
        if self._renderer.fault is not None:
            return self._renderer.fault
        if self.recorder.pending_since_s > HISTORY_STUCK_S:
            return "the history cannot be written; see the log"
        return self.sessions.fault

    async def _check_database(self) -> str | None:
        """Write a row, as the creation of a session does: a full disk can be read."""
        instance_id = self.recorder.instance_id
        await self.store.run(lambda db: instances.heartbeat(db, instance_id))
        return None

    async def _warm_up(self) -> None:
        avatar = await self._selection.first(self._rescanned)
        try:
            await self._renderer.warm_up(avatar)
        except Exception as error:
            self._not_ready_reason = "the renderer cannot draw; see the log"
            log.critical("not ready: the renderer cannot draw: %s", error)
            raise
        if not self.config.max_sessions:
            await self._measure(avatar)
        # The first thread of Starlette imports modules, and the SDK loads its library,
        # for 20 ms each: the first session would do both on the event loop.
        if self.config.output != "null":
            await run_in_threadpool(sdk_events)
        await run_in_threadpool(keep_passes_short)
        self._warmed.set()

    @property
    def warm(self) -> bool:
        """Return whether the warm-up has ended."""
        return self._warmed.is_set()

    async def _run_agent(self) -> None:
        """Run the agent process, but not beside the warm-up, which measures."""
        await self._warmed.wait()
        await self.agent.run()

    async def _measure(self, avatar: Avatar) -> None:
        """Measure the capacity, unless a session starts meanwhile."""
        try:
            frame_s = await self._renderer.frame_time(
                avatar, lambda: not self.sessions.slots_taken
            )
        except RenderFailed as error:
            log.warning("the capacity was not measured: %s", error)
        else:
            self._capacity.take(avatar.name, frame_s)

    async def _measure_again(self) -> None:
        """Measure the capacity now and then: the machine may have been busy before."""
        while True:
            await asyncio.sleep(REMEASURE_S)
            avatar = self._selection.default()
            if self.warm and avatar is not None:
                await self._measure(avatar)

    async def _watch_avatars(self) -> None:
        # A thread of its own: a disk that hangs must delay no start. It stays, because
        # whoever starts a thread waits until it has got a processor.
        with contextlib.closing(Workers(1, "packages")) as thread:
            while True:
                await asyncio.sleep(RESCAN_S)
                rescan = thread.run(self.packages.rescan)
                if not (await asyncio.wait({rescan}, timeout=RESCAN_WARNING_S))[0]:
                    log.error("the folder of avatars does not answer; they stay loaded")
                if changed := await rescan:
                    await self._renderer.evict(changed)
                self._rescanned.set()

    async def _measure_lag(self) -> None:
        """Observe how late the event loop wakes, from the end of the warm-up on."""
        while True:
            was_warm = self.warm  # the end of the warm-up itself blocks the loop
            due_s = time.monotonic() + _LAG_PERIOD_S
            await asyncio.sleep(_LAG_PERIOD_S)
            if was_warm:
                self.metrics.loop_lag.observe(max(0.0, time.monotonic() - due_s))
