"""Jobs that run for the time of a test."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator

import pytest

from lite_gateway.avatar_jobs.jobs import AvatarJobs
from lite_gateway.avatars import AvatarPackages
from lite_gateway.metrics import Metrics
from tests.avatar_jobs.worlds import PROGRAM, World, can_start
from tests.waiting import until_async


@pytest.fixture
def world(tmp_path, few_avatars, portrait):
    """Return a function that lets jobs run for a while."""

    @contextlib.asynccontextmanager
    async def running(limits=None, draft_s=600.0, most_kept=0) -> AsyncIterator[World]:
        packages = AvatarPackages(few_avatars, tmp_path / "created")
        metrics, evicted = Metrics(), []

        async def evict(names: set[str]) -> None:
            evicted.append(names)

        jobs = AvatarJobs(
            packages, dict(os.environ), metrics, enabled=True, evict=evict,
            limits=limits, most_kept=most_kept, draft_s=draft_s, module=PROGRAM,
        )  # fmt: skip
        async with asyncio.TaskGroup() as group:
            task = group.create_task(jobs.run())
            await until_async(lambda: can_start(jobs))
            yield World(jobs, packages, metrics, portrait, evicted)
            task.cancel()

    return running
