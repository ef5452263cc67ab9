"""Jobs that make avatars: limits, ends, drafts and what is left on the disk."""

import asyncio
import contextlib
import dataclasses
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lite_gateway.avatar_jobs import jobs as module
from lite_gateway.avatar_jobs.folder import jobs_folder
from lite_gateway.avatar_jobs.job import AvatarJob
from lite_gateway.avatar_jobs.jobs import AvatarJobs, package_name
from lite_gateway.avatar_jobs.manifest import ManifestChanges
from lite_gateway.avatar_jobs.program import CreationLimits, CreationOptions
from lite_gateway.avatars import AvatarPackages
from lite_gateway.errors import Refused
from lite_gateway.metrics import Metrics
from renderer.portrait.background import Gradient
from tests.waiting import PATIENCE_S, until_async

OPTIONS = CreationOptions("Ana", "Ana A.", "me")
PROGRAM = "tests.avatar_jobs.stand_in"


@dataclass
class World:
    """Jobs that run, and what they work with."""

    jobs: AvatarJobs
    packages: AvatarPackages
    metrics: Metrics
    package: Path
    evicted: list[set[str]] = field(default_factory=list)

    def start(self, kind: str, key: str = "key") -> AvatarJob:
        with tempfile.TemporaryFile() as photo, self.jobs.reserved(key):
            photo.write(f"{kind}\n{self.package}".encode())
            photo.flush()
            return self.jobs.start(key, OPTIONS, os.dup(photo.fileno()))

    async def ended(self, kind: str) -> AvatarJob:
        job = self.start(kind)
        async with asyncio.timeout(PATIENCE_S):
            await job.ended.wait()
        return job

    def left(self) -> list[str]:
        """Return the names of packages, previews and unfinished files."""
        created = self.packages.created
        return sorted(path.name for path in created.glob(".jobs-*/*/*"))

    def outcome(self, name: str) -> float:
        labels = {"outcome": name}
        registry = self.metrics.registry
        return registry.get_sample_value("lite_avatar_jobs_total", labels)


@pytest.fixture
def world(tmp_path, few_avatars, portrait):
    """Return a function that lets jobs run for a while."""

    @contextlib.asynccontextmanager
    async def running(limits=None, draft_s=600.0) -> AsyncIterator[World]:
        packages = AvatarPackages(few_avatars, tmp_path / "created")
        metrics, evicted = Metrics(), []

        async def evict(names: set[str]) -> None:
            evicted.append(names)

        jobs = AvatarJobs(
            packages, dict(os.environ), metrics, enabled=True, evict=evict,
            limits=limits, draft_s=draft_s, module=PROGRAM,
        )  # fmt: skip
        async with asyncio.TaskGroup() as group:
            task = group.create_task(jobs.run())
            await until_async(lambda: can_start(jobs))
            yield World(jobs, packages, metrics, portrait, evicted)
            task.cancel()

    return running


def can_start(jobs: AvatarJobs) -> bool:
    with contextlib.suppress(Refused):
        jobs.check_free()
        return True
    return False


def run(scenario) -> None:
    asyncio.run(scenario())


@pytest.mark.process
def test_a_job_becomes_a_draft_that_is_found_and_not_listed(world):
    async def scenario():
        async with world() as this:
            job = await this.ended("make")
            assert (job.state, job.progress, job.reason) == ("finished", 1.0, None)
            assert [warning.code for warning in job.warnings] == ["teeth"]
            assert this.packages.find(job.name) is job.draft
            assert this.packages.find(str(job.draft.id)) is job.draft
            assert job.name not in this.packages.catalog.avatars
            assert 0 < this.jobs.expires_in_s(job) <= 600
            assert this.outcome("finished") == 1
            assert this.left() == [job.name, f"{job.name}.png"]
        # The end of the gateway.
        assert this.packages.find(job.name) is None
        assert list(this.packages.created.iterdir()) == []

    run(scenario)


