"""Processor time, wake-ups, memory, threads and files of a process, from /proc."""

import contextlib
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

LOOP, RENDER, CAPTURE, ENCODE, OPUS, SEND, OTHER = STAGES = (
    "decode and event loop",
    "render",
    "capture",
    "encode video",
    "encode audio",
    "send",
    "other",
)
# No stage converts colours: rigs compose in I420, which is what encoders take.
# Linux keeps 15 characters of a thread's name; some names are followed by a number.
_STAGE_OF_NAME = {
    LOOP: LOOP,
    "render": RENDER,
    "rigs": RENDER,
    "capture": CAPTURE,
    "AudioSourceCapt": CAPTURE,  # of the SDK: audio in blocks of 10 ms
    "VideoEncoderQue": ENCODE,
    "EncoderQueue": ENCODE,
    "AudioEncoderQue": OPUS,
    "network_thread": SEND,
    "worker_thread": SEND,
    "signaling_threa": SEND,
    "rtc-low-prio": SEND,
    "PacerThread": SEND,
    "tokio-rt-worker": SEND,
    "livekit-audio": SEND,  # of the SDK: takes audio from the gateway
    "SyntheticAudioD": SEND,
}


@dataclass(frozen=True, slots=True)
class ThreadUse:
    """Use of the processors by one thread, or by several, since they started."""

    name: str
    cpu_s: float
    wakes: int  # times that it waited for something and was woken

    def since(self, before: "ThreadUse | None") -> "ThreadUse":
        """Return the use since an earlier reading; None: since the start."""
        if before is None:
            return self
        cpu_s, wakes = self.cpu_s - before.cpu_s, self.wakes - before.wakes
        return ThreadUse(self.name, max(0.0, cpu_s), max(0, wakes))


def stage_of(name: str) -> str:
    """Return the stage that a thread works for, by its name."""
    return _STAGE_OF_NAME.get(name) or _STAGE_OF_NAME.get(name.partition(" ")[0], OTHER)


class ThreadReading:
    """Use of the processors by each thread of a process, at one moment."""

    def __init__(self, pid: int) -> None:
        self._threads: dict[int, ThreadUse] = {}
        process = psutil.Process(pid)
        for thread in process.threads():
            # A thread may have ended since.
            with contextlib.suppress(OSError, psutil.NoSuchProcess):
                self._threads[thread.id] = _thread_use(pid, thread.id)
        times = process.cpu_times()
        self._all_s = times.user + times.system

    def threads_since(self, before: "ThreadReading") -> list[ThreadUse]:
        """Return what each thread that still runs has used since then."""
        earlier = before._threads
        return [use.since(earlier.get(tid)) for tid, use in self._threads.items()]

    def names(self) -> dict[str, ThreadUse]:
        """Return the use since the start by the names of the threads."""
        return by_name(self._threads.values())

    def stages_since(self, before: "ThreadReading") -> dict[str, ThreadUse]:
        """
        Return what the stages have used since then.

        ``other`` includes the threads that have ended.
        """
        uses: defaultdict[str, list[ThreadUse]] = defaultdict(list)
        for use in self.threads_since(before):
            uses[stage_of(use.name)].append(use)
        counted_s = sum(use.cpu_s for stage in uses.values() for use in stage)
        ended_s = max(0.0, self._all_s - before._all_s - counted_s)
        uses[OTHER].append(ThreadUse("ended", ended_s, 0))
        return {stage: _sum(stage, uses[stage]) for stage in STAGES}


def _thread_use(pid: int, tid: int) -> ThreadUse:
    thread = psutil.Process(tid)  # on Linux a thread's id stands for the thread here
    folder = Path(f"/proc/{pid}/task/{tid}")
    try:
        # In ns. The times of psutil are whole hundredths of a second.
        cpu_s = int((folder / "schedstat").read_text().split()[0]) / 1e9
    except FileNotFoundError:  # a kernel without scheduler statistics
        times = thread.cpu_times()
        cpu_s = times.user + times.system
    # The first thread of a process runs the event loop, whatever its name.
    name = LOOP if tid == pid else thread.name()
    return ThreadUse(name, cpu_s, thread.num_ctx_switches().voluntary)


def _sum(name: str, uses: Iterable[ThreadUse]) -> ThreadUse:
    cpu_s, wakes = 0.0, 0
    for use in uses:
        cpu_s, wakes = cpu_s + use.cpu_s, wakes + use.wakes
    return ThreadUse(name, cpu_s, wakes)


@contextlib.contextmanager
def processor_wait() -> Iterator[Callable[[], float]]:
    """
    Give a function that returns how long this thread was ready without a processor.

    It returns seconds since the thread started, and 0 where the system does not say. A
    call takes 1 µs.
    """
    try:
        file = os.open("/proc/thread-self/schedstat", os.O_RDONLY)
    except OSError:  # only Linux has this file
        yield lambda: 0.0
        return
    try:
        # Time on a processor, time in the queue for one, both in ns, and turns.
        yield lambda: int(os.pread(file, 64, 0).split()[1]) / 1e9
    finally:
        os.close(file)


def by_name(uses: Iterable[ThreadUse]) -> dict[str, ThreadUse]:
    """Return the sum of the threads of each name, the busiest name first."""
    named: defaultdict[str, list[ThreadUse]] = defaultdict(list)
    for use in uses:
        named[use.name].append(use)
    sums = [_sum(name, threads) for name, threads in named.items()]
    return {it.name: it for it in sorted(sums, key=lambda it: -it.cpu_s)}


def core_ms(stages: Mapping[str, ThreadUse], frames: float) -> dict[str, float]:
    """Return the milliseconds of one core that each stage takes for one frame."""
    return {name: 1000 * use.cpu_s / max(1.0, frames) for name, use in stages.items()}


@dataclass(frozen=True, slots=True)
class MachineReading:
    """Seconds of the processors that this process may use, at one moment."""

    idle_s: float
    total_s: float
    own_s: float  # used by this process and by those that it has started

    @classmethod
    def now(cls) -> "MachineReading":
        """Read the processors and the processes."""
        all_times = psutil.cpu_times(percpu=True)
        idle_s = total_s = 0.0
        for processor in os.sched_getaffinity(0):
            times = all_times[processor]
            idle_s += times.idle + times.iowait
            # Guest time is part of user time already.
            total_s += sum(times) - times.guest - times.guest_nice
        this = psutil.Process()
        own_s = 0.0
        for process in (this, *this.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                used = process.cpu_times()
                own_s += used.user + used.system
        return cls(idle_s, total_s, own_s)

    def busy_since(self, before: "MachineReading") -> float:
        """Return the share of the processors in use since then."""
        total_s = self.total_s - before.total_s
        return 1 - (self.idle_s - before.idle_s) / total_s if total_s > 0 else 0.0

    def others_since(self, before: "MachineReading") -> float:
        """Return the share of the processors that other processes have used."""
        total_s = self.total_s - before.total_s
        if total_s <= 0:
            return 0.0
        own = (self.own_s - before.own_s) / total_s
        return max(0.0, self.busy_since(before) - own)


def memory_mb(pid: int) -> float:
    """Return the resident memory of a process."""
    return float(psutil.Process(pid).memory_info().rss / 2**20)


def thread_count(pid: int) -> int:
    """Return the number of threads of a process."""
    return int(psutil.Process(pid).num_threads())


def open_files(pid: int) -> int:
    """Return the number of file descriptors that a process has open."""
    return int(psutil.Process(pid).num_fds())
