"""Jobs that make avatars: ends, drafts and what is left on the disk."""

import dataclasses
import shutil
import time

import pytest

from lite_gateway.avatar_jobs import jobs as module
from lite_gateway.avatar_jobs.folder import jobs_folder
from lite_gateway.avatar_jobs.jobs import AvatarJobs, package_name
from lite_gateway.avatar_jobs.manifest import ManifestChanges
from lite_gateway.avatars import AvatarPackages
from lite_gateway.errors import Refused
from lite_gateway.metrics import Metrics
from renderer.portrait.background import Gradient
from tests.avatar_jobs.worlds import can_start, run
from tests.waiting import until_async


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

            def keep_slowly(*of_draft):
                time.sleep(1.5)
                return keep(*of_draft)

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
def test_a_change_that_does_not_fit_leaves_the_draft(world):
    async def scenario():
        async with world() as this:
            job = await this.ended("make")
            for changes in map(ManifestChanges, ("A\nB", "A\u202eB", "A" * 201)):
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


def test_a_folder_that_is_made_is_private_and_one_of_the_operator_stays_as_it_is(
    tmp_path,
):
    for name, mode in (("new", 0o700), ("shared", 0o750)):
        folder = tmp_path / name
        if name == "shared":
            folder.mkdir()
            folder.chmod(mode)
        with jobs_folder(folder) as mine:
            assert folder.stat().st_mode & 0o777 == mode
            assert mine.stat().st_mode & 0o777 == 0o700


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
