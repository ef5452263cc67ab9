"""
Watch of an event loop that waits for Python's lock while nobody works under it.

Usage: python -m bench.probe.lock_watch PID ADDRESS OFFSET PROCESSOR OUTPUT

A thread that holds the lock, or is just to get it or to give it back, may be stopped by
the system, which has another one to run, or by the host, which stops a whole virtual
processor. The event loop waits meanwhile, and no program can help it. Such a time looks
as if a thread had worked under the lock. One watcher for each processor tells them
apart, with a priority above all others, twice a millisecond:

* The loop's thread waits in a system call on the lock, and the lock is free. Or it is
  held by a thread whose time in the queue for a processor grew, by as much as it grew.
* The watcher itself could not run for half a millisecond, although it comes before all
  others: the host had stopped this processor. It counts where the loop's thread, or the
  thread that it waits for, was on it. If the loop's thread was running, the system may
  take the stop for processor time of it, as only the host knows better: the watcher
  tells by how much that time grew meanwhile.

What a thread works under the lock, and what it sleeps under it, is neither. It needs
Linux, and root: for the priority, and to read the lock in the memory of the process.
"""

import bisect
import contextlib
import ctypes
import enum
import gc
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

_LOOK_S = 0.0005  # the loop's thread asks for the lock as often
_STOP_PERIOD_S = 0.001  # of watchers that do not look
_STOP_S = 0.0005  # a watcher that wakes later was stopped by the host
# WebRTC's audio threads have 49 and run for up to 1 ms. bench.probe.slow_machine has 1.
_PRIORITY = 60
_NS = 1e9
# Of CPython: the interval in µs, the thread that held the lock last, whether one does;
# then a number, and two condition variables with their mutexes.
_HEAD = struct.Struct("<QQi")
_LOCK_BYTES = 208
_ROW = struct.Struct("<Bdd")


class Lock(NamedTuple):
    """Python's lock in the memory of a process."""

    address: int
    id_offset: int  # of a thread's system id in its Python state


class Why(enum.IntEnum):
    """Reason why nothing could run that the loop waited for."""

    OWN = 0  # the loop's thread was in the queue for a processor
    LOCK = 1  # it waited for Python's lock, and nobody worked under it
    STOP = 2  # by the host
    CHARGED = 3  # part of a stop that the system took for work of the loop's thread


class Idle(NamedTuple):
    """Time in which the loop could not go on, and nothing that it waited for."""

    why: Why
    from_s: float
    to_s: float


def find_lock() -> Lock | None:
    """Return where the lock of this process lies; None if it looks as in no CPython."""
    get = ctypes.pythonapi.PyThreadState_Get
    get.restype = ctypes.c_void_p
    try:
        state: int = get()
        runtime = ctypes.addressof(ctypes.c_char.in_dll(ctypes.pythonapi, "_PyRuntime"))
        interval = round(1e6 * sys.getswitchinterval())
        address = _find(_HEAD.pack(interval, state, 1), runtime, 1 << 20)
        ids = struct.pack("<QQ", threading.get_ident(), threading.get_native_id())
        return Lock(address, _find(ids, state, 1024) - state + 8)
    except (ValueError, OSError):
        return None


def _find(pattern: bytes, start: int, size: int) -> int:
    """Return where the memory of this process has those bytes, or raise ValueError."""
    file = os.open("/proc/self/mem", os.O_RDONLY)
    try:  # a read ends where the mapped memory does
        mapped = len(os.pread(file, size, start))
    finally:
        os.close(file)
    # Unlike a read of the file, which gives Python's lock up.
    return start + ctypes.string_at(start, mapped).index(pattern)


