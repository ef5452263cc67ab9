"""Jobs that run in a test, with a program that stands in for `creation`."""

import asyncio
import contextlib
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from lite_gateway.avatar_jobs.job import AvatarJob
from lite_gateway.avatar_jobs.jobs import AvatarJobs
from lite_gateway.avatar_jobs.program import CreationOptions
from lite_gateway.avatars import AvatarPackages
from lite_gateway.errors import Refused
from lite_gateway.metrics import Metrics
from tests.waiting import PATIENCE_S

OPTIONS = CreationOptions("Zuleika", "Zuleika A.", "me")
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

    def kept(self) -> float:
        """Return the metric of avatars that are kept."""
        return self.metrics.registry.get_sample_value("lite_created_avatars")


def can_start(jobs: AvatarJobs) -> bool:
    with contextlib.suppress(Refused):
        jobs.check_free()
        return True
    return False


def run(scenario) -> None:
    asyncio.run(scenario())
