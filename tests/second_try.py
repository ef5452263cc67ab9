"""
Pytest hook that lists the failures which `.ci/run` may try again.

Tests with LiveKit, a browser or other people's programs depend on the machine, which
is shared. Failures of other tests are never tried again.
"""

import os
from pathlib import Path

import pytest

EXTERNAL_MARKS = ("livekit", "browser", "clients")
EXTERNAL = ("external", True)  # property of a test, which its reports have too
MAX_FAILURES = 5  # more failures at once have another cause than a busy machine


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Add `EXTERNAL` to the tests that depend on the machine."""
    for item in items:
        if any(mark.name in EXTERNAL_MARKS for mark in item.iter_markers()):
            item.user_properties.append(EXTERNAL)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """
    Write the ids of the failed tests, one per line, to the file of ``SECOND_TRY``.

    Write nothing if there are too many, or if one of them is not `EXTERNAL`. A failed
    import and a crashed worker process are not.
    """
    path = os.environ.get("SECOND_TRY")
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not path or exitstatus != pytest.ExitCode.TESTS_FAILED or reporter is None:
        return
    if hasattr(session.config, "workerinput"):  # of pytest-xdist; its parent writes
        return
    reports = reporter.stats.get("failed", []) + reporter.stats.get("error", [])
    failed = {report.nodeid for report in reports}
    all_external = all(
        EXTERNAL in map(tuple, getattr(report, "user_properties", ()))
        for report in reports
    )
    if all_external and len(failed) <= MAX_FAILURES:
        Path(path).write_text("".join(f"{test_id}\n" for test_id in sorted(failed)))
