"""Avatar in the process of the program that speaks through it, without a server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from lite_gateway.avatars import AvatarPackages, background_of
from lite_gateway.config import Config, shipped_avatars
from lite_gateway.datastream.speech_queue import PlaybackReporter, SpeechQueue
from lite_gateway.errors import Refused, RoomUnavailable
from lite_gateway.metrics import Metrics
from lite_gateway.playout.playout import Playout
from lite_gateway.playout.render_threads import RenderThreads
from lite_gateway.preparation import make_engine
from lite_gateway.rooms.events import JoinedRoom
from lite_gateway.sessions.assembly import LiveSession, SessionFactory, SessionPlan
from lite_gateway.sessions.session import Limits, Session
from lite_gateway.video_quality import parse_quality
from protocol.lite.messages import EndReason
from renderer.avatar import Avatar

MAX_BUFFERED_S = 600.0
_NO_LIMITS = Limits(idle_s=None, max_duration_s=None, user_gone_s=None)


class QueueInput:
    """Speech input of calls in this process: the program fills the queue itself."""

    connected = True

    def __init__(
        self, playout: Playout, session: Session, reports: PlaybackReporter
    ) -> None:
        self._playout = playout
        self.queue = SpeechQueue(
            playout,
            reports,
            on_activity=session.mark_active,
            max_buffered_s=MAX_BUFFERED_S,
        )

    def on_joined(self, room: JoinedRoom) -> None:
        """Ignore the room: speech comes by calls only."""

    async def run(self) -> None:
        """Play until cancelled."""
        await self._playout.run(self.queue)

    def stop(self, reason: EndReason, text: str) -> None:
        """Cut all speech; the reports say how far it was heard."""
        self.queue.clear()

    async def aclose(self) -> None:
        """Do nothing: nobody in the room is told anything."""


@contextlib.asynccontextmanager
async def avatar_in_room(
    url: str,
    token: str,
    reports: PlaybackReporter,
    *,
    avatar: str = "",
    quality: str = "high",
    background: str = "",
    avatars: Path | None = None,
    device: str = "auto",
) -> AsyncIterator[SpeechQueue]:
    """
    Join a room with an avatar, and yield the queue through which it speaks.

    ``avatar`` is a name or id, empty for the default; ``quality`` is the name of a
    quality or WIDTHxHEIGHT; ``background`` is ``#rrggbb``, ``transparent`` or a picture
    of the avatar, empty for its own. Enter and leave it in one task. Raises
    `RoomUnavailable` if the room cannot be joined, and inside the block when it is lost
    later; `Refused` for an avatar, a quality or a background that does not exist.
    """
    settings, metrics = Config(device=device), Metrics()
    found = await asyncio.to_thread(_find, avatars, avatar or settings.default_avatar)
    plan = SessionPlan(
        session_id="embedded",
        avatar=found,
        quality=parse_quality(quality),
        background=background_of(found, background, "background"),
        url=url,
        token=token,
        open_input=lambda playout, session: QueueInput(playout, session, reports),
        source="datastream",
        limits=_NO_LIMITS,
        counts_users=False,
    )
    renderer = await asyncio.to_thread(
        lambda: RenderThreads(metrics, make_engine(settings))
    )
    factory = SessionFactory(renderer, metrics, capture_threads=1)
    try:
        async with _playing(factory, renderer, plan) as queue:
            yield queue
    finally:
        await factory.aclose()
        renderer.close()


@contextlib.asynccontextmanager
async def _playing(
    factory: SessionFactory, renderer: RenderThreads, plan: SessionPlan
) -> AsyncIterator[SpeechQueue]:
    try:
        async with asyncio.TaskGroup() as group:
            drawing = group.create_task(renderer.run(), name="renderer")
            try:
                await renderer.warm_up(plan.avatar)
                async with _open(factory, plan) as live:
                    playing = group.create_task(_run_until_lost(live), name="session")
                    assert isinstance(live.speech, QueueInput)
                    try:
                        yield live.speech.queue
                    finally:
                        live.speech.queue.clear()
                        playing.cancel()
            finally:
                drawing.cancel()
    except BaseExceptionGroup as group_error:
        raise _single_error(group_error) from None


@contextlib.asynccontextmanager
async def _open(
    factory: SessionFactory, plan: SessionPlan
) -> AsyncIterator[LiveSession]:
    live = await factory.open(plan)
    try:
        yield live
    finally:
        await live.aclose()


async def _run_until_lost(live: LiveSession) -> None:
    end_info = await live.run()
    raise RoomUnavailable(f"the avatar has left the room: {end_info.text}")


def _single_error(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the only exception of a group, or the group if it has several."""
    if len(group.exceptions) > 1:
        return group
    error = group.exceptions[0]
    return _single_error(error) if isinstance(error, BaseExceptionGroup) else error


def _find(folder: Path | None, name: str) -> Avatar:
    packages = AvatarPackages(folder or shipped_avatars(), trusted=folder is None)
    avatar = packages.find(name)
    if avatar is None:
        broken = packages.find_broken(name)
        raise Refused(404, f"avatar {name!r}: {broken[1] if broken else 'unknown'}")
    return avatar
