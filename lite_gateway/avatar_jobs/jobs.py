"""Jobs of a gateway: one runs at a time, and drafts go when nobody keeps them."""

import asyncio
import contextlib
import logging
import os
import re
import secrets
import shutil
import unicodedata
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import NoReturn

from lite_gateway.avatar_jobs.disk_errors import not_deleted, not_kept
from lite_gateway.avatar_jobs.folder import jobs_folder
from lite_gateway.avatar_jobs.job import AvatarJob, Reason
from lite_gateway.avatar_jobs.manifest import ManifestChanges, changed_manifest
from lite_gateway.avatar_jobs.program import (
    MODULE,
    CreationLimits,
    CreationOptions,
    CreationProgram,
)
from lite_gateway.avatars import AvatarPackages
from lite_gateway.child_process import ChildEnded, first_to_end
from lite_gateway.errors import Refused
from lite_gateway.metrics import Metrics
from lite_gateway.supervisor import IsolatedTasks
from lite_gateway.threads import in_daemon_thread
from renderer.avatar import Avatar, BrokenAvatar

log = logging.getLogger(__name__)

TURNED_OFF = (
    "avatars cannot be made here: start the server with --allow-create "
    "(LITE_ALLOW_CREATE=on)"
)
DRAFT_S = 1800.0  # that a draft waits to be kept
MAX_DRAFTS = 8  # of some 5 MB each
MAX_KEY_DRAFTS = 3  # of one API key, so that it leaves room to others
_MAX_JOBS = 100  # that are remembered
_BUSY_S = 15.0  # Retry-After while a job runs
_MAX_NAME = 40  # characters of a package's name


