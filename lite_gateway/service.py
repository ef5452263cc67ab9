"""The whole server without HTTP: engine, rooms, sessions, and what keeps them alive."""

import asyncio
import contextlib
import gc
import logging
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Self

import torch
from sqlalchemy import select

from lite_gateway.auth.api_keys import ApiKeys
from lite_gateway.auth.session_tokens import SessionTokens
from lite_gateway.avatars import LOOK_S, AvatarPackages
from lite_gateway.config import Config, shipped_avatars
from lite_gateway.datastream.receiver import DataStreamReceiver
from lite_gateway.drivers import load_driver
from lite_gateway.errors import (
    Refused,
    RenderFailed,
    RoomUnavailable,
    StoreUnavailable,
)
from lite_gateway.metrics import Metrics
from lite_gateway.playout.batcher import Batcher
from lite_gateway.playout.playout import PlaybackListener, Playout
from lite_gateway.playout.trace import Traces
from lite_gateway.rooms.livekit_room import LiveKitRoom
from lite_gateway.rooms.null_room import NullRoom
from lite_gateway.rooms.server_api import AVATAR_IDENTITY, Rooms
from lite_gateway.sessions.recorder import HistoryRecorder
from lite_gateway.sessions.registry import SessionRecord, SessionRegistry
from lite_gateway.sessions.request import SessionConfig
from lite_gateway.sessions.session import Limits, Session
from lite_gateway.store import secrets
from lite_gateway.store.engine import Store
from lite_gateway.threads import pool
from lite_gateway.video_quality import parse_quality
from protocol.lite.messages import EndReason
from renderer.avatar import Avatar, AvatarCatalog
from renderer.engine import Engine, RenderJob, RenderSession
from renderer.frames import FrameRequest, VideoFrame

log = logging.getLogger(__name__)

AnyRoom = LiveKitRoom | NullRoom

DRAIN_S = 5.0
_LAG_PERIOD_S = 0.020
_WARM_FRAMES = 8
_WARM_SIZE = "512x512"
_TOKEN_GRACE_S = 600.0
# Somebody wanted it so; whatever else LiveKit tells is a failure.
_GONE = {
    "ROOM_DELETED": EndReason.USER_CLOSED,
    "ROOM_CLOSED": EndReason.USER_CLOSED,
    "PARTICIPANT_REMOVED": EndReason.USER_CLOSED,
    "DUPLICATE_IDENTITY": EndReason.USER_DISCONNECTED,
}


