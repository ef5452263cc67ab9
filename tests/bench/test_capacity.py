"""Where a ramp goes, what it says ran out, and by whose work: with known answers."""

import argparse
import asyncio
import contextlib
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from rich.console import Console

from bench import capacity
from bench.capacity import Step, memory_a_session, next_load, ran_out
from bench.probe.nvidia import Use, readings, watched
from bench.probe.stack import Stack, running_gateway
from bench.probe.threads import (
    CAPTURE,
    ENCODE,
    LOOP,
    OTHER,
    RENDER,
    SEND,
    STAGES,
    busy_share,
    cpu_by_stage,
    machine,
    stage_of,
)
from lite_gateway.rooms.null_room import NullRoom
from lite_gateway.threads import pool
from protocol.lite.messages import SAMPLE_RATE
from tests.waiting import until


def step(sessions, late=0.0, *, machine=0.5, memory_mb=100.0, gpu=(), **cores):
    names = {"render": RENDER, "capture": CAPTURE, "loop": LOOP}
    stages = dict.fromkeys(STAGES, 0.0)
    stages |= {names[name]: used for name, used in cores.items()}
    return Step(sessions, late, stages, machine, 0.5, 1.0, memory_mb, gpu)


def loads(first, add, most, capacity):
    """The loads that a ramp tries of a gateway that carries ``capacity`` sessions."""
    steps = []
    load = first
    while load is not None:
        steps.append(step(load, 0.0 if load <= capacity else 0.5))
        load = next_load(steps, add, most)
    return [each.sessions for each in steps]


def test_a_ramp_goes_up_until_frames_come_late():
    assert loads(2, 1, 8, capacity=3) == [2, 3, 4]


def test_a_ramp_that_starts_too_high_goes_down_to_the_first_good_load():
    assert loads(4, 1, 8, capacity=2) == [4, 3, 2]
    assert loads(2, 1, 8, capacity=0) == [2, 1]


def test_a_ramp_ends_at_the_most_that_was_asked_for():
    assert loads(2, 1, 4, capacity=9) == [2, 3, 4]
    assert loads(8, 8, 30, capacity=99) == [8, 16, 24]


def test_what_ran_out_is_what_was_busiest_at_the_least_load_that_was_too_much():
    good, bad, worse = step(3), step(4, 0.2, render=0.97), step(5, 0.5, loop=1.0)
    assert ran_out([good, bad, worse]) == "the render thread, 97 % busy"
    assert ran_out([step(2, 0.1, machine=0.99, render=0.6)]).startswith("the proc")
    assert ran_out([step(2, 0.1, capture=1.9)]).startswith("the capture threads, 95")
    uses = [Use(99.0, 1e4), Use(98.0, 1e4), Use(0.0, 1e4)]
    assert ran_out([step(2, 0.1, render=0.9, gpu=uses)]) == "the GPU, 98 % busy"
    assert ran_out([good]) == "nothing: the ramp ended first"
    slow = ran_out([step(2, 0.02, render=0.6)])
    assert slow == "nothing all the time; most the render thread, 60 % busy"


def test_memory_of_a_session_is_the_slope_over_the_steps():
    steps = [step(n, memory_mb=300 + 25 * n) for n in (2, 3, 4)]
    assert memory_a_session(steps) == pytest.approx(25)
    assert memory_a_session(steps[:1]) is None


@pytest.mark.parametrize(
    ("name", "stage"),
    [
        ("render", RENDER),
        ("capture", CAPTURE),
        ("VideoEncoderQue", ENCODE),
        ("AudioEncoderQue", ENCODE),
        ("worker_thread 0", SEND),
        ("tokio-rt-worker", SEND),
        ("python", OTHER),
    ],
)
def test_threads_are_told_apart_by_their_names(name, stage):
    assert stage_of(name) == stage
    assert stage_of(name, first=True) == LOOP


def work(seconds):
    """Until this thread has had so much processor time."""
    until_s = time.thread_time() + seconds
    while time.thread_time() < until_s:
        pass
    return threading.get_native_id()


def test_work_is_seen_in_the_stage_of_the_thread_that_did_it():
    with pool(1, "render") as render, pool(1, "capture") as capture:
        before = cpu_by_stage(os.getpid())
        render.submit(work, 0.5).result()
        capture.submit(work, 0.2).result()
        after = cpu_by_stage(os.getpid())
    spent = {stage: after[stage] - before[stage] for stage in STAGES}
    assert 0.45 < spent[RENDER] < 0.65
    assert 0.15 < spent[CAPTURE] < 0.35
    assert spent[ENCODE] == spent[SEND] == 0