class AvatarJobs:
    """
    Makers of avatars from photos, for the callers of the API.

    `run` must be running. What it has made is a draft in a folder of its own until it
    is kept; `AvatarPackages` finds drafts, and lists none.
    """

    def __init__(
        self,
        packages: AvatarPackages,
        environment: Mapping[str, str],
        metrics: Metrics,
        *,
        enabled: bool,
        evict: Callable[[set[str]], Awaitable[None]],
        limits: CreationLimits | None = None,
        most_kept: int = 0,
        draft_s: float = DRAFT_S,
        module: str = MODULE,
    ) -> None:
        """
        ``evict`` drops what the renderer has of avatars, by name.

        ``most_kept``: avatars that people may keep; 0: as many as they like.
        """
        self.enabled = enabled
        self._packages = packages
        self._metrics = metrics
        self._evict = evict
        self._draft_s = draft_s
        self._most_kept = most_kept
        self._keeping = asyncio.Lock()  # so that the last place is given once
        metrics.created_avatars.set_function(packages.created_count)
        self._program = CreationProgram(
            environment, limits or CreationLimits(), module=module
        )
        self._jobs: dict[str, AvatarJob] = {}  # by id, the oldest first
        self._folder: Path | None = None
        self._group: IsolatedTasks | None = None
        self._receiving = False  # a photo
        self._running: AvatarJob | None = None

    async def run(self) -> NoReturn:
        """Take jobs until this call is cancelled; all that is not kept goes then."""
        parent = self._packages.created
        assert parent is not None, "there is no folder for avatars that are made"
        with contextlib.ExitStack() as stack:
            enter = stack.enter_context
            self._folder = await in_daemon_thread(
                lambda: enter(jobs_folder(parent)), "avatar jobs"
            )
            try:
                async with IsolatedTasks() as self._group:
                    await asyncio.Event().wait()
            finally:
                self._group = self._folder = None
                for job in self._jobs.values():
                    self._drop_draft(job)
        raise AssertionError("nothing sets that event")

    def check_enabled(self) -> None:
        """Raise `Refused` with 403 if this gateway makes no avatars."""
        if not self.enabled:
            raise Refused(403, TURNED_OFF)

    def check_free(self) -> None:
        """
        Raise `Refused` if no job can start.

        429: not now; 409: not before an avatar is deleted; 503: none at all.
        """
        if self._receiving or self._running is not None:
            raise Refused(
                429,
                "another avatar is being made: try again when it is done",
                retry_s=_BUSY_S,
            )
        drafts = self._drafts()
        if len(drafts) >= MAX_DRAFTS:
            raise _too_many(drafts, f"{len(drafts)} drafts of all keys wait")
        self._check_room()
        if self._group is None:
            raise _not_running()

    def _check_room(self) -> None:
        """Raise `Refused` with 409 if no more avatars may be kept."""
        if self._most_kept and self._packages.created_count() >= self._most_kept:
            raise Refused(
                409,
                f"{self._most_kept} avatars are kept here, which is the most: delete "
                "one by DELETE /v1/avatars/{id} with a key of the scope admin, or "
                "raise --max-created-avatars (LITE_MAX_CREATED_AVATARS)",
            )

    @contextlib.contextmanager
    def reserved(self, key_id: str) -> Iterator[None]:
        """
        Let nobody else start a job while the block reads a photo and starts one.

        Raises `Refused` as `check_free`, and if the API key has too many drafts.
        """
        self.check_free()
        drafts = [job for job in self._drafts() if job.key_id == key_id]
        if len(drafts) >= MAX_KEY_DRAFTS:
            raise _too_many(drafts, f"{len(drafts)} drafts of your key wait")
        self._receiving = True
        try:
            yield
        finally:
            self._receiving = False

    def start(self, key_id: str, options: CreationOptions, photo: int) -> AvatarJob:
        """
        Start a job, within `reserved`, and return it.

        ``photo`` is a descriptor of a file; it is closed when the job ends. Raises
        `Refused` if the server stops.
        """
        if self._group is None or self._folder is None:
            os.close(photo)
            raise _not_running()
        job_id, name = str(uuid.uuid4()), package_name(options.title)
        job = AvatarJob(job_id, key_id, name, options.title, self._folder / job_id)
        self._jobs[job.id] = self._running = job
        self._forget_old()
        log.info("avatar job started, job=%s", job.id)
        self._group.create_task(self._make(job, options, photo), name="avatar job")
        return job

    def find(self, job_id: str) -> AvatarJob | None:
        return self._jobs.get(job_id)

    def expires_in_s(self, job: AvatarJob) -> float | None:
        """Return for how long there will be the draft; None if there is none."""
        return max(0.0, job.expires_s - _now_s()) if job.draft is not None else None

    async def discard(self, job: AvatarJob) -> None:
        """Cancel a running job or discard a draft. Raises `Refused` if it was kept."""
        job.settled.set()
        await job.ended.wait()
        await self._discard_draft(job)
        if job.kept is not None:
            raise Refused(
                409,
                f"avatar {job.name!r} is kept: delete it with a key of the scope admin "
                f"by DELETE /v1/avatars/{job.kept.id}",
            )

    async def keep(self, job: AvatarJob, changes: ManifestChanges) -> Avatar:
        """
        Make an avatar of a draft: it is listed from now on.

        Raises `Refused` if there is no draft, too many are kept, a change does not
        fit, or the disk does not take it; the draft stays in the last two cases.
        """
        async with self._keeping, job.lock:
            if job.kept is not None:
                return job.kept
            draft = job.draft
            if draft is None:
                raise Refused(409, f"there is no draft: the job's state is {job.state}")
            self._check_room()

            def keep() -> Avatar:
                with changed_manifest(draft, changes) as manifest:
                    return self._packages.keep(draft, manifest)

            try:
                job.kept = await in_daemon_thread(keep, "avatar jobs")
            except (OSError, BrokenAvatar) as error:
                log.error("avatar not kept, job=%s: %s", job.id, error)  # noqa: TRY400
                raise not_kept(error) from None
            job.title = job.kept.title
            job.draft = None
        job.settled.set()
        self._count_drafts()
        await self._evict({job.name})
        log.info("avatar kept, job=%s avatar=%s", job.id, job.name)
        return job.kept

    async def delete_kept(self, avatar: Avatar) -> None:
        """
        Delete an avatar of `AvatarPackages.is_created`. Sessions keep their face.

        Raises `Refused` if its files cannot be deleted.
        """
        try:
            await in_daemon_thread(lambda: self._packages.remove(avatar), "avatar jobs")
        except OSError as error:
            log.error("avatar %s not deleted: %s", avatar.name, error)  # noqa: TRY400
            raise not_deleted(error) from None
        await self._evict({avatar.name})
        for job in [job for job in self._jobs.values() if job.name == avatar.name]:
            job.state, job.kept, job.preview = "cancelled", None, None
            await _remove_files(job)
        log.info("avatar deleted, avatar=%s", avatar.name)

    async def _make(self, job: AvatarJob, options: CreationOptions, photo: int) -> None:
        try:
            await self._run(job, options, photo)
        except BaseException:
            job.fail("internal", "The job ended: the server stops, or failed.")
            raise
        finally:
            if not job.draft:
                await _remove_files(job)
            self._running = None
            self._metrics.avatar_jobs.labels(job.state).inc()
            code = job.reason.code if job.reason else ""
            log.info("avatar job %s, job=%s reason=%s", job.state, job.id, code)
            job.ended.set()
        if job.draft is not None:
            reason = None
            try:
                async with asyncio.timeout(self._draft_s):
                    await job.settled.wait()
            except TimeoutError:
                reason = Reason("expired", "Nobody kept the draft in time.")
            await self._discard_draft(job, reason)

    async def _run(self, job: AvatarJob, options: CreationOptions, photo: int) -> None:
        """Run the program to its end; the job has an outcome then."""
        out = job.folder / job.name

        async def make() -> None:
            await self._program.run(options, out, photo, job.take)

        async def cancelled() -> None:
            await job.settled.wait()

        try:
            await first_to_end(make, cancelled)
        except TimeoutError:
            job.fail(
                "timeout",
                "The avatar was not made in time, because the server is busy or the "
                "photo takes too long: try again later, or another photo.",
            )
        except ChildEnded as error:
            log.error("%s", error)  # noqa: TRY400
            job.fail(
                "internal",
                "The program that makes avatars ended: try again, and report it with "
                "the server's log.",
            )
        else:
            await self._finish(job, out)
        finally:
            os.close(photo)

    async def _finish(self, job: AvatarJob, out: Path) -> None:
        if job.settled.is_set():
            job.state, job.preview = "cancelled", None
        elif job.reason is not None or job.preview is None:
            job.fail("internal", "The program that makes avatars told no result.")
        else:
            job.draft = await in_daemon_thread(
                lambda: self._packages.add_draft(out), "avatar jobs"
            )
            job.expires_s = _now_s() + self._draft_s
            job.state, job.progress = "finished", 1.0
            self._count_drafts()

    async def _discard_draft(
        self, job: AvatarJob, reason: Reason | None = None
    ) -> None:
        """Remove a draft, if there still is one; ``reason`` is why nobody asked to."""
        async with job.lock:
            if job.draft is None:
                return
            self._drop_draft(job)
            job.reason = reason
        log.info("draft discarded, job=%s", job.id)
        await _remove_files(job)
        await self._evict({job.name})

    def _drop_draft(self, job: AvatarJob) -> None:
        """Let nobody find a draft any more."""
        if job.draft is not None:
            self._packages.drop_draft(job.draft)
            job.state, job.draft, job.preview = "cancelled", None, None
            self._count_drafts()

    def _drafts(self) -> list[AvatarJob]:
        return [job for job in self._jobs.values() if job.draft is not None]

    def _count_drafts(self) -> None:
        self._metrics.avatar_drafts.set(len(self._drafts()))

    def _forget_old(self) -> None:
        """Forget the oldest jobs that nobody can do anything with any more."""
        assert self._group is not None
        over = [
            job
            for job in self._jobs.values()
            if job.state != "running" and job.draft is None
        ]
        for job in over[: max(0, len(self._jobs) - _MAX_JOBS)]:
            del self._jobs[job.id]
            self._group.create_task(_remove_files(job), name="files of an avatar job")


def _not_running() -> Refused:
    text = "avatars cannot be made at the moment; see the log"
    return Refused(503, text, retry_s=5.0)


def package_name(title: str) -> str:
    """Return a name for a package: like its title, and of its own."""
    ascii_text = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    name = re.sub(r"[^a-z0-9]+", "-", ascii_text.lower())[:_MAX_NAME].strip("-")
    return f"{name or 'avatar'}-{secrets.token_hex(8)}"


def _too_many(drafts: list[AvatarJob], text: str) -> Refused:
    left_s = min(job.expires_s for job in drafts) - _now_s()
    return Refused(
        429,
        f"{text}: keep or discard one of them, or try again when one has expired",
        retry_s=max(left_s, 1.0),
    )


async def _remove_files(job: AvatarJob) -> None:
    """Remove what a job has written; a package that was kept is elsewhere."""

    def remove() -> None:
        shutil.rmtree(job.folder, ignore_errors=True)

    await in_daemon_thread(remove, "avatar jobs")


def _now_s() -> float:
    return asyncio.get_running_loop().time()
