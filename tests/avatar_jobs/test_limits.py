"""Limits of jobs, of their drafts, and of what is kept."""

import asyncio

import psutil
import pytest

from lite_gateway.avatar_jobs import jobs as module
from lite_gateway.avatar_jobs.manifest import ManifestChanges
from lite_gateway.avatar_jobs.program import CreationLimits
from lite_gateway.errors import Refused
from tests.avatar_jobs.worlds import OPTIONS, PROGRAM, run
from tests.waiting import PATIENCE_S, until_async


@pytest.mark.process
def test_other_users_of_the_machine_see_no_name_of_a_person(world):
    async def scenario():
        async with world() as this:
            job = this.start("hang")
            await until_async(lambda: job.progress > 0)
            command_lines = [
                " ".join(child.cmdline())
                for child in psutil.Process().children(recursive=True)
            ]
            [line] = [line for line in command_lines if PROGRAM in line]
            assert OPTIONS.title.lower() not in line.lower()
            await this.jobs.discard(job)

    run(scenario)


@pytest.mark.process
def test_a_program_that_takes_too_long_is_killed(world):
    async def scenario():
        async with world(CreationLimits(wall_s=3.0)) as this:
            job = await this.ended("hang")
            assert (job.state, job.reason.code) == ("failed", "timeout")
            assert this.left() == []

    run(scenario)


@pytest.mark.process
def test_many_drafts_wait_for_somebody_to_decide(world, monkeypatch):
    monkeypatch.setattr(module, "MAX_DRAFTS", 1)

    async def scenario():
        async with world() as this:
            job = await this.ended("make")
            with pytest.raises(Refused, match="keep or discard") as refused:
                this.jobs.check_free()
            assert 500 < refused.value.retry_s <= 600
            await this.jobs.keep(job, ManifestChanges())
            this.jobs.check_free()

    run(scenario)


@pytest.mark.process
def test_the_drafts_of_one_key_leave_room_to_others(world, monkeypatch):
    monkeypatch.setattr(module, "MAX_KEY_DRAFTS", 1)

    async def scenario():
        async with world() as this:
            await this.ended("make")
            with pytest.raises(Refused, match="of your key wait") as refused:
                this.start("make")
            assert refused.value.status == 429
            other = this.start("make", "another key")
            async with asyncio.timeout(PATIENCE_S):
                await other.ended.wait()
            assert other.draft is not None

    run(scenario)