def wait_until_gone(*names):
    """Python is done with a thread a moment before the system is."""

    def gone() -> bool:
        here = set()
        for comm in Path("/proc/self/task").glob("*/comm"):
            with contextlib.suppress(OSError):
                here.add(comm.read_text().strip())
        return not here & set(names)

    until(gone)


def test_work_of_threads_that_have_ended_is_not_lost():
    wait_until_gone("render", "capture")  # of the test before
    before = cpu_by_stage(os.getpid())
    with pool(1, "brief") as brief:
        brief.submit(work, 0.3).result()
    wait_until_gone("brief")
    spent = cpu_by_stage(os.getpid())[OTHER] - before[OTHER]
    assert 0.2 < spent < 0.6


def test_the_machine_is_busier_with_work_than_its_idle_share_allows():
    assert busy_share((10, 100), (10, 200)) == 1
    assert busy_share((10, 100), (60, 200)) == 0.5
    before = machine()
    spinning = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"])
        for _ in os.sched_getaffinity(0)
    ]
    try:
        time.sleep(1.0)
        assert busy_share(before, machine()) > 0.6
    finally:
        for process in spinning:
            process.kill()
            process.wait()


def test_what_nvidia_smi_says_is_read():
    told = "97, 1234\n[N/A], [N/A]\n\n12, 99\n"
    assert readings(told) == [Use(97.0, 1234.0), Use(12.0, 99.0)]


def test_without_a_gpu_nothing_is_read(tmp_path):
    with watched(str(tmp_path / "nvidia-smi")) as uses:
        pass
    assert uses == []


def test_nvidia_smi_is_asked_while_something_runs(tmp_path):
    fake, told = tmp_path / "nvidia-smi", tmp_path / "told"
    fake.write_text(f"#!/bin/sh\nwhile echo 42, 7; do : > {told}; sleep 0.05; done\n")
    fake.chmod(0o755)
    with watched(str(fake)) as uses:
        until(told.exists)
    assert uses
    assert set(uses) == {Use(42.0, 7.0)}


class Clock:
    now_s = 5.0

    def __call__(self):
        return self.now_s


def test_sound_in_the_null_room_drains_in_real_time():
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
def test_a_session_with_the_null_sink_talks_in_time_and_nothing_is_encoded(
    livekit, tmp_path
):
    given = argparse.Namespace(avatar="fiducial", quality="128x128")
    with running_gateway(
        livekit.url, livekit.key, livekit.secret, tmp_path / "log", LITE_SINK="null"
    ) as gateway:
        seconds = asyncio.run(one_turn(given, gateway))
        metrics = gateway.metrics()
        spent = cpu_by_stage(gateway.pid)
    assert 0.9 < seconds / 4.0 < 2
    assert metrics['lite_turns_total{outcome="finished",source="websocket"}'] == 1
    assert metrics["lite_frames_total"] > 50
    assert metrics["lite_publish_seconds_count"] == 0
    assert spent[ENCODE] == spent[CAPTURE] == 0
    assert spent[RENDER] > 0


async def one_turn(given, gateway):
    async with capacity.open_session(
        gateway.url,
        gateway.key,
        avatar=given.avatar,
        video_settings={"quality": given.quality},
    ) as avatar:
        began_s = time.monotonic()
        await capacity.send(avatar, capacity.speech(4.0), "burst")
        await avatar.event("agent.speak_ended")
        return time.monotonic() - began_s


@pytest.mark.livekit
@pytest.mark.slow
def test_capacity_reports_each_step_of_both_ramps(livekit):
    given = argparse.Namespace(
        avatar="fiducial",
        quality="128x128",
        sinks="livekit,null",
        first=1,
        add=1,
        most=2,
        seconds=1.0,
    )
    encoded, dropped = capacity.run(given, Stack(livekit, None), Console(quiet=True))
    for report in (encoded, dropped):
        figures = {figure.name: figure.samples for figure in report.figures}
        # The second ramp begins where the first one ended: at one session or two.
        [step, *_] = (name.partition(":")[0] for name in figures if ": frames" in name)
        assert figures[f"{step}: frames late or skipped"][0] <= 100
        assert figures[f"{step}: render, of a core"][0] > 0
        assert figures[f"{step}: memory"][0] > 50
        assert report.conditions["ran out"]
    by_name = {figure.name: figure.samples[0] for figure in encoded.figures}
    assert by_name["1 sessions: encode, of a core"] > 0
