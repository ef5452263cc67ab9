"""Limit of memory, as control groups and the machine set it."""

import os

import pytest

from lite_gateway.metrics import Metrics
from lite_gateway.telemetry.memory import memory_limit

MACHINE = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
GIB = 1 << 30


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({}, MACHINE),
        ({"a.slice/b.service": "max\n"}, MACHINE),
        ({"a.slice/b.service": "max\n", "a.slice": f"{GIB}\n"}, GIB),
        ({"a.slice/b.service": f"{GIB // 2}\n", "a.slice": f"{GIB}\n"}, GIB // 2),
        ({"": f"{GIB}\n"}, GIB),  # as a container sees its own group
        ({"": f"{1 << 60}\n"}, MACHINE),
        ({"": "\n"}, MACHINE),
    ],
)
def test_the_smallest_limit_counts(tmp_path, limits, expected):
    own = tmp_path / "self"
    own.write_text("1:name=systemd:/x\n0::/a.slice/b.service\n")
    groups = tmp_path / "cgroup"
    for name, text in limits.items():
        (groups / name).mkdir(parents=True, exist_ok=True)
        (groups / name / "memory.max").write_text(text)
    assert memory_limit(groups, own) == expected


def test_the_limit_is_a_metric():
    value = Metrics().registry.get_sample_value("lite_memory_limit_bytes")
    assert 0 < value <= MACHINE
