"""Choice and checks of the native build."""

import logging
import os
import platform
import sys
from pathlib import Path

import pytest

from renderer.native import library
from renderer.native.library import (
    BUILDS,
    NativeUnavailable,
    build_names,
    open_best,
    open_build,
    source_hash,
)

OWN = build_names(sys.platform, platform.machine())


def require_builds() -> None:
    if not all((BUILDS / f"{name}.so").is_file() for name in OWN) or not OWN:
        assert not os.environ.get("CI"), "`make setup` has built no native code"
        pytest.skip("no native build: run `make setup`")


@pytest.mark.parametrize(
    ("system", "machine", "names"),
    [
        ("linux", "x86_64", ("linux-x86_64-v2", "linux-x86_64-v3")),
        ("linux", "aarch64", ("linux-aarch64",)),
        ("darwin", "arm64", ("macos-aarch64",)),
        ("darwin", "x86_64", ()),
        ("win32", "AMD64", ()),
        ("linux", "riscv64", ()),
    ],
)
def test_builds_are_named_by_system_and_processor(system, machine, names):
    assert build_names(system, machine) == names


def test_the_level_of_the_processor_is_the_one_that_linux_reports():
    require_builds()
    cpuinfo = Path("/proc/cpuinfo")
    if "x86_64" not in OWN[0] or not cpuinfo.exists():
        pytest.skip("not Linux on x86-64")
    flags = cpuinfo.read_text().partition("flags")[2].partition("\n")[0].split()
    v3 = {"avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe"} <= {*flags}
    assert open_build(OWN[0]).native_cpu_level() == (3 if v3 else 2)
    assert open_best()._name == str(BUILDS / f"{OWN[1 if v3 else 0]}.so")


def test_a_missing_build_is_named(tmp_path):
    with pytest.raises(NativeUnavailable, match="linux-aarch64 is not built"):
        open_best(tmp_path, "linux", "aarch64")


def test_a_machine_without_builds_is_named():
    with pytest.raises(NativeUnavailable, match="none is made for linux on riscv64"):
        open_best(BUILDS, "linux", "riscv64")


def test_a_file_that_is_no_library_of_this_machine_is_refused(tmp_path):
    (tmp_path / "linux-aarch64.so").write_bytes(b"\x7fELF of another machine")
    with pytest.raises(NativeUnavailable, match="linux-aarch64 cannot be loaded"):
        open_best(tmp_path, "linux", "aarch64")


def test_a_build_of_other_sources_is_refused(tmp_path):
    require_builds()
    name = OWN[0]
    whole = (BUILDS / f"{name}.so").read_bytes()
    stale = whole.replace(source_hash().encode(), b"0123456789abcdef")
    assert stale != whole
    (tmp_path / f"{name}.so").write_bytes(stale)
    with pytest.raises(NativeUnavailable, match="was built from other sources"):
        open_best(tmp_path)


@pytest.mark.parametrize("change", ["text", "name", "header"])
def test_any_change_of_the_sources_changes_their_hash(tmp_path, change):
    (tmp_path / "a.c").write_text("int a;")
    before = source_hash(tmp_path)
    match change:
        case "text":
            (tmp_path / "a.c").write_text("int b;")
        case "name":
            (tmp_path / "a.c").rename(tmp_path / "b.c")
        case "header":
            (tmp_path / "a.h").touch()
    assert source_hash(tmp_path) != before


def test_that_there_is_no_build_is_said_once(monkeypatch, caplog):
    def none() -> None:
        raise NativeUnavailable("none is made for this test")

    monkeypatch.setattr(library, "open_best", none)
    library.load.cache_clear()
    try:
        with caplog.at_level(logging.WARNING):
            assert library.load() is None
            assert library.load() is None
    finally:
        library.load.cache_clear()
    [line] = caplog.messages
    assert "none is made for this test" in line
    assert "make setup" in line


class FakeBuild:
    """Build on a processor of some level."""

    def __init__(self, name: str, level: int) -> None:
        self.name = name
        self._level = level

    def native_cpu_level(self) -> int:
        return self._level


@pytest.mark.parametrize(
    ("machine", "level", "name"),
    [("x86_64", 2, "x86_64-v2"), ("x86_64", 3, "x86_64-v3"), ("aarch64", 0, "aarch64")],
)
def test_each_processor_gets_the_build_for_it(monkeypatch, machine, level, name):
    monkeypatch.setattr(library, "open_build", lambda it, _: FakeBuild(it, level))
    assert open_best(system="linux", machine=machine).name == f"linux-{name}"


def test_a_processor_that_no_build_is_for_is_named(monkeypatch):
    monkeypatch.setattr(library, "open_build", lambda it, _: FakeBuild(it, 1))
    with pytest.raises(NativeUnavailable, match=r"this processor lacks SSE4\.2"):
        open_best(system="linux", machine="x86_64")
