"""Avatar of a program's own process in a real room."""

import asyncio
import uuid
from dataclasses import dataclass, field

import numpy as np
import pytest
from livekit import api, rtc

from lite_gateway.devserver.process import LiveKit
from lite_gateway.embedded import avatar_in_room
from lite_gateway.errors import Refused, RoomUnavailable
from lite_gateway.playout.render_threads import RenderThreads
from tests.fakes import tone
from tests.waiting import PATIENCE_S

SIZE = "128x128"


@dataclass
class Reports:
    """Playback reports, in order."""

    finished_samples: list[tuple[int, bool]] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def started(self, sender: str) -> None:
        """Playback starts are not looked at."""

    def finished(self, sender: str, samples: int, *, interrupted: bool) -> None:
        self.finished_samples.append((samples, interrupted))
        self.changed.set()


def token(livekit: LiveKit, room: str, identity: str = "avatar") -> str:
    return (
        api.AccessToken(livekit.key, livekit.secret)
        .with_identity(identity)
        .with_grants(api.VideoGrants(room_join=True, room=room))
        .to_jwt()
    )


@pytest.mark.livekit
def test_an_embedded_avatar_speaks_and_reports_it(livekit):
    room, reports = f"embedded-{uuid.uuid4().hex[:8]}", Reports()

    async def main():
        async with avatar_in_room(
            livekit.url, token(livekit, room), reports, avatar="fiducial", quality=SIZE
        ) as queue:
            turn = queue.open("program")
            queue.receive(turn, tone(0.2))
            queue.close(turn)
            async with asyncio.timeout(PATIENCE_S):
                await reports.changed.wait()

    asyncio.run(main())
    assert reports.finished_samples == [(4800, False)]


@pytest.mark.livekit
def test_an_embedded_avatar_learns_that_its_room_is_lost(livekit):
    room, reports = f"embedded-{uuid.uuid4().hex[:8]}", Reports()

    async def main():
        async with avatar_in_room(
            livekit.url, token(livekit, room), reports, avatar="fiducial", quality=SIZE
        ) as queue:
            queue.receive(queue.open("program"), tone(60.0))
            async with api.LiveKitAPI(
                livekit.url, livekit.key, livekit.secret
            ) as server:
                await server.room.delete_room(api.DeleteRoomRequest(room=room))
            async with asyncio.timeout(PATIENCE_S):
                await asyncio.Event().wait()

    with pytest.raises(RoomUnavailable, match="ROOM_DELETED"):
        asyncio.run(main())
    assert [interrupted for _, interrupted in reports.finished_samples] == [True]


def test_an_unknown_avatar_is_refused_before_the_room_is_joined():
    async def main():
        async with avatar_in_room("ws://127.0.0.1:9", "", Reports(), avatar="nosuch"):
            raise AssertionError("the avatar must not join")

    with pytest.raises(Refused, match="nosuch"):
        asyncio.run(main())


def test_a_background_that_the_avatar_cannot_have_is_refused():
    async def main():
        async with avatar_in_room(
            "ws://127.0.0.1:9", "", Reports(), avatar="fiducial", background="#102030"
        ):
            raise AssertionError("the avatar must not join")

    with pytest.raises(Refused, match="background: "):
        asyncio.run(main())


async def corner(livekit: LiveKit, room_name: str) -> tuple[int, ...]:
    """Return the mean RGB of the upper left corner of a room's video."""
    room, tracks = rtc.Room(), asyncio.Queue()
    room.on("track_subscribed", lambda track, *_: tracks.put_nowait(track))
    await room.connect(livekit.url, token(livekit, room_name, "viewer"))
    try:
        while (track := await tracks.get()).kind != rtc.TrackKind.KIND_VIDEO:
            pass
        stream = rtc.VideoStream(track, format=rtc.VideoBufferType.RGB24)
        frame = (await anext(stream)).frame
        await stream.aclose()
    finally:
        await room.disconnect()
    pixels = np.frombuffer(frame.data, np.uint8)
    pixels = pixels.reshape(frame.height, frame.width, 3)
    return tuple(pixels[:16, :16].mean((0, 1)).astype(int))


@pytest.mark.livekit
def test_an_embedded_avatar_shows_the_background_that_is_asked_for(livekit):
    room = f"embedded-{uuid.uuid4().hex[:8]}"

    async def main():
        async with avatar_in_room(
            livekit.url, token(livekit, room), Reports(),
            avatar="mira", quality=SIZE, background="#20d0d0",
        ):  # fmt: skip
            async with asyncio.timeout(PATIENCE_S):
                return await corner(livekit, room)

    assert np.allclose(asyncio.run(main()), (0x20, 0xD0, 0xD0), atol=12)


def test_an_error_while_joining_is_raised_as_it_is(monkeypatch):
    class Broken(Exception):
        """Fault of the engine."""

    async def warm_up(self, avatar):
        raise Broken("out of memory")

    monkeypatch.setattr(RenderThreads, "warm_up", warm_up)

    async def main():
        async with avatar_in_room("ws://127.0.0.1:9", "", Reports(), avatar="fiducial"):
            raise AssertionError("the avatar must not join")

    with pytest.raises(Broken, match="out of memory"):
        asyncio.run(main())