@pytest.mark.process
def test_a_kept_draft_is_listed_at_once_and_after_a_restart(world, few_avatars):
    async def scenario():
        async with world() as this:
            job = await this.ended("make")
            draft = job.draft
            avatar = await this.jobs.keep(job, ManifestChanges("Ana of June", None))
            assert (avatar.id, avatar.title) == (draft.id, "Ana of June")
            assert this.packages.catalog.avatars[job.name] is avatar
            assert this.evicted == [{job.name}]
            assert this.packages.rescan() == this.packages.rescan() == set()
            with pytest.raises(Refused) as refused:
                await this.jobs.discard(job)
            assert refused.value.status == 409
            assert await this.jobs.keep(job, ManifestChanges()) is avatar
            assert this.jobs.expires_in_s(job) is None
        created = this.packages.created
        assert [path.name for path in created.iterdir()] == [job.name]
        again = AvatarPackages(few_avatars, created)
        assert again.find(job.name).title == "Ana of June"
        # Somebody removes the folder.
        shutil.rmtree(created / job.name)
        assert (again.rescan(), again.rescan()) == (set(), {job.name})
        assert again.find(job.name) is None

    run(scenario)


@pytest.mark.process
def test_a_kept_avatar_is_withdrawn(world):
    async def scenario():
        async with world() as this:
            job = await this.ended("make")
            assert not this.packages.is_created(job.draft)
            job.draft = dataclasses.replace(job.draft, is_cut_out=True)
            avatar = await this.jobs.keep(job, ManifestChanges(None, "#102030"))
            assert avatar.background == Gradient("#102030", "#102030")
            shipped = this.packages.find("fiducial")
            assert this.packages.is_created(avatar)
            assert not this.packages.is_created(shipped)

            await this.jobs.delete_kept(avatar)

            assert this.packages.find(job.name) is None
            assert [*this.packages.catalog.avatars] == ["fiducial"]
            assert this.evicted[-1] == {job.name}
            assert not (this.packages.created / job.name).exists()
            assert this.packages.rescan() == this.packages.rescan() == set()
            # Nobody sees its faces any more, or keeps it again.
            assert (job.state, job.preview, this.left()) == ("cancelled", None, [])
            with pytest.raises(Refused, match="no draft"):
                await this.jobs.keep(job, ManifestChanges())

    run(scenario)


@pytest.mark.process
@pytest.mark.parametrize(
    ("kind", "state", "code"),
    [("refuse", "failed", "no_face"), ("die", "failed", "internal"),
     ("die late", "failed", "internal"), ("full", "failed", "internal"),
     ("flood", "failed", "internal")],
)  # fmt: skip
def test_a_program_that_fails_leaves_nothing(world, kind, state, code):
    async def scenario():
        async with world() as this:
            job = await this.ended(kind)
            assert (job.state, job.reason.code) == (state, code)
            assert job.reason.message.endswith(".")
            assert str(this.packages.created) not in job.reason.message
            assert (this.left(), this.outcome("failed")) == ([], 1)
            with pytest.raises(Refused, match="no draft"):
                await this.jobs.keep(job, ManifestChanges())
            assert can_start(this.jobs)

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
def test_one_job_runs_at_a_time_and_is_cancelled_also_if_it_hangs(world):
    async def scenario():
        async with world() as this:
            job = this.start("hang")
            with pytest.raises(Refused, match="another avatar") as refused:
                this.start("make")
            assert (refused.value.status, refused.value.retry_s > 0) == (429, True)
            await until_async(lambda: job.progress > 0)
            await this.jobs.discard(job)
            assert (job.state, job.draft, this.left()) == ("cancelled", None, [])
            assert this.outcome("cancelled") == 1
            assert (await this.ended("make")).state == "finished"

    run(scenario)


@pytest.mark.process
def test_a_draft_that_nobody_keeps_goes(world):
    async def scenario():
        async with world(draft_s=0.2) as this:
            job = await this.ended("make")
            await until_async(lambda: job.state == "cancelled")
            assert (job.reason.code, this.packages.find(job.name)) == ("expired", None)
            await until_async(lambda: this.left() == [])
            await until_async(lambda: this.evicted == [{job.name}])

    run(scenario)


