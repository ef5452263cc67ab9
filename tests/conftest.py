"""Fixtures of several test folders: a LiveKit server, a gateway, a browser."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal
from hypothesis import HealthCheck, settings

import renderer.package
from bench.probe.postgres import running_postgres
from bench.probe.stack import Gateway, free_port, running_gateway
from lite_gateway.config import shipped_avatars
from lite_gateway.devserver.process import LiveKit, find_or_build, running
from tests.renderer.portrait import portraits
from tools.caches import cache_folder

pytest_plugins = [
    "tests.openai_counterpart.fixture",
    "tests.scheduling",
    "tests.second_try",
]

ROOT = Path(__file__).parents[1]

# For torch and numpy, here and in every child process. On a busy machine, the threads
# of a small matrix product wait for each other five times as long as it takes.
os.environ["OMP_NUM_THREADS"] = "1"
# Child processes keep their bytecode. Without it, each of some hundred gateways would
# compile the project's modules, which is a tenth of the work of its start.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# Tests that yield may have no processor for longer than a disk has to answer.
renderer.package.READ_S = 600.0

# The duration of an example depends on the machine, so it has no deadline. This
# profile extends Hypothesis's default, which in CI tries the same examples every time.
settings.register_profile(
    "no deadline", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("no deadline")


@pytest.fixture(scope="session")
def portrait(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Path of a portrait package with known pixels, which is quick to draw."""
    return portraits.build(tmp_path_factory.mktemp("avatars") / "flat")


@pytest.fixture(scope="session")
def few_avatars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the fiducial alone: the shipped avatars take half a second to load."""
    folder = tmp_path_factory.mktemp("avatars")
    (folder / "fiducial").symlink_to(shipped_avatars() / "fiducial")
    return folder


@pytest.fixture(scope="session")
def chromium() -> Path:
    """Path of Chromium's headless shell, or of Chromium where there is none."""
    return installed("headless_chromium.sh")


@pytest.fixture(scope="session")
def gcc() -> Path:
    """Path of GCC, with its sanitizers."""
    return installed("gcc.sh")


@pytest.fixture(scope="session")
def firefox() -> Path:
    """Path of Firefox."""
    return installed("firefox.sh")


def installed(script: str) -> Path:
    """Return the program that `make test` installs by a script; CI must have it."""
    result = subprocess.run(
        [ROOT / "tools" / script], capture_output=True, text=True, check=False
    )
    if result.returncode and os.environ.get("CI") == "true":
        pytest.fail(result.stderr)
    if result.returncode:
        pytest.skip(result.stderr)
    return Path(result.stdout.strip())


@pytest.fixture(scope="session")
def livekit_binary() -> Path:
    """Path of the LiveKit server in the cache, into which ``make test`` builds it."""
    return find_or_build(lambda text, _: print(text), cache_dir=cache_folder())


@pytest.fixture(scope="session")
def livekit(
    livekit_binary: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveKit]:
    """LiveKit server of the whole run. Tests use rooms with different names."""
    log_path = tmp_path_factory.mktemp("livekit") / "server.log"
    secret = "a LiveKit secret of at least 32 bytes"
    server = running(livekit_binary, port=free_port(), secret=secret, log_path=log_path)
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(server) as answering,
    ):
        yield answering


@pytest.fixture(scope="session")
def gateway(
    livekit: LiveKit, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """Gateway process of the whole run. Tests use different sessions."""
    log_path = tmp_path_factory.mktemp("gateway") / "gateway.log"
    with running_gateway(livekit.url, livekit.key, livekit.secret, log_path) as running:
        yield running


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a PostgreSQL server."""
    with running_postgres(installed("postgres.sh")) as url:
        yield url
