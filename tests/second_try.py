"""
Pytest hook that lists the failures which `.ci/run` may try again.

All tests but those that only compute may depend on the machine, which is shared: they
wait for other programs, processes, threads, sockets or the clock. Failures of tests
that only compute are never tried again. The second try is one by one, so a fault fails
again, and what a busy machine has missed passes.
"""

import os
from pathlib import Path

import pytest

COMPUTES = "computes"  # mark of the tests that are never tried again
EXTERNAL = ("external", True)  # property of the others, which their reports have too
PASSED = (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
FINAL = "no second try"  # line of a run that died, or that has other failures
MAX_FAILURES = 5  # more failures at once have another cause than a busy machine


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Add `EXTERNAL` to the tests that depend on the machine."""
    for item in items:
        if item.get_closest_marker(COMPUTES) is None:
            item.user_properties.append(EXTERNAL)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Add `FINAL` to the file of ``SECOND_TRY``: it stays if this process dies."""
    if path := list_path(session.config):
        with path.open("a") as file:
            file.write(f"{FINAL}\n")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """
    Replace this run's `FINAL` by the ids of its failed tests, one per line.

    It stays if they are too many, or if one of them is not `EXTERNAL`. A failed import
    and a crashed worker process are not.
    """
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    path = list_path(session.config)
    if path is None or reporter is None:
        return
    if exitstatus not in (pytest.ExitCode.TESTS_FAILED, *PASSED):
        return
    reports = reporter.stats.get("failed", []) + reporter.stats.get("error", [])
    failed = {report.nodeid for report in reports}
    all_external = all(
        EXTERNAL in map(tuple, getattr(report, "user_properties", ()))
        for report in reports
    )
    if all_external and len(failed) <= MAX_FAILURES:
        lines = path.read_text().splitlines()
        lines.remove(FINAL)  # one of them: another run at the same time has its own
        path.write_text("".join(f"{line}\n" for line in [*lines, *sorted(failed)]))


def list_path(config: pytest.Config) -> Path | None:
    """Return the file of ``SECOND_TRY``; none in a worker, as its parent writes."""
    path = os.environ.get("SECOND_TRY")
    return Path(path) if path and not hasattr(config, "workerinput") else None
