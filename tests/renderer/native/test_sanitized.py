"""Faults of native code end a process that `tools.sanitized` has started."""

import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from renderer.native.library import SOURCES, build_names
from tools import sanitized

FAULTS = """
#include "native.h"
EXPORT float element(const float *values, int at);
EXPORT int whole(float value);
float element(const float *values, int at) { return values[at]; }
int whole(float value) { return (int)value; }
"""
CALL = """
import ctypes, sys
import numpy as np
library = ctypes.CDLL(sys.argv[1])
library.whole.argtypes = [ctypes.c_float]
values = np.zeros(1000, np.float32)
at = ctypes.c_void_p(values.ctypes.data)
library.element(at, 999)
library.whole(1e9)
print("no fault so far", flush=True)
exec(sys.argv[2])
print("the fault was not noticed")
"""


@pytest.fixture(scope="module")
def faulty_library(gcc, tmp_path_factory) -> Path:
    """Path of `FAULTS` with sanitizers."""
    folder = tmp_path_factory.mktemp("faulty")
    sources = folder / "sources"
    sources.mkdir()
    shutil.copy(SOURCES / "native.h", sources)
    (sources / "faults.c").write_text(FAULTS)
    sanitized.build(folder / "builds", sources)
    [name, *_] = build_names(sys.platform, platform.machine())
    return folder / "builds" / f"{name}.so"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "report"),
    [
        ("library.element(at, 1000)", "heap-buffer-overflow"),
        ("library.element(at, -1)", "heap-buffer-overflow"),
        ("library.element(None, 0)", "null pointer"),
        ("library.whole(1e10)", "outside the range of representable values"),
        ("library.whole(float('nan'))", "outside the range of representable values"),
    ],
)
def test_a_fault_ends_the_process_with_a_report(faulty_library, fault, report):
    done = subprocess.run(
        [sys.executable, "-c", CALL, str(faulty_library), fault],
        env=sanitized.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "no fault so far\n", done.stderr
    assert done.returncode != 0
    assert report in done.stderr


@pytest.mark.slow
def test_the_loader_finds_the_sanitized_build(gcc):
    loaded = "from renderer.native.library import load; print(load()._name)"
    command = [sys.executable, "-m", "tools.sanitized", "timeit", "-n1", "-r1", loaded]
    done = subprocess.run(
        command, cwd=sanitized.ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.splitlines()[0]).parent == sanitized.FOLDER
