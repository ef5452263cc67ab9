"""A process that hangs while Python frees its modules."""

import subprocess
import sys
import textwrap

import pytest

from tests.waiting import PATIENCE_S

# `libc.sleep` stands for a native library that hangs.
PROGRAM = textwrap.dedent(
    f"""
    import ctypes
    from lite_gateway.server import EndOfProcess

    class Hangs:
        def __del__(self, sleep=ctypes.CDLL(None).sleep):
            sleep({2 * PATIENCE_S:.0f})

    kept = Hangs()
    end = EndOfProcess()
    end.start()
    end.limit(1.0)
    """
)


@pytest.mark.process
def test_a_library_that_hangs_while_python_ends_does_not_keep_the_process():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], timeout=PATIENCE_S, capture_output=True
    )
    assert done.returncode == 1
    assert b"Timeout" in done.stderr
