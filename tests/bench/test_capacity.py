"""Capacity: the ramp, its bottleneck, and processor time by stage, on known data."""

import argparse
import asyncio
import contextlib
import os
import subprocess
import sys
import threading
import time

import psutil
import pytest
from rich.console import Console

from bench import capacity
from bench.capacity import LoadStep, bottleneck, memory_per_session, next_load
from bench.probe.nvidia import GpuSample, GpuUnread, watched
from bench.probe.process import (
    CAPTURE,
    ENCODE,
    LOOP,
    OPUS,
    OTHER,
    RENDER,
    SEND,
    STAGES,
    MachineReading,
    ThreadReading,
    ThreadUse,
    by_name,
    core_ms,
    stage_of,
)
from bench.probe.stack import Stack, running_gateway
from lite_gateway.rooms.null_room import NullRoom
from lite_gateway.threads import pool
from protocol.lite.messages import SAMPLE_RATE
from tests import virtual
from tests.waiting import until


def step(sessions, late=0.0, *, machine=0.5, others=0.0, gpu=(), **more):
    """Return a step of 2 s; ``threads`` has the share of a core of each thread."""
    threads = [
        ThreadUse(name, 2.0 * share, 100)
        for name, share in more.get("threads", {"render": 0.5}).items()
    ]
    return LoadStep(
        sessions=sessions,
        late_share=late,
        frames=50.0 * sessions,
        lasted_s=2.0,
        stages={stage: ThreadUse(stage, 0.1, 10) for stage in STAGES},
        threads=threads,
        machine=machine,
        others=others,
        render=0.5,
        batch=1.0,
        memory_mb=more.get("memory_mb", 100.0),
        gpu=gpu,
    )


def loads(first, add, most, capacity):
    """Return the loads that a ramp tries at a gateway of that capacity."""
    steps = []
    load = first
    while load is not None:
        steps.append(step(load, 0.0 if load <= capacity else 0.5))
        load = next_load(steps, add, most)
    return [it.sessions for it in steps]


def test_a_ramp_goes_up_until_frames_come_late():
    assert loads(2, 1, 8, capacity=3) == [2, 3, 4]


def test_a_ramp_that_starts_too_high_goes_down_to_the_first_good_load():
    assert loads(4, 1, 8, capacity=2) == [4, 3, 2]
    assert loads(2, 1, 8, capacity=0) == [2, 1]


def test_a_ramp_ends_at_its_maximum():
    assert loads(2, 1, 4, capacity=9) == [2, 3, 4]
    assert loads(8, 8, 30, capacity=99) == [8, 16, 24]


def test_the_bottleneck_is_the_busiest_resource_at_the_lowest_overload():
    good = step(3)
    bad = step(4, 0.2, threads={"render": 0.97, LOOP: 0.3})
    worse = step(5, 0.5, threads={LOOP: 1.0})
    assert bottleneck([good, bad, worse]) == "the thread render, 97 % busy"
    assert bottleneck([step(2, 0.1, machine=0.99)]).startswith("the processors, 99 %")
    samples = [GpuSample(99.0, 1e4), GpuSample(98.0, 1e4), GpuSample(0.0, 1e4)]
    assert bottleneck([step(2, 0.1, gpu=samples)]) == "the GPU, 98 % busy"
    assert bottleneck([good]) == "none: the ramp ended before frames came late"
    slow = bottleneck([step(2, 0.02, threads={"render": 0.6})])
    assert slow == "none all the time; busiest: the thread render, 60 % busy"


def test_the_bottleneck_says_when_other_processes_were_busy():
    text = bottleneck([step(2, 0.1, machine=0.99, others=0.4)])
    assert "other processes used 40 % of the machine" in text
    assert "other processes" not in bottleneck([step(2, 0.1, machine=0.99)])


def best_of(late_shares, tries):
    """Return the best try of a load, and how many were measured."""
    left = list(late_shares)

    async def measure(gateway, sessions, seconds):
        return step(sessions, left.pop(0))

    args = argparse.Namespace(seconds=0.0, tries=tries)
    best = virtual.run(
        capacity.best_try(None, 2, args, Console(quiet=True), measure=measure)
    )
    return best.late_share, len(late_shares) - len(left)


def test_a_late_load_is_measured_again_and_the_best_try_counts():
    assert best_of([0.0], 3) == (0.0, 1)
    assert best_of([0.3, 0.002, 0.0], 3) == (0.002, 2)
    assert best_of([0.3, 0.1, 0.2], 3) == (0.1, 3)
    assert best_of([0.3, 0.1], 1) == (0.3, 1)


