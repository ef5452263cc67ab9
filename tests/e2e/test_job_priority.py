"""Frames of sessions while an avatar is made from a photo on the same machine."""

import asyncio
import contextlib

import pytest

from bench.probe.stack import Gateway
from lite_gateway.avatar_jobs.program import MODULE
from lite_gateway.client import open_session
from tests.e2e.test_avatar_jobs import delete, job_of, photo, running, start
from tests.waiting import best_of, figures, until

SESSIONS = 3
WINDOW_S = 8.0
LATE_S = 0.04  # as in docs/budgets.md, L7
MAX_MORE = 0.01  # of the frames

pytestmark = [pytest.mark.livekit, pytest.mark.slow, pytest.mark.timeout(900)]


async def late_share(gateway: Gateway) -> float:
    """Return the share of frames that come late, or not at all, in a while from now."""

    def counts() -> tuple[float, float]:
        metrics = gateway.metrics()
        submitted = metrics["lite_frame_late_seconds_count"]
        skipped = metrics["lite_frames_skipped_total"]
        in_time = metrics[f'lite_frame_late_seconds_bucket{{le="{LATE_S}"}}']
        return submitted + skipped, submitted - in_time + skipped

    before = await asyncio.to_thread(counts)
    await asyncio.sleep(WINDOW_S)
    after = await asyncio.to_thread(counts)
    frames, late = (b - a for a, b in zip(before, after, strict=True))
    # As many as there are: else a gateway that draws nothing is never late.
    with figures():
        assert frames > 0.8 * SESSIONS * WINDOW_S * 25
    return late / frames


@best_of(3)
def test_a_job_makes_no_frames_late(livekit, tmp_path_factory):
    async def shares(gateway: Gateway) -> tuple[float, float]:
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(SESSIONS):
                session = open_session(gateway.url, gateway.key, avatar="mira")
                await stack.enter_async_context(session)
            alone = await late_share(gateway)
            job = await asyncio.to_thread(start, gateway, photo())
            # It computes, and does not only import.
            await asyncio.to_thread(
                until, lambda: job_of(gateway, job)["face"], within_s=600.0
            )
            with_job = await late_share(gateway)
            assert (await asyncio.to_thread(job_of, gateway, job))["state"] == "running"
            await asyncio.to_thread(delete, gateway, job)
        return alone, with_job

    folder = tmp_path_factory.mktemp("run")
    with running(livekit, folder, MODULE, LITE_DEFAULT_AVATAR="mira") as gateway:
        alone, with_job = asyncio.run(shares(gateway))
    with figures():
        assert with_job <= alone + MAX_MORE
