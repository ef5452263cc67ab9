"""Tests of `bench loop`: it reports the true length of a known block of the loop."""

import argparse
import asyncio
import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Callable

import pytest
import torch
from rich.console import Console

from bench import loop
from bench.loop import Phase, bad_messages, report
from bench.probe.loop_monitor import (
    PERIOD_S,
    LoopMonitor,
    Wake,
    read,
    written_to,
)
from protocol.errors import ProtocolError
from protocol.lite.codec import decode
from protocol.lite.messages import Interrupt, SpeakEnd
from tests.fakes import SlowDriver
from tests.waiting import until

BLOCK_S = 0.080


def spin(seconds: float) -> None:
    """Use the processor for so long."""
    until_s = time.thread_time() + seconds
    while time.thread_time() < until_s:
        pass


def longest_wake(block: Callable[[float], None]) -> Wake:
    """Return the latest wake of an event loop that is blocked once."""

    async def main() -> Wake:
        monitor = LoopMonitor()
        async with asyncio.TaskGroup() as group:
            task = group.create_task(monitor.run())
            await asyncio.sleep(0.05)
            monitor.wakes.clear()
            block(BLOCK_S)
            await asyncio.sleep(0.05)
            task.cancel()
        return monitor.wakes[0]

    return asyncio.run(main())


def test_a_callback_that_waits_is_reported_with_its_length():
    wake = longest_wake(time.sleep)
    assert wake.late_s >= BLOCK_S - PERIOD_S
    assert wake.work_s < BLOCK_S / 2


def test_a_callback_that_computes_is_reported_as_work_of_the_loop():
    wake = longest_wake(spin)
    assert wake.late_s >= BLOCK_S - PERIOD_S
    assert wake.work_s >= 0.9 * BLOCK_S


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the waits")
def test_a_wait_for_a_processor_is_not_reported_as_a_block():
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    endless = [sys.executable, "-c", "while True: pass"]
    try:
        with subprocess.Popen(endless) as other:
            try:
                wake = longest_wake(spin)
            finally:
                other.kill()
    finally:
        os.sched_setaffinity(0, cores)
    assert wake.waited_s > BLOCK_S / 10
    assert wake.blocked_s <= max(wake.work_s, wake.late_s - wake.waited_s)
    assert wake.work_s >= 0.9 * BLOCK_S


def test_wakes_are_written_while_the_loop_runs_and_read_again(tmp_path):
    path, monitor = tmp_path / "wakes", LoopMonitor()
    first, second = Wake(1.0, 0.0, 0.0, 0.0001), Wake(1.1, 0.08, 0.07, 0.002)
    with written_to(path, monitor):
        monitor.wakes.append(first)
        until(lambda: path.exists() and path.stat().st_size)
        assert read(path) == [first]
        monitor.wakes.append(second)
    assert read(path) == [first, second]
    path.write_bytes(path.read_bytes()[:-1])
    assert read(path) == [first]


def test_the_report_has_the_wakes_of_each_phase_and_judges_the_longest_block():
    phases = [Phase("calm", 0.0, 1.0, 0.0), Phase("storm", 1.0, 2.0, 0.25)]
    wakes = [
        Wake(0.5, 0.08, 0.079, 0.0),
        Wake(1.5, 0.002, 0.003, 0.001),
        Wake(1.6, 0.08, 0.01, 0.06),
        Wake(1.7, 0.08, 0.01, 0.01, 0.02, 0.03),
    ]
    calm, storm = (report([it], wakes, {}).figures for it in phases)
    assert [it.samples for it in calm] == [[80], [1], [79], [0], [0], [0], [0]]
    assert [it.samples for it in storm] == [
        *([2, 80, 80], [1, 70, 20], [3, 10, 10], [0, 0, 20], [0, 0, 30]),
        *([1, 60, 10], [25]),
    ]
    assert [it.name for it in calm if it.budget] == ["calm: event loop blocked"]
    assert calm[1].budget.met(calm[1].samples)
    assert not storm[1].budget.met(storm[1].samples)


def test_bad_messages_are_refused_or_are_out_of_order_or_odd():
    for message in bad_messages():
        try:
            command = decode(message)
        except ProtocolError:
            continue
        assert isinstance(command, SpeakEnd | Interrupt) or len(command.audio) % 2


class LockHoldingDriver(SlowDriver):
    """Driver that holds Python's lock for 80 ms in every tenth frame."""

    def __init__(self) -> None:
        self._frames = 0
        # PyDLL, unlike CDLL, keeps the lock while the function runs.
        self._wait_us = ctypes.PyDLL(None).usleep

    def drive(self, states, audio) -> torch.Tensor:
        self._frames += 1
        if self._frames % 10 == 0:
            self._wait_us(int(1e6 * BLOCK_S))
        return super().drive(states, audio)


@pytest.mark.livekit
@pytest.mark.slow
def test_a_block_in_a_gateway_process_is_reported(livekit):
    driver = "tests.bench.test_loop:LockHoldingDriver"
    args = argparse.Namespace(
        seconds=2.0, sessions=1, avatar="fiducial", quality="128x128"
    )
    result = loop.measure(args, livekit, Console(quiet=True), driver)
    figures = {figure.name: figure for figure in result.figures}
    assert len(figures) == 21
    for phase in ("bursts", "bad input", "starts"):
        late = figures[f"{phase}: event loop woke late"]
        assert late.at(100) >= 1000 * (BLOCK_S - PERIOD_S)
        blocked = figures[f"{phase}: event loop blocked"]
        assert blocked.budget.met(blocked.samples) is False