def test_the_time_of_a_frame_is_that_of_its_stages():
    uses = {RENDER: ThreadUse(RENDER, 0.5, 7), SEND: ThreadUse(SEND, 0.1, 3)}
    assert core_ms(uses, 100) == pytest.approx({RENDER: 5.0, SEND: 1.0})
    threads = [
        ThreadUse("capture", 0.1, 1),
        ThreadUse("render", 0.5, 2),
        ThreadUse("capture", 0.2, 3),
    ]
    summed = by_name(threads)
    assert list(summed) == ["render", "capture"]
    assert summed["capture"].cpu_s == pytest.approx(0.3)
    assert summed["capture"].wakes == 4


def test_memory_per_session_is_the_slope_over_the_steps():
    steps = [step(n, memory_mb=300 + 25 * n) for n in (2, 3, 4)]
    assert memory_per_session(steps) == pytest.approx(25)
    assert memory_per_session(steps[:1]) is None


@pytest.mark.parametrize(
    ("name", "stage"),
    [
        ("render", RENDER),
        ("capture", CAPTURE),
        ("VideoEncoderQue", ENCODE),
        ("AudioEncoderQue", OPUS),
        ("worker_thread 0", SEND),
        ("tokio-rt-worker", SEND),
        (LOOP, LOOP),
        ("python", OTHER),
    ],
)
def test_a_thread_belongs_to_the_stage_of_its_name(name, stage):
    assert stage_of(name) == stage


def work(seconds):
    """Use so much processor time in this thread."""
    until_s = time.thread_time() + seconds
    while time.thread_time() < until_s:
        pass
    return threading.get_native_id()


def test_processor_time_is_counted_in_the_stage_of_its_thread():
    with pool(1, "render") as render, pool(1, "capture") as capture:
        render.submit(work, 0.0).result()  # the threads have their names now
        capture.submit(work, 0.0).result()
        before = ThreadReading(os.getpid())
        render.submit(work, 0.5).result()
        capture.submit(work, 0.2).result()
        work(0.1)
        spent = ThreadReading(os.getpid()).stages_since(before)
    assert 0.45 < spent[RENDER].cpu_s < 0.65
    assert 0.15 < spent[CAPTURE].cpu_s < 0.35
    assert 0.05 < spent[LOOP].cpu_s < 0.25  # the first thread of a process
    # Threads of LiveKit's SDK may run: other tests of this process have started it.
    assert spent[ENCODE].cpu_s + spent[OPUS].cpu_s + spent[SEND].cpu_s < 0.1


def test_each_wake_of_a_waiting_thread_is_counted():
    with pool(1, "render") as render:
        render.submit(work, 0.0).result()
        before = ThreadReading(os.getpid())
        for _ in range(20):
            render.submit(time.sleep, 0.001).result()
        spent = ThreadReading(os.getpid()).stages_since(before)
    # One wake by its sleep, mostly another one by the work that it is given, and some
    # by Python's lock, if other threads of this process have it.
    assert 20 <= spent[RENDER].wakes < 200


def names_of_threads():
    """Return the name of each thread of this process, by id."""
    names = {}
    for thread in psutil.Process().threads():
        with contextlib.suppress(psutil.NoSuchProcess):
            names[thread.id] = psutil.Process(thread.id).name()
    return names


def wait_until_gone(name):
    """Wait until the system has ended a thread; Python reports it ended before."""
    until(lambda: name not in names_of_threads().values())


def test_processor_time_of_ended_threads_is_counted_as_other():
    time.sleep(0.1)  # the system ends the threads of the previous test
    before = ThreadReading(os.getpid())
    with pool(1, "brief") as brief:
        brief.submit(work, 0.3).result()
    wait_until_gone("brief")
    spent = ThreadReading(os.getpid()).stages_since(before)[OTHER].cpu_s
    assert 0.2 < spent < 0.6


def test_the_busy_share_is_that_of_the_processors():
    before = MachineReading(idle_s=10, total_s=100, own_s=5)
    assert MachineReading(10, 200, 5).busy_since(before) == 1
    assert MachineReading(60, 200, 5).busy_since(before) == 0.5
    assert MachineReading(60, 200, 25).others_since(before) == pytest.approx(0.3)
    assert before.others_since(before) == before.busy_since(before) == 0


@pytest.mark.real_time  # it also keeps every processor busy
def test_the_busy_share_of_the_machine_rises_with_load():
    before = MachineReading.now()
    spinning = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"])
        for _ in os.sched_getaffinity(0)
    ]
    try:
        time.sleep(1.0)
        after = MachineReading.now()
    finally:
        for process in spinning:
            process.kill()
            process.wait()
    assert after.busy_since(before) > 0.6
    # The processes are ours: what others use is not more than without them.
    assert after.own_s - before.own_s > 0.4


class FakeGpu:
    """GPU reader that fails after a number of readings."""

    def __init__(self, readings: int) -> None:
        self.left, self.closed = readings, False

    def read(self) -> GpuSample:
        if not self.left:
            raise GpuUnread("NVML: GPU is lost")
        self.left -= 1
        return GpuSample(42.0, 7.0)

    def close(self) -> None:
        self.closed = True


