"""State of a job, as the lines of its program tell it."""

from pathlib import Path

import pytest

from lite_gateway.avatar_jobs.job import AvatarJob, Reason


@pytest.fixture
def job() -> AvatarJob:
    return AvatarJob("1", "key", "ana", "Ana", Path("jobs/1"))


def take(job: AvatarJob, kind: str, **fields: object) -> AvatarJob:
    job.take({"type": kind, **fields})
    return job


def test_progress_never_falls_nor_passes_the_end(job):
    shares = (0.3, 0.1, 7)
    told = [
        take(job, "progress", step="face", share=share).progress for share in shares
    ]
    assert told == [0.3, 0.3, 1.0]


def test_the_program_tells_what_it_found(job):
    take(job, "face", width=10, height=20)
    take(job, "warning", code="teeth", text="The teeth are seen.")
    take(job, "waiting", waiting=True)
    take(job, "done", package="jobs/1/ana", preview="jobs/1/ana.png")
    assert job.face == {"width": 10, "height": 20}
    assert job.warnings == [Reason("teeth", "The teeth are seen.")]
    assert job.is_waiting
    assert job.preview == Path("jobs/1/ana.png")


def test_the_first_reason_of_a_failure_stays(job):
    take(job, "refused", code="no_face", text="No face was found.")
    job.fail("internal", "The program has died.")
    assert (job.state, job.preview) == ("failed", None)
    assert job.reason == Reason("no_face", "No face was found.")


def test_a_folder_of_the_machine_is_told_to_nobody(job):
    take(job, "refused", code="not_written", text="/srv/avatars/ana: No space left.")
    assert job.reason is not None
    assert job.reason.code == "internal"
    assert "/srv" not in job.reason.message


@pytest.mark.parametrize(
    "line", [{}, {"type": 3}, {"type": "progress", "step": 1}, {"type": "face2"}]
)
def test_an_unknown_line_changes_nothing(job, line):
    before = (job.state, job.progress, job.face, list(job.warnings), job.reason)
    job.take(line)
    after = (job.state, job.progress, job.face, job.warnings, job.reason)
    assert after == before