@contextlib.contextmanager
def watched(pid: int, lock: Lock | None, folder: Path) -> Iterator[list[Idle]]:
    """
    Watch the first thread of a process until the context ends.

    The list is filled then. It stays empty where this user may not watch.
    """
    idle: list[Idle] = []
    paths, running = [], []
    with contextlib.ExitStack() as ending:
        for processor in sorted(os.sched_getaffinity(0)) if lock else ():
            paths.append(folder / f"idle-{processor}")
            numbers = map(str, (pid, *(lock or ()), processor, paths[-1]))
            watcher = subprocess.Popen(
                [sys.executable, "-m", "bench.probe.lock_watch", *numbers],
                cwd=Path(__file__).parents[2],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            running.append(ending.enter_context(watcher))
            ending.callback(watcher.terminate)
        for watcher in running:
            assert watcher.stdout is not None
            watcher.stdout.readline()  # it runs, or it has ended
        yield idle
    for path in paths:
        if path.exists():
            rows = _ROW.iter_unpack(path.read_bytes())
            idle += (Idle(Why(why), *times) for why, *times in rows)


class IdleTimes:
    """Times of several watchers. What some of them share counts once."""

    def __init__(self, idle: Sequence[Idle]) -> None:
        self._idle = sorted(idle, key=_start)
        self._longest_s = max((it.to_s - it.from_s for it in idle), default=0.0)

    def within(self, from_s: float, to_s: float) -> tuple[float, float]:
        """
        Return how long only the lock kept the loop idle, and how long only the host.

        A time in which the loop's thread was in the queue as well is in neither.
        """
        idle = self._during(from_s, to_s)
        own, with_lock, all_of_them = (
            _sum([it for it in idle if it.why <= why], from_s, to_s)
            for why in (Why.OWN, Why.LOCK, Why.STOP)
        )
        return with_lock - own, all_of_them - with_lock

    def charged_s(self, from_s: float, to_s: float) -> float:
        """Return how much of the work of that time was a stop by the host."""
        stops = [it for it in self._during(from_s, to_s) if it.why is Why.CHARGED]
        return _sum(stops, from_s, to_s)

    def _during(self, from_s: float, to_s: float) -> Sequence[Idle]:
        """Return those that may overlap with a time, by their start."""
        start = bisect.bisect(self._idle, from_s - self._longest_s, key=_start)
        end = bisect.bisect(self._idle, to_s, key=_start)
        return self._idle[start:end]


def _start(idle: Idle) -> float:
    return idle.from_s


def _sum(idle: Sequence[Idle], from_s: float, to_s: float) -> float:
    sum_s = 0.0
    for it in idle:
        start_s, end_s = max(from_s, it.from_s), min(to_s, it.to_s)
        if end_s > start_s:
            sum_s, from_s = sum_s + end_s - start_s, end_s
    return sum_s


class _Thread:
    """Thread of another process, as the system tells of it."""

    def __init__(self, pid: int, tid: int) -> None:
        folder = f"/proc/{pid}/task/{tid}/"
        self._files = {
            name: os.open(folder + name, os.O_RDONLY)
            for name in ("syscall", "schedstat", "stat")
        }

    def close(self) -> None:
        for file in self._files.values():
            os.close(file)

    def _read(self, name: str) -> bytes:
        return os.pread(self._files[name], 512, 0)

    def call(self) -> int | None:
        """Return the first argument of the system call that it sleeps in, if any."""
        words = self._read("syscall").split()
        return int(words[1], 16) if len(words) > 1 else None

    def used_s(self) -> float:
        """Return its time on a processor, up to its last turn."""
        return int(self._read("schedstat").split()[0]) / _NS

    def queued_s(self) -> float:
        """Return how long it was ready without a processor, up to its last turn."""
        return int(self._read("schedstat").split()[1]) / _NS

    def processor(self) -> int:
        return int(self._read("stat").rpartition(b")")[2].split()[36])


class _Watcher:
    """Reader of one loop and its lock, on one processor."""

    def __init__(self, pid: int, lock: Lock, processor: int) -> None:
        self._pid, self._lock, self._processor = pid, lock, processor
        self._memory = os.open(f"/proc/{pid}/mem", os.O_RDONLY)
        self._loop = _Thread(pid, pid)
        self._threads = {pid: self._loop}
        self.rows: list[Idle] = []
        self._woke_s, self._used_s = time.monotonic(), self._loop.used_s()
        self._own_s = self._loop.queued_s()
        self._free_s: float | None = None  # of a look: the loop waited for a free lock
        self._holder: _Thread | None = None
        # Since when it has had the lock and the loop slept in no other call, and its
        # time in the queue until the last look.
        self._held_s = self._queued_s = 0.0

    def look(self, at_s: float) -> None:
        """Note what the loop has waited for since the last look."""
        own_s = self._loop.queued_s()
        self._note(Why.OWN, at_s, own_s - self._own_s)
        self._own_s = own_s
        if self._holder is not None:
            queued_s = self._holder.queued_s()
            new_s = min(queued_s - self._queued_s, at_s - self._held_s)
            self._note(Why.LOCK, at_s, new_s)
            self._queued_s = queued_s
        call, holder = self._loop.call(), self._held_by()
        if holder is self._loop:
            holder = None
        elif holder is None and self._is_lock(call):
            if self._free_s is not None and at_s - self._free_s < 2 * _LOOK_S:
                self._note(Why.LOCK, at_s, at_s - self._free_s)
            self._free_s = at_s
        if holder is not None or not self._is_lock(call):
            self._free_s = None
        if holder is not self._holder:
            self._holder, self._held_s = holder, at_s
            self._queued_s = holder.queued_s() if holder else 0.0
        elif call is not None and not self._is_lock(call):
            self._held_s = at_s

    def _note(self, why: Why, at_s: float, length_s: float) -> None:
        if length_s > 0:
            self.rows.append(Idle(why, at_s - length_s, at_s))

    def wake(self, due_s: float, at_s: float) -> None:
        """Note a stop of this processor, if there was one and the loop needed it."""
        used_s = self._loop.used_s()
        if at_s - due_s > _STOP_S:
            # It may have worked up to the time at which this watcher was due.
            work_s = due_s - self._woke_s
            self._stopped(due_s, at_s, used_s - self._used_s - work_s)
        self._woke_s, self._used_s = at_s, used_s

    def _stopped(self, from_s: float, to_s: float, charged_s: float) -> None:
        holder = self._held_by() if self._is_lock(self._loop.call()) else None
        if self._loop.processor() == self._processor:
            self._note(Why.STOP, to_s, to_s - from_s)
            self._note(Why.CHARGED, to_s, min(charged_s, to_s - from_s))
        elif holder is not None and holder.processor() == self._processor:
            self._note(Why.STOP, to_s, to_s - from_s)

    def _is_lock(self, argument: int | None) -> bool:
        start = self._lock.address
        return argument is not None and start <= argument < start + _LOCK_BYTES

    def forget(self) -> None:
        """Know no thread but the loop's any more: ids are given again."""
        for thread in self._threads.values():
            if thread is not self._loop:
                thread.close()
        self._threads, self._holder = {self._pid: self._loop}, None

    def _held_by(self) -> _Thread | None:
        """Return the thread that holds the lock; None if it is free."""
        head = os.pread(self._memory, _HEAD.size, self._lock.address)
        _, state, is_locked = _HEAD.unpack(head)
        if not is_locked:
            return None
        place = state + self._lock.id_offset
        tid = int.from_bytes(os.pread(self._memory, 8, place), "little")
        if tid not in self._threads:
            self._threads[tid] = _Thread(self._pid, tid)
        return self._threads[tid]


def watch(watcher: _Watcher, *, looks: bool) -> None:
    """Watch until the parent of this process, or the other one, has ended."""
    parent, at_s = os.getppid(), time.monotonic()
    period_s = _LOOK_S if looks else _STOP_PERIOD_S
    while os.getppid() == parent:
        due_s = at_s + period_s
        time.sleep(max(0.0, due_s - time.monotonic()))
        at_s = time.monotonic()
        try:
            watcher.wake(due_s, at_s)
            if looks:
                watcher.look(at_s)
        except (OSError, ValueError, IndexError):  # a thread has ended meanwhile
            watcher.forget()


def main() -> None:
    pid, address, offset, processor = map(int, sys.argv[1:5])
    first = min(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {processor})
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(_PRIORITY))
    watcher = _Watcher(pid, Lock(address, offset), processor)
    gc.disable()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        print(flush=True)
        watch(watcher, looks=processor == first)
    finally:
        data = b"".join(_ROW.pack(*row) for row in watcher.rows)
        Path(sys.argv[5]).write_bytes(data)


if __name__ == "__main__":
    main()
