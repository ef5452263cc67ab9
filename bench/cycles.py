"""
Cycles of start and stop, part of scenario ``soak``: what each session leaves behind.

Sessions are started, publish for a moment and are stopped, four at a time. Memory is
read each time that twenty of them have ended and none runs. Its slope from a third of
the run on is what a session costs for ever; before, the allocator and the SDK reach
their working size.
"""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx
from rich.console import Console

from bench.drift import slope
from bench.probe.process import memory_mb, open_files, thread_count
from bench.probe.stack import ANSWER_TIMEOUT_S, Gateway, Stack
from bench.report.figures import Report

AT_ONCE = 4
MAX_GROWTH_KB = 100.0  # a cycle
MIN_JUDGED = 100  # a shorter run sees little but the warm-up
ROUND = 20  # cycles between two readings
PUBLISH_S = 0.3
SETTLE_S = 1.0  # after the last stop of a round
END_S = 5.0  # for threads and sockets of the SDK, after the last round


@dataclass(slots=True)
class CycleReadings:
    """Memory (MB) after each round, and the duration of each start and stop (ms)."""

    cycles: list[int] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    start_ms: list[float] = field(default_factory=list)
    stop_ms: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def run_cycles(count: int, stack: Stack, console: Console) -> tuple[Report, list[str]]:
    """Run ``count`` cycles; return the report and the faults that were found."""
    console.print(f"soak: {count} cycles of start and stop, {AT_ONCE} at a time")
    gateway = stack.gateway
    readings = CycleReadings()
    threads, files = thread_count(gateway.pid), open_files(gateway.pid)
    asyncio.run(_cycle(count, gateway, readings, console))
    time.sleep(END_S)
    report = Report("soak", {"cycles": count, "at once": AT_ONCE})
    report.add("memory without sessions", "MB", readings.memory)
    third = len(readings.cycles) // 3
    growth = slope(readings.cycles[third:], readings.memory[third:])
    judged = count >= MIN_JUDGED
    faults = list(readings.failed[:3])
    if growth is not None:
        budget = f"≤ {MAX_GROWTH_KB:g}" if judged else ""
        report.add("growth of memory", "kB/cycle", [1000 * growth.middle], budget)
        report.add("growth of memory, 95 % from", "kB/cycle", [1000 * growth.low])
        report.add("growth of memory, 95 % to", "kB/cycle", [1000 * growth.high])
        if judged and 1000 * growth.middle > MAX_GROWTH_KB:
            faults.append(f"memory grows by {1000 * growth.middle:.0f} kB a cycle")
    report.add("start", "ms", readings.start_ms)
    report.add("stop", "ms", readings.stop_ms)
    report.add("threads more than before", "", [thread_count(gateway.pid) - threads])
    report.add("open files more than before", "", [open_files(gateway.pid) - files])
    report.add("starts that failed", "", [len(readings.failed)])
    if remaining := gateway.active_sessions():
        faults.append(f"sessions that did not end: {remaining}")
    return report, faults


async def _cycle(
    count: int, gateway: Gateway, readings: CycleReadings, console: Console
) -> None:
    async with httpx.AsyncClient(timeout=ANSWER_TIMEOUT_S) as http:

        async def worker(numbers: Iterator[int]) -> None:
            for _ in numbers:
                await _start_and_stop(http, gateway, readings)

        for first in range(0, count, ROUND):
            last = min(first + ROUND, count)
            numbers = iter(range(first, last))
            async with asyncio.TaskGroup() as group:
                for _ in range(AT_ONCE):
                    group.create_task(worker(numbers))
            await asyncio.sleep(SETTLE_S)
            readings.cycles.append(last)
            readings.memory.append(memory_mb(gateway.pid))
            console.print(f"{last:5}: {readings.memory[-1]:.0f} MB")


async def _start_and_stop(
    http: httpx.AsyncClient, gateway: Gateway, readings: CycleReadings
) -> None:
    created = await asyncio.to_thread(
        gateway.create_session, video_settings={"quality": "512x512"}
    )
    token = created.raise_for_status().json()["data"]["session_token"]
    bearer = {"Authorization": f"Bearer {token}"}
    started_s = time.perf_counter()
    response = await http.post(f"{gateway.url}/v1/sessions/start", headers=bearer)
    if response.status_code != httpx.codes.CREATED:
        readings.failed.append(f"a start failed: {response.text[:200]}")
        return
    readings.start_ms.append(1000 * (time.perf_counter() - started_s))
    await asyncio.sleep(PUBLISH_S)
    started_s = time.perf_counter()
    response = await http.post(f"{gateway.url}/v1/sessions/stop", headers=bearer)
    readings.stop_ms.append(1000 * (time.perf_counter() - started_s))
    if response.status_code != httpx.codes.OK:
        readings.failed.append(f"a stop failed: {response.text[:200]}")
