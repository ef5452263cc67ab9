"""
Pytest hooks that mark the unit tests, and that order the tests of two processes.

pytest-xdist gives whole files to its workers, so that the tests of a file share their
fixtures. The tests that measure real time are the last of their file, and each of them
runs alone.
"""

import contextlib
import fcntl
import gc
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

# Fixtures that run a program -> mark of the tests that use them.
PROGRAMS = {
    "livekit_binary": "livekit",
    "chromium": "browser",
    "firefox": "browser",
    "postgres": "postgres",
    "promtool": "program",
    "wheel": "process",
}
NOT_UNIT = {*PROGRAMS.values(), "clients", "slow"}
LOCK = Path(__file__)  # the workers of a checkout lock this file


def marks(item: pytest.Item) -> set[str]:
    return {mark.name for mark in item.iter_markers()}


@pytest.hookimpl(tryfirst=True)  # before pytest selects by mark
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Mark the unit tests, and sort the tests in a worker of pytest-xdist."""
    for item in items:
        for fixture in getattr(item, "fixturenames", ()):
            if fixture in PROGRAMS:
                item.add_marker(PROGRAMS[fixture])
        if not marks(item) & NOT_UNIT:
            item.add_marker("unit")
    if hasattr(config, "workerinput"):
        items.sort(key=_rank)


def _rank(item: pytest.Item) -> int:
    """Return the place of a test: long ones first, so that workers end together."""
    names = marks(item)
    if "real_time" in names:
        return 3
    if "unit" in names:
        return 2
    return 0 if "slow" in names else 1


def pytest_collection_finish() -> None:
    """Exempt libraries and tests from garbage collection: it takes seconds of a run."""
    gc.freeze()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """
    Let a test that measures real time wait until no other test runs.

    Coverage is that of the unit tests: tracing would slow down the others. The hook is
    outside of pytest-timeout, so that the wait does not count.
    """
    with _locked(item), _traced(item):
        return (yield)


@contextlib.contextmanager
def _locked(item: pytest.Item) -> Iterator[None]:
    if not hasattr(item.config, "workerinput"):
        yield
        return
    kind = fcntl.LOCK_EX if "real_time" in marks(item) else fcntl.LOCK_SH
    with LOCK.open() as file:
        fcntl.flock(file, kind)
        try:
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)


@contextlib.contextmanager
def _traced(item: pytest.Item) -> Iterator[None]:
    controller = getattr(
        item.config.pluginmanager.get_plugin("_cov"), "cov_controller", None
    )
    if controller is None or "unit" in marks(item):
        yield
        return
    controller.cov.stop()
    try:
        yield
    finally:
        controller.cov.start()
