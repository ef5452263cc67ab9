"""What several folders of tests share: a real LiveKit server, a gateway, a browser."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal
from hypothesis import HealthCheck, settings

from bench.probe.stack import Gateway, free_port, running_gateway
from lite_gateway.devserver.process import LiveKit, find_or_build, running
from tests.postgres import running_postgres
from tests.second_try import pytest_sessionfinish

__all__ = ["pytest_sessionfinish"]  # a hook, by its name

ROOT = Path(__file__).parents[1]

# For torch and numpy, here and in every child: where others use the machine too, the
# threads of a small product wait for each other for five times as long as it takes.
os.environ["OMP_NUM_THREADS"] = "1"

# How long an example takes is up to the machine. In CI Hypothesis's own profile, which
# this one goes on from, tries the same examples every time.
settings.register_profile(
    "unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def chromium() -> Path:
    """``make test`` installs it where it may; in CI a missing one is a failure."""
    found = subprocess.run(
        [ROOT / "tools" / "chromium.sh"], capture_output=True, text=True, check=False
    )
    if found.returncode and os.environ.get("CI") == "true":
        pytest.fail(found.stderr)
    if found.returncode:
        pytest.skip(found.stderr)
    return Path(found.stdout.strip())


@pytest.fixture(scope="session")
def livekit_binary() -> Path:
    """Out of the user's cache, where ``make test`` has put it."""
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return find_or_build(
        lambda text, _: print(text), cache_dir=Path(caches) / "lite-gateway"
    )


@pytest.fixture(scope="session")
def livekit(
    livekit_binary: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveKit]:
    """One server for the whole run; tests keep apart by their rooms' names."""
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
    """One process for the whole run, as a user starts it; sessions keep tests apart."""
    log_path = tmp_path_factory.mktemp("gateway") / "gateway.log"
    with running_gateway(livekit.url, livekit.key, livekit.secret, log_path) as running:
        yield running


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """``make test`` installs it where it may; in CI a missing one is a failure."""
    found = subprocess.run(
        [ROOT / "tools" / "postgres.sh"], capture_output=True, text=True, check=False
    )
    if found.returncode and os.environ.get("CI") == "true":
        pytest.fail(found.stderr)
    if found.returncode:
        pytest.skip(found.stderr)
    with running_postgres(Path(found.stdout.strip())) as url:
        yield url
