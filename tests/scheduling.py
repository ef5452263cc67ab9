"""
Pytest hooks that mark the unit tests, and that order the tests of several processes.

pytest-xdist gives whole files to its workers, so that the tests of a file share their
fixtures.
"""

import gc
from collections.abc import Generator
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
# Folders whose unit tests measure no time and have no deadline: others may have all
# processors for many seconds. A database has one, which rules out those that use it.
COMPUTING = [
    Path(__file__).parent / name
    for name in ("creation", "offline", "playout", "protocol", "renderer", "training")
]
NOT_COMPUTING = {*PROGRAMS.values(), "clients", "real_time"}
NOT_UNIT = {*PROGRAMS.values(), "clients", "slow"}


def marks(item: pytest.Item) -> set[str]:
    return {mark.name for mark in item.iter_markers()}


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Skip files that cannot have a test that computes, where all those are run."""
    # Tests that are named are found, and run nowhere, if they do not compute.
    is_all = config.args_source is config.ArgsSource.TESTPATHS
    if not is_all or not config.option.markexpr.endswith(" and computes"):
        return None
    if not collection_path.name.startswith("test_"):
        return None
    if set(COMPUTING) & set(collection_path.parents):
        return None
    return None if "mark.computes" in collection_path.read_text() else True


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
        if set(COMPUTING) & set(item.path.parents) and not marks(item) & NOT_COMPUTING:
            item.add_marker("computes")
    if hasattr(config, "workerinput"):
        items.sort(key=_rank)


def _rank(item: pytest.Item) -> int:
    """Return the place of a test: long ones first, so that workers end together."""
    names = marks(item)
    if "unit" in names:
        return 2
    return 0 if "slow" in names else 1


def pytest_collection_finish() -> None:
    """Exempt libraries and tests from garbage collection: it takes seconds of a run."""
    gc.freeze()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Measure the coverage of unit tests alone: tracing would slow down the others."""
    controller = getattr(
        item.config.pluginmanager.get_plugin("_cov"), "cov_controller", None
    )
    if controller is None or "unit" in marks(item):
        return (yield)
    controller.cov.stop()
    try:
        return (yield)
    finally:
        controller.cov.start()
