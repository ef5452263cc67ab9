"""A session assembled from a real renderer and a room that encodes nothing."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from lite_gateway.config import Config, shipped_avatars
from lite_gateway.errors import Refused
from lite_gateway.metrics import Metrics
from lite_gateway.playout.render_threads import RenderThreads
from lite_gateway.preparation import make_engine
from lite_gateway.sessions.assembly import SessionFactory, SessionPlan
from lite_gateway.sessions.lite_input import LiteInput
from lite_gateway.sessions.session import Limits
from lite_gateway.video_quality import parse_quality
from protocol.lite.messages import EndReason
from renderer.avatar import load
from tests.fakes import MemoryTransport, tone
from tests.renderer.portrait import portraits
from tests.waiting import PATIENCE_S, until_async


@asynccontextmanager
async def open_session(limits: Limits = Limits()):
    """Run one session of the test pattern, and yield it with its run task."""
    metrics = Metrics()
    renderer = RenderThreads(metrics, make_engine(Config(device="cpu")))
    factory = SessionFactory(renderer, metrics, output="null")
    plan = SessionPlan(
        session_id="s1",
        avatar=load(shipped_avatars() / "fiducial"),
        quality=parse_quality("128x128"),
        url="",
        token="",
        open_input=lambda playout, session: LiteInput(
            playout, session, metrics, now=asyncio.get_running_loop().time
        ),
        limits=limits,
    )
    live = await factory.open(plan)
    try:
        async with asyncio.TaskGroup() as group:
            drawing = group.create_task(renderer.run(), name="renderer")
            yield live, group.create_task(live.run(), name="session")
            live.session.end(EndReason.USER_CLOSED, "test over")
            await live.aclose()
            drawing.cancel()
    finally:
        await factory.aclose()
        renderer.close()


def run(main):
    async def bounded():
        async with asyncio.timeout(PATIENCE_S):
            return await main()

    return asyncio.run(bounded())


def test_a_package_that_was_damaged_after_it_was_loaded_refuses_its_sessions_only(
    tmp_path,
):
    folder = portraits.build(tmp_path / "eve")
    eve = load(folder)
    (folder / "plate.webp").write_bytes(b"damaged")
    quality = parse_quality("128x128")

    async def main():
        renderer = RenderThreads(Metrics(), make_engine(Config(device="cpu")))
        with pytest.raises(Refused, match=r"avatar eve: .*plate\.webp") as refused:
            await renderer.open(eve, quality)
        assert refused.value.status == 422
        with pytest.raises(Refused, match="keeps its own background") as refused:
            await renderer.open(eve, quality, "#ffffff")
        assert refused.value.status == 422
        await renderer.open(load(shipped_avatars() / "fiducial"), quality)
        renderer.close()

    run(main)


def test_an_assembled_session_speaks():
    async def main():
        async with open_session() as (live, _):
            client = MemoryTransport()
            client.speak(tone(0.1), event_id="u1")
            client.client_sends(type="agent.speak_end")
            async with asyncio.TaskGroup() as group:
                group.create_task(live.speech.attach(client), name="client")
                await until_async(lambda: "agent.speak_ended" in client.types())
                client.disconnect()

    run(main)


@pytest.mark.parametrize(
    ("lost", "reason"),
    [
        ("ROOM_DELETED", EndReason.USER_CLOSED),
        ("DUPLICATE_IDENTITY", EndReason.USER_DISCONNECTED),
        ("CONNECTION_TIMEOUT", EndReason.SERVER_ERROR),
    ],
)
def test_a_lost_room_ends_the_session_with_its_reason(lost, reason):
    async def main():
        async with open_session() as (live, playing):
            live.on_lost(lost)
            return await playing

    end_info = run(main)
    assert end_info.reason is reason
    assert lost in end_info.text


def test_a_session_without_limits_runs_on_when_its_users_leave():
    async def main():
        no_limits = Limits(idle_s=None, max_duration_s=None, user_gone_s=None)
        async with open_session(no_limits) as (live, playing):
            live.on_users(1)
            live.on_users(0)
            await asyncio.sleep(0.1)
            return playing.done()

    assert not run(main)