@pytest.mark.process
def test_a_discarded_draft_is_gone_and_so_is_a_job_of_a_gateway_that_ends(world):
    async def scenario():
        async with world() as this:
            job = await this.ended("make")
            await this.jobs.discard(job)
            assert (job.state, this.packages.find(job.name)) == ("cancelled", None)
            await until_async(lambda: this.left() == [])
            running = this.start("hang")
            await until_async(lambda: running.progress > 0)
        assert running.state == "failed"
        assert list(this.packages.created.iterdir()) == []

    run(scenario)


@pytest.mark.process
def test_a_draft_that_goes_leaves_the_files_of_the_job_that_runs(world):
    async def scenario():
        async with world() as this:
            former = await this.ended("make")
            running = this.start("hang")
            await until_async(lambda: running.progress > 0)
            await this.jobs.discard(former)
            assert this.left() == [".creating-1"]

    run(scenario)


@pytest.mark.process
def test_a_draft_that_is_kept_at_its_last_moment_has_not_expired(world, monkeypatch):
    async def scenario():
        async with world(draft_s=1.0) as this:
            keep = this.packages.keep

            def keep_slowly(draft):
                time.sleep(1.5)
                return keep(draft)

            monkeypatch.setattr(this.packages, "keep", keep_slowly)
            job = await this.ended("make")
            avatar = await this.jobs.keep(job, ManifestChanges())
            assert (job.state, job.reason, job.kept) == ("finished", None, avatar)

    run(scenario)


@pytest.mark.process
def test_a_job_that_is_forgotten_leaves_no_faces(world, monkeypatch):
    monkeypatch.setattr(module, "_MAX_JOBS", 1)

    async def scenario():
        async with world() as this:
            job = await this.ended("make")
            await this.jobs.keep(job, ManifestChanges())
            assert this.left() == [f"{job.name}.png"]
            await this.ended("refuse")
            assert this.jobs.find(job.id) is None
            await until_async(lambda: this.left() == [])

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
def test_a_change_that_does_not_fit_leaves_the_draft(world):
    async def scenario():
        async with world() as this:
            job = await this.ended("make")
            for changes in (ManifestChanges("A\nB"), ManifestChanges("A" * 201)):
                with pytest.raises(Refused, match="title"):
                    await this.jobs.keep(job, changes)
            job.draft = dataclasses.replace(job.draft, is_cut_out=False)
            with pytest.raises(Refused, match="background"):
                await this.jobs.keep(job, ManifestChanges(None, "#102030"))
            assert this.packages.find(job.name).title == "Flat"
            assert (await this.jobs.keep(job, ManifestChanges())).title == "Flat"

    run(scenario)


def test_folders_of_dead_gateways_are_removed_and_those_of_others_stay(tmp_path):
    with jobs_folder(tmp_path) as mine:
        dead = tmp_path / ".jobs-dead"
        dead.mkdir()
        (dead / "lock").touch()
        (dead / "photo").write_text("unfinished")
        (tmp_path / "kept").mkdir()
        with jobs_folder(tmp_path) as other:
            assert sorted(tmp_path.iterdir()) == sorted(
                [mine, other, tmp_path / "kept"]
            )
    assert list(tmp_path.iterdir()) == [tmp_path / "kept"]


@pytest.mark.parametrize(
    ("title", "name"),
    [("Ana", "ana"), ("Zoë of 3 Hills!", "zoe-of-3-hills"), ("王", "avatar"),
     ("x" * 200, "x" * 40)],
)  # fmt: skip
def test_packages_are_named_like_their_titles(title, name):
    one, other = package_name(title), package_name(title)
    assert one.rpartition("-")[0] == name
    assert one != other


def test_without_the_setting_nothing_is_made(few_avatars):
    async def evict(_): ...

    jobs = AvatarJobs(
        AvatarPackages(few_avatars), {}, Metrics(), enabled=False, evict=evict
    )
    with pytest.raises(Refused, match="--allow-create") as refused:
        jobs.check_enabled()
    assert refused.value.status == 403
    with pytest.raises(Refused) as not_running:
        jobs.check_free()
    assert not_running.value.status == 503