class Service:
    def __init__(
        self, config: Config, metrics: Metrics, traces: Traces, store: Store
    ) -> None:
        self.config = config
        self.store = store
        self.api_keys = ApiKeys(config, store)
        self.metrics = metrics
        self._traces = traces
        self.packages = AvatarPackages(Path(config.avatars or shipped_avatars()))
        # Asked for in any case: a state of another key is found out now, not later.
        kept = store.run_sync(
            lambda db: secrets.server_secret(db, store.key_ring, secrets.TOKEN_SECRET)
        )
        self.tokens = SessionTokens(config.token_secret or kept, config.max_session_s)
        self.rooms = Rooms(
            config.livekit_url,
            config.livekit_api_key,
            config.livekit_api_secret,
            public_url=config.livekit_public_url or None,
        )
        self.warm = False
        self._cold = "the renderer is warming up"
        self.recorder: HistoryRecorder
        self.sessions: SessionRegistry
        self._engine = Engine(device=config.device, driver=load_driver(config.driver))
        self._batcher = Batcher(self._engine.render, metrics)
        self._capture = pool(2, "capture")
        self._rigs = pool(1, "rigs")
        self._joined: dict[str, AnyRoom] = {}

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        """Everything up; on the way out every session is told, then left."""
        torch.set_num_threads(self.config.render_threads)
        self.recorder = recorder = HistoryRecorder(
            self.store,
            delete_room=self.rooms.delete,
            history_days=self.config.history_days,
        )
        await recorder.open()
        async with asyncio.TaskGroup() as group:
            self.sessions = SessionRegistry(
                group,
                recorder,
                opened=self._open,
                closed=self._close,
                max_sessions=self.config.max_sessions,
                metrics=self.metrics,
            )
            helpers = [
                group.create_task(self._batcher.run(), name="batcher"),
                group.create_task(self._warm_up(), name="warm up, then lag"),
                group.create_task(recorder.run(), name="recorder"),
                group.create_task(self._watch_avatars(), name="avatars"),
            ]
            try:
                yield self
            finally:
                await self.drain()
                await recorder.close()
                for helper in helpers:
                    helper.cancel()
        await self.rooms.aclose()
        await self.store.aclose()
        for threads in (self._capture, self._rigs):
            threads.shutdown(wait=False)

    async def drain(self) -> None:
        """End every session and take no more."""
        await self.sessions.drain(DRAIN_S)

    @property
    def shelf(self) -> AvatarCatalog:
        return self.packages.shelf

    def avatar(self, wanted: str) -> Avatar | None:
        """By name or id."""
        return self.packages.find(wanted)

    async def fault(self) -> str | None:
        """None when ready for sessions; else what is missing."""
        if not self.shelf.avatars:
            return f"no avatar could be loaded: {self.shelf.broken or 'none there'}"
        if not self.warm:
            return self._cold
        try:
            await self.store.run(lambda db: db.execute(select(1)))
        except StoreUnavailable as away:
            return str(away)
        return await self.rooms.fault()

    async def _open(self, record: SessionRecord) -> Session:
        order = record.config
        avatar = self.avatar(order.avatar)
        if avatar is None:
            raise Refused(404, f"avatar {order.avatar!r} is not here any more")
        room, join = await self._room(record)
        render_session = await self._open_render_session(
            avatar, order.quality.width, order.quality.height
        )
        if order.data_stream:
            session = self._streamed(record, render_session, room)
        else:
            session = Session(
                record.id,
                lambda session: self._playout(record, session, render_session, room),
                self.metrics,
                now=time.monotonic,
                limits=self._limits(order),
            )
        room.gone = lambda why: session.end(
            _GONE.get(why, EndReason.SERVER_ERROR), f"the room is gone: {why}"
        )
        if order.external_room is None or (
            order.data_stream and not order.external_room.on_behalf_of
        ):
            room.users = session.users
        self._joined[record.id] = room
        await self._join(record, room, join)
        if order.note:
            session.warn("unknown_avatar", order.note)
        return session

    def _streamed(
        self, record: SessionRecord, render_session: RenderSession, room: AnyRoom
    ) -> Session:
        """A session that is spoken through in its room."""
        stream = DataStreamReceiver(
            lambda floor: self._playout(record, floor, render_session, room),
            self.metrics,
            external_audio=self.config.external_audio,
            buffered_s=self.config.max_buffered_s,
            owner_gone_s=self.config.agent_gone_s,
        )
        session = Session(
            record.id,
            lambda _: stream.floor.playout,
            self.metrics,
            now=time.monotonic,
            limits=self._limits(record.config),
            beside=stream.run,
        )
        stream.floor.touched = session.touch
        stream.gone = lambda why: session.end(EndReason.AGENT_HANG_UP, why)
        room.entered = stream.enter
        return session

    def _limits(self, order: SessionConfig) -> Limits:
        """Who has an agent in its room does not idle: it goes when that has gone."""
        own = order.external_room
        attended = order.data_stream and own is not None and own.on_behalf_of
        idle_s = order.max_duration_s if attended else self.config.idle_timeout_s
        return Limits(
            idle_s=idle_s,
            max_duration_s=order.max_duration_s,
            buffered_s=self.config.max_buffered_s,
            user_gone_s=self.config.user_gone_s,
        )

    async def _join(
        self, record: SessionRecord, room: AnyRoom, join: tuple[str, str]
    ) -> None:
        try:
            await room.open(*join)
        except RoomUnavailable as failed:
            if record.config.external_room is not None:
                raise Refused(400, f"livekit_config: {failed}") from None
            raise

    async def _room(self, record: SessionRecord) -> tuple[AnyRoom, tuple[str, str]]:
        """A room client, and the url and token to join with."""
        order = record.config
        if order.external_room is not None:
            join = (order.external_room.url, order.external_room.token)
        else:
            await self.rooms.create(record.id)
            valid_s = order.max_duration_s + _TOKEN_GRACE_S
            token = self.rooms.sign_token(record.id, AVATAR_IDENTITY, valid_s)
            join = (self.rooms.url, token)
        if self.config.output == "null":
            return NullRoom(), join
        room = LiveKitRoom(
            order.quality,
            fps=self.config.fps,
            codec=order.codec,
            capture=self._capture,
            metrics=self.metrics,
        )
        return room, join

    async def _open_render_session(
        self, avatar: Avatar, width: int, height: int
    ) -> RenderSession:
        """Off the loop: the first rig of an avatar at a size takes a while to build."""
        loop = asyncio.get_running_loop()
        seed = time.monotonic_ns() % 2**31
        return await loop.run_in_executor(
            self._rigs,
            lambda: self._engine.open_session(avatar, width, height, seed=seed),
        )

    def _playout(
        self,
        record: SessionRecord,
        news: PlaybackListener,
        render_session: RenderSession,
        room: AnyRoom,
    ) -> Playout:
        async def render(request: FrameRequest) -> VideoFrame:
            return await self._batcher.frame(RenderJob(render_session, request))

        return Playout(
            render,
            room,
            news,
            self.metrics,
            self._traces(record.id),
            now=time.monotonic,
            fps=self.config.fps,
            missing_end_s=self.config.missing_end_s,
            source="datastream" if record.config.data_stream else "websocket",
        )

    async def _close(self, record: SessionRecord) -> None:
        if room := self._joined.pop(record.id, None):
            await room.close()
        if record.config.external_room is None:
            await self.rooms.delete(record.id)

    async def _warm_up(self) -> None:
        """First frames are slow; nobody should have to watch them."""
        avatar = self.avatar(self.config.default_avatar)
        if avatar is None and self.shelf.avatars:
            avatar = next(iter(self.shelf.avatars.values()))
        if avatar is None:
            return
        size = parse_quality(_WARM_SIZE)
        render_session = await self._open_render_session(
            avatar, size.width, size.height
        )
        for index in range(_WARM_FRAMES):
            speech = bytes(2 * 960)
            request = FrameRequest(index, index * 0.04, "talking", 1, speech, 960)
            try:
                await self._batcher.frame(RenderJob(render_session, request))
            except RenderFailed as failed:
                self._cold = f"the renderer cannot draw: {failed}"
                log.critical("not ready: %s", self._cold)
                return
        gc.collect()
        gc.freeze()  # what lives now lives on: keep it out of later pauses
        self.warm = True
        log.info("renderer is warm, device=%s", self._engine.device)
        await self._measure_lag()

    async def _watch_avatars(self) -> None:
        """In the thread that builds rigs: none is built of what just went."""

        def look() -> None:
            if changed := self.packages.look():
                self._engine.evict(changed)

        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(LOOK_S)
            await loop.run_in_executor(self._rigs, look)

    async def _measure_lag(self) -> None:
        while True:
            due_s = time.monotonic() + _LAG_PERIOD_S
            await asyncio.sleep(_LAG_PERIOD_S)
            self.metrics.loop_lag.observe(max(0.0, time.monotonic() - due_s))
