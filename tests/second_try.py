"""
Which failures `.ci/run` may try again: a few, and all of the real world.

LiveKit, a browser and other people's programs have bad moments on a machine that is
shared. What fails of our own alone is wrong.
"""

import os
from pathlib import Path

import pytest

REAL = ("livekit", "browser", "clients")
MOST = 5  # more at once is no bad moment


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write their ids, one a line, to the file that ``SECOND_TRY`` names."""
    path = os.environ.get("SECOND_TRY")
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not path or exitstatus != pytest.ExitCode.TESTS_FAILED or reporter is None:
        return
    reports = reporter.stats.get("failed", []) + reporter.stats.get("error", [])
    failed = {report.nodeid for report in reports}
    items = [item for item in session.items if item.nodeid in failed]
    marks = [{mark.name for mark in item.iter_markers()} for item in items]
    if len(items) == len(failed) <= MOST and all(each & {*REAL} for each in marks):
        Path(path).write_text("".join(f"{one}\n" for one in sorted(failed)))
