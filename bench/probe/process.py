"""Processor time, memory, threads and open files of a process, read with psutil."""

import os
from collections import defaultdict

import psutil

LOOP, RENDER, CAPTURE, ENCODE, SEND, OTHER = STAGES = (
    "decode and event loop",
    "render",
    "capture",
    "encode",
    "send",
    "other",
)
# No stage converts colours: rigs compose in I420, which is what encoders take.
# Linux keeps 15 characters of a thread's name; some names are followed by a number.
_STAGE_OF_NAME = {
    "render": RENDER,
    "rigs": RENDER,
    "capture": CAPTURE,
    "AudioSourceCapt": CAPTURE,  # of the SDK: audio in blocks of 10 ms
    "VideoEncoderQue": ENCODE,
    "AudioEncoderQue": ENCODE,
    "EncoderQueue": ENCODE,
    "network_thread": SEND,
    "worker_thread": SEND,
    "signaling_threa": SEND,
    "rtc-low-prio": SEND,
    "PacerThread": SEND,
    "tokio-rt-worker": SEND,
    "livekit-audio": SEND,  # the SDK's audio clock
    "SyntheticAudioD": SEND,
}


def stage_of(name: str, *, first: bool = False) -> str:
    """
    Return the stage that a thread works for, by its name.

    The first thread of a process runs the event loop, whatever its name.
    """
    if first:
        return LOOP
    return _STAGE_OF_NAME.get(name) or _STAGE_OF_NAME.get(name.partition(" ")[0], OTHER)


def cpu_by_stage(pid: int) -> dict[str, float]:
    """
    Return the processor seconds that the threads of a process have used, by stage.

    ``other`` includes the threads that have ended.
    """
    spent_s: defaultdict[str, float] = defaultdict(float)
    process = psutil.Process(pid)
    for thread in process.threads():
        try:
            # On Linux a thread's id stands for the thread here.
            name = psutil.Process(thread.id).name()
        except psutil.NoSuchProcess:  # the thread has ended since
            continue
        stage = stage_of(name, first=thread.id == pid)
        spent_s[stage] += thread.user_time + thread.system_time
    times = process.cpu_times()
    ended_s = times.user + times.system - sum(spent_s.values())
    spent_s[OTHER] += max(0.0, ended_s)
    return {stage: spent_s[stage] for stage in STAGES}


def busy_share(before: tuple[float, float], after: tuple[float, float]) -> float:
    """Return the share of all processors in use between two results of `machine`."""
    idle_s, total_s = (b - a for a, b in zip(before, after, strict=True))
    return 1 - idle_s / total_s if total_s > 0 else 0.0


def machine() -> tuple[float, float]:
    """Return idle and total seconds of the processors that this process may use."""
    all_times = psutil.cpu_times(percpu=True)
    idle_s = total_s = 0.0
    for processor in os.sched_getaffinity(0):
        times = all_times[processor]
        idle_s += times.idle + times.iowait
        # Guest time is part of user time already.
        total_s += sum(times) - times.guest - times.guest_nice
    return idle_s, total_s


def memory_mb(pid: int) -> float:
    """Return the resident memory of a process."""
    return float(psutil.Process(pid).memory_info().rss / 2**20)


def thread_count(pid: int) -> int:
    """Return the number of threads of a process."""
    return int(psutil.Process(pid).num_threads())


def open_files(pid: int) -> int:
    """Return the number of file descriptors that a process has open."""
    return int(psutil.Process(pid).num_fds())
