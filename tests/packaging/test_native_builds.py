"""`tools.build_native`: targets, builds that are up to date, a missing compiler."""

import os
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from renderer.native.library import BUILDS
from tests.packaging.conftest import OWN_BUILDS, ROOT, has_builds
from tools import build_native, zig
from tools.build_native import TARGETS, build, build_all, is_current

ELF_MACHINES = {"x86_64": 62, "aarch64": 183}
MACH_O_64, MACH_O_ARM64 = 0xFEEDFACF, 0x0100000C
# What the tag manylinux_2_17 promises.
MAX_GLIBC = (2, 17)


def require_builds() -> None:
    if not has_builds():
        pytest.skip("no native build: run `make setup`")


def check_format(name: str, library: bytes) -> None:
    """Assert that a library is for the system and the processor of its name."""
    processor = name.split("-")[1]
    if name.startswith("macos"):
        assert struct.unpack("<II", library[:8]) == (MACH_O_64, MACH_O_ARM64)
        return
    assert library[:5] == b"\x7fELF\x02"
    assert struct.unpack("<H", library[18:20]) == (ELF_MACHINES[processor],)
    needed = re.findall(rb"GLIBC_(\d+)\.(\d+)", library)
    assert all((int(a), int(b)) <= MAX_GLIBC for a, b in needed)


@pytest.mark.parametrize("name", OWN_BUILDS)
def test_the_builds_of_this_machine_need_no_newer_system(name):
    require_builds()
    check_format(name, (BUILDS / f"{name}.so").read_bytes())


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted({*TARGETS} - {*OWN_BUILDS}))
def test_the_sources_compile_for_the_other_machines(name, tmp_path):
    require_builds()
    build(zig.compiler(), name, tmp_path)
    assert is_current(name, tmp_path)
    check_format(name, (tmp_path / f"{name}.so").read_bytes())


def test_a_build_that_is_up_to_date_is_left_alone(monkeypatch):
    require_builds()

    def no_compiler() -> Path:
        raise AssertionError("the compiler was asked for")

    monkeypatch.setattr(build_native, "compiler", no_compiler)
    build_all(OWN_BUILDS, is_required=True)


def test_other_options_make_a_build_out_of_date(monkeypatch):
    require_builds()
    assert is_current(OWN_BUILDS[0])
    monkeypatch.setattr(build_native, "OPTIONS", ("-O0",))
    assert not is_current(OWN_BUILDS[0])


@pytest.mark.parametrize("required", [False, True])
def test_a_compiler_that_cannot_be_installed_is_said_in_one_line(
    source, tmp_path, required
):
    for folder in ("renderer", "tools"):
        shutil.copytree(source / folder, tmp_path / folder)
    shutil.copy(source / zig.LOCK.name, tmp_path)
    shutil.rmtree(tmp_path / "renderer" / "native" / "builds", ignore_errors=True)
    env = {
        **os.environ,
        "PYTHONPATH": str(tmp_path),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(tmp_path),
    }
    command = [sys.executable, "-m", "tools.build_native", "--all"]
    command += ["--required"] * required
    done = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == (1 if required else 0), done.stderr
    installing, line = done.stderr.splitlines()
    assert installing.startswith("installing the C compiler")
    assert line.startswith("no native code, so drawing will be several times slower:")
    assert "ziglang" in line


def test_the_image_can_install_the_compiler_before_the_sources_are_copied(tmp_path):
    """The layers of libraries and compiler stay as they are when code changes."""
    require_builds()
    dockerfile = (ROOT / "Dockerfile").read_text()
    before, _, after = dockerfile.partition("RUN make deps compiler models\n")
    assert "COPY . ." in after
    for line in re.findall(r"^COPY (?!--from)(.+)$", before, re.MULTILINE):
        *files, folder = line.split()
        (tmp_path / folder).mkdir(exist_ok=True)
        for file in files:
            shutil.copy(ROOT / file, tmp_path / folder)
    env = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    command = ["make", "--silent", "compiler", f"PY={sys.executable}"]
    done = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{zig.compiler()}\n"
