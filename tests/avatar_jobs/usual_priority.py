"""
Program `creation.job` that has the usual priority: it does not yield to other tests.

It makes what the program makes, within the same limits.
"""

import os
import sys

from creation import job


def _keep_priority() -> None:
    """Take the place of the function that lowers the priority."""


if __name__ == "__main__":
    assert callable(job._yield_to_others)
    job._yield_to_others = _keep_priority
    assert os.getpriority(os.PRIO_PROCESS, 0) < job._LOWEST
    sys.exit(job.main())
