"""Drafts that the disk does not take, and avatars that it does not give up."""

import asyncio
import json
import shutil

import pytest

from lite_gateway.avatar_jobs.job import AvatarJob
from lite_gateway.avatar_jobs.jobs import AvatarJobs
from lite_gateway.avatar_jobs.manifest import ManifestChanges
from lite_gateway.avatars import AvatarPackages
from lite_gateway.errors import Refused
from lite_gateway.metrics import Metrics

CHANGES = ManifestChanges("Ana of June")


@pytest.fixture
def packages(few_avatars, tmp_path):
    return AvatarPackages(few_avatars, tmp_path / "created")


@pytest.fixture
def jobs(packages):
    async def evict(_): ...

    return AvatarJobs(packages, {}, Metrics(), enabled=True, evict=evict)


@pytest.fixture
def job(portrait, packages):
    """Return a job that has finished, with its draft."""
    folder = packages.created / ".jobs-1" / "one"
    draft = packages.add_draft(shutil.copytree(portrait, folder / "ana"))
    job = AvatarJob("one", "key", "ana", "Flat", folder, state="finished")
    job.draft = draft
    return job


def refused(coroutine) -> Refused:
    with pytest.raises(Refused) as error:
        asyncio.run(coroutine)
    return error.value


def check_keepable(jobs, packages, job, before) -> None:
    """Check that the draft is as it was, and that it is kept when the disk takes it."""
    path = job.draft.package.path
    assert sorted(file.name for file in path.iterdir()) == before
    assert json.loads((path / "avatar.json").read_bytes())["title"] == "Flat"
    assert (job.state, job.kept, job.settled.is_set()) == ("finished", None, False)
    assert packages.find("ana") is job.draft
    assert packages.created_count() == 0

    avatar = asyncio.run(jobs.keep(job, CHANGES))
    assert avatar.title == job.title == "Ana of June"
    assert packages.catalog.avatars["ana"] is avatar
    assert sorted(file.name for file in avatar.package.path.iterdir()) == before


def names(job) -> list[str]:
    return sorted(file.name for file in job.draft.package.path.iterdir())


def test_a_draft_that_a_full_disk_does_not_take_can_be_kept_later(
    jobs, packages, job, caplog
):
    before = names(job)
    # All that is written there ends with ENOSPC.
    (job.draft.package.path / "avatar.new").symlink_to("/dev/full")

    error = refused(jobs.keep(job, CHANGES))

    assert (error.status, error.code) == (507, "not_written")
    assert "disk is full" in str(error)
    assert "--created-avatars" in str(error)
    assert str(packages.created) not in str(error)
    assert "avatar not kept, job=one" in caplog.text
    check_keepable(jobs, packages, job, before)


def test_a_draft_whose_place_is_taken_can_be_kept_later(jobs, packages, job):
    before = names(job)
    (packages.created / "ana" / "in the way").mkdir(parents=True)

    error = refused(jobs.keep(job, CHANGES))

    assert (error.status, error.code) == (503, "not_written")
    assert error.retry_s > 0
    assert str(packages.created) not in str(error)
    shutil.rmtree(packages.created / "ana")
    check_keepable(jobs, packages, job, before)


def test_a_draft_that_cannot_be_read_where_it_lies_then_goes_back(jobs, packages, job):
    path, before = job.draft.package.path, names(job)
    plate = path / "plate.webp"
    plate.rename(path.parent / "aside")
    error = refused(jobs.keep(job, CHANGES))
    assert (error.status, error.code) == (503, "not_written")
    assert "plate.webp" in str(error)
    assert not (packages.created / "ana").exists()
    (path.parent / "aside").rename(plate)
    check_keepable(jobs, packages, job, before)


def test_an_avatar_whose_files_are_gone_is_not_deleted_and_that_is_told(
    jobs, packages, job
):
    avatar = asyncio.run(jobs.keep(job, ManifestChanges()))
    shutil.rmtree(avatar.package.path)

    error = refused(jobs.delete_kept(avatar))

    assert (error.status, error.code) == (503, "not_written")
    assert "the avatar was not deleted" in str(error)
