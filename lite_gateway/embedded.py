"""An avatar in the process of the program that speaks through it: no server between."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

from lite_gateway.avatars import AvatarPackages
from lite_gateway.config import FPS, Config, shipped_avatars
from lite_gateway.datastream.speech_queue import PlaybackReporter, SpeechQueue
from lite_gateway.errors import Refused
from lite_gateway.metrics import Metrics
from lite_gateway.playout.batcher import Batcher
from lite_gateway.playout.playout import Playout
from lite_gateway.rooms.livekit_room import LiveKitRoom
from lite_gateway.threads import pool
from lite_gateway.video_quality import VideoQuality, parse_quality
from renderer.engine import Engine, RenderJob, RenderSession
from renderer.frames import FrameRequest, VideoFrame

BUFFERED_S = 600.0


@contextlib.asynccontextmanager
async def avatar_in_room(
    url: str,
    token: str,
    reports: PlaybackReporter,
    *,
    avatar: str = "",
    picture: str = "high",
    avatars: Path | None = None,
    device: str = "auto",
) -> AsyncIterator[SpeechQueue]:
    """
    The avatar joins and is seen; what is said to the floor is spoken in the room.

    Without a name it is the default avatar; ``picture`` is a quality's name or
    WIDTHxHEIGHT. Enter and leave it in one task.
    """
    loop = asyncio.get_running_loop()
    size, metrics = parse_quality(picture), Metrics()
    rigs, capture = pool(1, "rigs"), pool(1, "capture")
    room = LiveKitRoom(size, fps=FPS, codec="H264", capture=capture, metrics=metrics)

    try:
        folder = avatars or shipped_avatars()
        engine, render_session = await loop.run_in_executor(
            rigs, _build, folder, avatar or Config().default_avatar, size, device
        )
        batcher = Batcher(engine.render, metrics)

        async def render(request: FrameRequest) -> VideoFrame:
            return await batcher.frame(RenderJob(render_session, request))

        floor = SpeechQueue(
            lambda floor: Playout(
                render, room, floor, metrics, now=time.monotonic, source="datastream"
            ),
            reports,
            buffered_s=BUFFERED_S,
        )
        await room.open(url, token)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(batcher.run(), name="batcher"),
                group.create_task(floor.playout.run(), name="playout"),
            ]
            try:
                yield floor
            finally:
                floor.clear()
                for task in tasks:
                    task.cancel()
    finally:
        await room.close()
        for threads in (rigs, capture):
            threads.shutdown(wait=False)


def _build(
    folder: Path, name: str, size: VideoQuality, device: str
) -> tuple[Engine, RenderSession]:
    """Slow: an engine for one."""
    packages = AvatarPackages(folder)
    found = packages.find(name)
    if found is None:
        why = packages.why_broken(name)
        raise Refused(404, f"avatar {name!r}: {why[1] if why else 'not here'}")
    engine = Engine(device=device)
    seed = time.monotonic_ns() % 2**31
    return engine, engine.open_session(found, size.width, size.height, seed=seed)
