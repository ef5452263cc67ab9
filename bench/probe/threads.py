"""Processor time of a process by what its threads do, told by their names."""

import os
from collections import defaultdict
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
LOOP, RENDER, CAPTURE, ENCODE, SEND, OTHER = STAGES = (
    "decode and event loop",
    "render",
    "capture",
    "encode",
    "send",
    "other",
)
# Colours are converted nowhere: rigs compose in I420, which encoders take.
# Names as the system keeps them, 15 characters; some are followed by a number.
_NAMES = {
    "render": RENDER,
    "rigs": RENDER,
    "capture": CAPTURE,
    "AudioSourceCapt": CAPTURE,  # the SDK's: sound in pieces of 10 ms
    "VideoEncoderQue": ENCODE,
    "AudioEncoderQue": ENCODE,
    "EncoderQueue": ENCODE,
    "network_thread": SEND,
    "worker_thread": SEND,
    "signaling_threa": SEND,
    "rtc-low-prio": SEND,
    "PacerThread": SEND,
    "tokio-rt-worker": SEND,
    "livekit-audio": SEND,  # the SDK's clock of sound
    "SyntheticAudioD": SEND,
}


def stage_of(name: str, *, first: bool = False) -> str:
    """The stage of a thread by its name; the first of a process is its event loop."""
    if first:
        return LOOP
    return _NAMES.get(name) or _NAMES.get(name.partition(" ")[0], OTHER)


def cpu_by_stage(pid: int) -> dict[str, float]:
    """
    Seconds that the threads of a process have worked, by stage.

    ``other`` holds the threads that have ended too.
    """
    spent: defaultdict[str, float] = defaultdict(float)
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            name, seconds = _read(task / "stat")
        except FileNotFoundError:  # it has just ended
            continue
        spent[stage_of(name, first=task.name == str(pid))] += seconds
    whole = _read(Path(f"/proc/{pid}/stat"))[1]
    spent[OTHER] += max(0.0, whole - sum(spent.values()))
    return {stage: spent[stage] for stage in STAGES}


def busy_share(before: tuple[int, int], after: tuple[int, int]) -> float:
    """The part of all processors that worked between two readings of `machine`."""
    idle, total = (b - a for a, b in zip(before, after, strict=True))
    return 1 - idle / max(1, total)


def machine() -> tuple[int, int]:
    """Ticks that this process's processors have idled, and all of theirs."""
    mine = {f"cpu{i}" for i in os.sched_getaffinity(0)}
    idle = total = 0
    for line in Path("/proc/stat").read_text().splitlines():
        name, *ticks = line.split()
        if name in mine:
            idle += int(ticks[3]) + int(ticks[4])  # and waiting for a disk
            total += sum(map(int, ticks[:8]))
    return idle, total


def _read(stat: Path) -> tuple[str, float]:
    """Name, and seconds worked."""
    head, _, tail = stat.read_text().rpartition(")")
    fields = tail.split()
    return head.partition("(")[2], (int(fields[11]) + int(fields[12])) / _TICKS
