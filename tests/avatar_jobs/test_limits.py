"""Limits of jobs, of their drafts, and of what is kept."""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from lite_gateway.api.avatar_jobs import _item
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
        async with world(CreationLimits(own_s=3.0)) as this:
            job = await this.ended("hang")
            assert (job.state, job.reason.code) == ("failed", "timeout")
            assert this.left() == []

    run(scenario)


needs_schedstat = pytest.mark.skipif(
    not Path("/proc/self/schedstat").exists(), reason="the system does not say it"
)


@contextlib.contextmanager
def occupied(cpu: int) -> Iterator[None]:
    """Keep a processor busy with eight programs: a job gets a ninth of it."""
    code = f"import os; os.sched_setaffinity(0, {{{cpu}}})\nwhile True: pass"
    # Each in a session of its own, as the job is: Linux may share between sessions.
    programs = [
        subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
        for _ in range(8)
    ]
    try:
        yield
    finally:
        for program in programs:
            program.kill()
            program.wait()


def program_of_job() -> int:
    """Return the process id of the job that runs."""
    [found] = [
        child.pid
        for child in psutil.Process().children()
        if PROGRAM in " ".join(child.cmdline())
    ]
    return found


@needs_schedstat
@pytest.mark.process
def test_a_job_that_waits_for_the_machine_says_so_and_has_its_time_all_the_same(world):
    """Its own time stands while others have the processor."""
    cpus, own_s = os.sched_getaffinity(0), 6.0

    async def scenario():
        async with world(CreationLimits(own_s=own_s)) as this:
            job = this.start("compute")
            await until_async(lambda: job.progress > 0)
            pid = program_of_job()
            with occupied(min(cpus)):
                os.sched_setaffinity(pid, {min(cpus)})
                await until_async(lambda: job.is_waiting)
                service = SimpleNamespace(avatar_jobs=this.jobs)
                assert _item(service, job).step == "waiting for the machine"
                await asyncio.sleep(own_s)  # with the time before, more than it has
                assert job.state == "running"
                os.sched_setaffinity(pid, cpus)
            async with asyncio.timeout(4 * PATIENCE_S):
                await job.ended.wait()
            assert (job.state, job.reason.code) == ("failed", "timeout")

    run(scenario)


@pytest.mark.process
def test_a_job_does_not_wait_for_ever(world):
    async def scenario():
        async with world(CreationLimits(longest_s=3.0)) as this:
            job = await this.ended("compute")
            assert (job.state, job.reason.code) == ("failed", "timeout")

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


@pytest.mark.process
def test_only_so_many_avatars_are_kept_until_one_is_deleted(world):
    async def scenario():
        async with world(most_kept=1) as this:
            first, second = await this.ended("make"), await this.ended("make")

            async def keep(job):
                try:
                    return await this.jobs.keep(job, ManifestChanges())
                except Refused as error:
                    return error

            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(keep(job)) for job in (first, second)]
            kept, refused = (task.result() for task in tasks)
            assert (refused.status, this.kept()) == (409, 1)
            assert "DELETE /v1/avatars/{id}" in str(refused)
            assert "--max-created-avatars" in str(refused)
            with pytest.raises(Refused, match="which is the most"):
                this.start("make")
            await this.jobs.delete_kept(kept)
            assert this.kept() == 0
            # The draft has waited.
            await keep(second)
            assert this.kept() == 1

    run(scenario)