def test_the_gpu_is_read_while_something_runs():
    gpu = FakeGpu(10**6)
    with watched(lambda: gpu) as load:
        until(lambda: len(load.samples) > 1)
    assert set(load.samples) == {GpuSample(42.0, 7.0)}
    assert load.unread == ""
    assert gpu.closed


def test_a_gpu_that_fails_keeps_its_readings_and_the_reason():
    with watched(lambda: FakeGpu(1)) as load:
        until(lambda: load.unread)
    assert load.samples == [GpuSample(42.0, 7.0)]
    assert load.unread == "NVML: GPU is lost"


def test_without_a_gpu_the_reason_is_reported():
    def open_reader() -> FakeGpu:
        raise GpuUnread("NVML: no library")

    with watched(open_reader) as load:
        pass
    assert (load.samples, load.unread) == ([], "NVML: no library")


def test_without_nvidia_ml_py_the_reason_is_reported():
    code = (
        "import sys; sys.modules['pynvml'] = None\n"
        "from bench.probe.nvidia import watched\n"
        "with watched() as load: pass\n"
        "print(load.unread)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True
    )
    assert result.stdout.strip() == "nvidia-ml-py is not installed", result.stderr


class Clock:
    now_s = 5.0

    def __call__(self):
        return self.now_s


def test_audio_in_the_null_room_drains_in_real_time():
    async def main():
        clock = Clock()
        room = NullRoom(clock)
        assert room.queued_s == 0
        await room.send_audio(bytes(2 * SAMPLE_RATE // 50))
        assert room.queued_s == pytest.approx(0.020)
        clock.now_s += 0.015
        await room.send_audio(bytes(2 * SAMPLE_RATE // 50))
        assert room.queued_s == pytest.approx(0.025)
        clock.now_s += 1.0
        assert room.queued_s == 0
        await room.send_audio(bytes(2 * SAMPLE_RATE // 50))
        assert room.queued_s == pytest.approx(0.020)
        room.clear()
        assert room.queued_s == 0

    asyncio.run(main())


@pytest.mark.livekit
@pytest.mark.slow
def test_the_null_sink_keeps_time_and_encodes_nothing(livekit, tmp_path):
    args = argparse.Namespace(avatar="fiducial", quality="128x128")
    with running_gateway(
        livekit.url, livekit.key, livekit.secret, tmp_path / "log", LITE_SINK="null"
    ) as gateway:
        seconds = asyncio.run(one_turn(args, gateway))
        metrics = gateway.metrics()
        used = ThreadReading(gateway.pid).names()
    assert 0.9 < seconds / 4.0 < 2
    assert metrics['lite_turns_total{outcome="finished",source="websocket"}'] == 1
    assert metrics["lite_frames_total"] > 50
    assert metrics["lite_publish_seconds_count"] == 0
    # The capture threads are there, and have nothing to do.
    stages = {stage_of(name) for name, use in used.items() if use.cpu_s > 0.01}
    assert RENDER in stages
    assert not {ENCODE, OPUS, CAPTURE} & stages


async def one_turn(args, gateway):
    async with capacity.open_session(
        gateway.url,
        gateway.key,
        avatar=args.avatar,
        video_settings={"quality": args.quality},
    ) as avatar:
        started_s = time.monotonic()
        await capacity.send(avatar, capacity.speech(4.0), "burst")
        await avatar.event("agent.speak_ended")
        return time.monotonic() - started_s


@pytest.mark.livekit
@pytest.mark.slow
def test_capacity_reports_each_step_of_both_ramps(livekit):
    args = argparse.Namespace(
        avatar="fiducial",
        quality="128x128",
        sinks="livekit,null",
        first=1,
        add=1,
        most=2,
        seconds=1.0,
        tries=1,
        idle=False,
    )
    encoded, dropped = capacity.run(args, Stack(livekit, None), Console(quiet=True))
    for report in (encoded, dropped):
        figures = {figure.name: figure.samples for figure in report.figures}
        # The second ramp starts where the first one ended: at one session or at two.
        [step, *_] = (name.partition(":")[0] for name in figures if ": frames" in name)
        assert figures[f"{step}: frames late or skipped"][0] <= 100
        assert figures[f"{step}: render, a shown frame"][0] > 0
        assert figures[f"{step}: decode and event loop, woken a shown frame"][0] > 1
        assert figures[f"{step}: memory"][0] > 50
        assert report.conditions["ran out"]
    measured = {figure.name: figure.samples[0] for figure in encoded.figures}
    assert measured["1 sessions: encode video, a shown frame"] > 0
    assert measured["1 sessions: encode audio, a shown frame"] > 0
    threads = encoded.conditions["threads"]["1"]
    assert threads["VideoEncoderQue"] > 0
