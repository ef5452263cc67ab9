"""
Pytest hook that lists the failures which `.ci/run` may try again.

Tests with LiveKit, a browser or other people's programs depend on the machine, which
is shared. Failures of other tests are never tried again.
"""

import os
from pathlib import Path

import pytest

EXTERNAL_MARKS = ("livekit", "browser", "clients")
MAX_FAILURES = 5  # more failures at once have another cause than a busy machine


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """
    Write the ids of the failed tests, one per line, to the file of ``SECOND_TRY``.

    Write nothing if there are too many, or if one of them has no mark of
    `EXTERNAL_MARKS`.
    """
    path = os.environ.get("SECOND_TRY")
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not path or exitstatus != pytest.ExitCode.TESTS_FAILED or reporter is None:
        return
    reports = reporter.stats.get("failed", []) + reporter.stats.get("error", [])
    failed = {report.nodeid for report in reports}
    items = [item for item in session.items if item.nodeid in failed]
    marks = [{mark.name for mark in item.iter_markers()} for item in items]
    all_external = all(names & {*EXTERNAL_MARKS} for names in marks)
    if len(items) == len(failed) <= MAX_FAILURES and all_external:
        Path(path).write_text("".join(f"{test_id}\n" for test_id in sorted(failed)))
