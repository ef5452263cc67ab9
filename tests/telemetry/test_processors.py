"""Processor cores that the process may use, as quotas and affinity set them."""

import os

import pytest

from lite_gateway.telemetry.processors import core_speed, usable_cores

MACHINE = float(len(os.sched_getaffinity(0)))


@pytest.mark.parametrize(
    ("quotas", "expected"),
    [
        ({}, MACHINE),
        ({"a.slice/b.service": "max 100000\n"}, MACHINE),
        ({"a.slice/b.service": "50000 100000\n"}, 0.5),
        ({"a.slice": "75000 100000\n", "a.slice/b.service": "max 100000\n"}, 0.75),
        ({"": "25000 100000\n"}, 0.25),  # as a container sees its own group
        ({"": "99999999 1000\n"}, MACHINE),
        ({"": "\n"}, MACHINE),
        ({"": "1000 0\n"}, MACHINE),
    ],
)
def test_the_smallest_quota_counts(tmp_path, quotas, expected):
    own = tmp_path / "self"
    own.write_text("1:name=systemd:/x\n0::/a.slice/b.service\n")
    groups = tmp_path / "cgroup"
    for name, text in quotas.items():
        (groups / name).mkdir(parents=True, exist_ok=True)
        (groups / name / "cpu.max").write_text(text)
    assert usable_cores(groups, own) == expected


@pytest.mark.parametrize(
    ("folder", "quota_us", "expected"),
    [
        ("docker/1f", "50000", 0.5),
        ("", "50000", 0.5),
        ("docker/1f", "-1", MACHINE),
    ],
)
def test_a_quota_of_control_groups_v1_counts(tmp_path, folder, quota_us, expected):
    own = tmp_path / "self"
    own.write_text("4:memory:/docker/1f\n2:cpu,cpuacct:/docker/1f\n0::/\n")
    group = tmp_path / "cgroup" / "cpu" / folder
    group.mkdir(parents=True)
    (group / "cpu.cfs_quota_us").write_text(f"{quota_us}\n")
    (group / "cpu.cfs_period_us").write_text("100000\n")
    assert usable_cores(tmp_path / "cgroup", own) == expected


def test_the_affinity_of_the_process_counts():
    one = min(os.sched_getaffinity(0))
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {one})
    try:
        assert usable_cores() <= 1
    finally:
        os.sched_setaffinity(0, before)


def test_the_speed_of_a_core_is_a_number_that_repeats():
    speeds = [core_speed() for _ in range(10)]
    assert 0.02 < max(speeds) < 50
    assert sorted(speeds)[5] > 0.3 * max(speeds)
