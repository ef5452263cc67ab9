"""Priority of child processes, as the system tells it."""

import os
import subprocess
import sys

import pytest

from lite_gateway.priority import AUTOGROUP

CODE = """
import os
from lite_gateway.priority import AUTOGROUP, lower_priority
lower_priority(7)
print(os.nice(0), *AUTOGROUP.read_text().split()[-1:])
"""

pytestmark = pytest.mark.process


def lowered(*, leads_session: bool) -> list[str]:
    """Return the niceness of a child that lowers its own, and that of its session."""
    return subprocess.run(
        (sys.executable, "-c", CODE),
        check=True,
        capture_output=True,
        text=True,
        start_new_session=leads_session,
    ).stdout.split()


needs_autogroups = pytest.mark.skipif(
    not AUTOGROUP.exists(), reason="needs a system with autogroups"
)


@needs_autogroups
def test_the_session_that_a_child_leads_gets_its_niceness():
    niceness = str(min(os.nice(0) + 7, 19))
    assert lowered(leads_session=True) == [niceness, niceness]


@needs_autogroups
def test_the_session_of_others_keeps_its_niceness():
    own = AUTOGROUP.read_text().split()[-1:]  # empty in the session of the system
    niceness = str(min(os.nice(0) + 7, 19))
    assert lowered(leads_session=False) == [niceness, *own]
