"""
Comparison of the renderer's two paths on a CPU: native code against torch.

Both render the same requests in one run, pass by pass in turns, so that other work on
the machine delays both alike: their ratio says more than either time.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console
from torch import Tensor

from bench.engine_timing import FPS, FRAME_SAMPLES, WARM_UP, EngineBench, PassTimes
from bench.report.figures import Report
from bench.report.paths import tables
from lite_gateway.offline.wav import read_wav
from lite_gateway.video_quality import VideoQuality
from renderer.engine import STAGES, RenderJob, RenderSession
from renderer.face import SIZE
from renderer.frames import FrameRequest
from renderer.life.life import Life
from renderer.native.library import load as load_native
from renderer.rig import Rig, RigInput

SPEECH = Path(__file__).parents[1] / "web" / "samples" / "hello.wav"
PATHS = {"native": True, "torch": False}
SPOKEN, IDLE = 50, 25  # frames of which the pixels are compared
_APART = 11  # frames of speech from one session of a batch to the next
_DRAWN_AT_ONCE = 5
# Times that torch takes longer, by size: of a whole frame, and of its drawing.
_BUDGETS = {"512x512": ("≥ 6", "≥ 6"), "1920x1080": ("≥ 7", "≥ 6")}


@dataclass(slots=True)
class Difference:
    """Difference of two paths' frames in codes, over the bytes of all frames."""

    largest: int = 0
    total: int = 0
    beyond_2: int = 0
    bytes: int = 0

    def add(self, first: npt.NDArray[np.uint8], second: npt.NDArray[np.uint8]) -> None:
        """Compare frames of the same shape."""
        apart = np.abs(first.astype(np.int16) - second)
        self.largest = max(self.largest, int(apart.max()))
        self.total += int(apart.sum())
        self.beyond_2 += int((apart > 2).sum())
        self.bytes += apart.size

    @property
    def mean(self) -> float:
        return self.total / self.bytes

    @property
    def percent_beyond_2(self) -> float:
        return 100 * self.beyond_2 / self.bytes


@dataclass(slots=True)
class PathTimes:
    """Times of one path's passes: elapsed, and processor time of the thread."""

    wall: PassTimes = field(default_factory=PassTimes)
    cpu: PassTimes = field(default_factory=PassTimes)


class FaceRecorder:
    """Rig that keeps the faces that it is given, and draws nothing."""

    width = height = 2

    def __init__(self) -> None:
        self.faces: list[Tensor] = []

    def draw(self, faces: Any, rig_inputs: Sequence[RigInput]) -> Any:
        """Keep ``faces`` ``[B, 57]``; return black frames of 2 x 2 pixels."""
        self.faces.append(faces.clone())
        return torch.zeros(len(faces), 6, dtype=torch.uint8)


def compare(
    avatar: str, sizes: Sequence[VideoQuality], batches: Sequence[int], passes: int,
    console: Console,
) -> Report:  # fmt: skip
    """
    Return the report of ``passes`` passes of each size and batch.

    ``avatar`` is that of `EngineBench.open_sessions`. The program ends with a text if
    there is no native build for this machine.
    """
    library = load_native()
    if library is None:
        raise SystemExit(
            "bench render: there is no native build for this machine to compare with "
            "torch; `make setup` builds it where it can"
        )
    torch.set_num_threads(1)
    benches = {
        name: EngineBench("cpu", graphs=False, native=native)
        for name, native in PATHS.items()
    }
    build = Path(library._name).stem
    report = Report("render", {"avatar": avatar, "build": build, "threads": 1})
    voice = voice_frames(SPEECH)
    faces = record_faces(benches["torch"], voice)
    for size in sizes:
        title = f"{avatar} {size.name}"
        rigs = {
            name: _build_rig(report, bench, (name, avatar, size))
            for name, bench in benches.items()
        }
        _add_difference(report, f"{title}: same faces", compare_drawing(rigs, faces))
        passes_apart = Difference()
        for batch in batches:
            console.print(f"render: {title} batch {batch}, native and torch in turns")
            sessions = {
                name: bench.open_sessions(avatar, size.width, size.height, batch)
                for name, bench in benches.items()
            }
            times = time_in_turns(benches, sessions, voice, passes, passes_apart)
            _add_times(report, size.name, f"{title}, batch {batch}", batch, times)
        _add_difference(report, f"{title}: same speech", passes_apart)
    report.tables = tables(report.figures, avatar, sizes, batches)
    return report


def voice_frames(path: Path) -> list[bytes]:
    """Return the whole frames of a sound file, each s16le of 40 ms."""
    pcm = read_wav(path)
    size = 2 * FRAME_SAMPLES
    return [pcm[at : at + size] for at in range(0, len(pcm) - size + 1, size)]


def record_faces(bench: EngineBench, voice: Sequence[bytes]) -> Tensor:
    """Return the faces ``[75, 57]`` of a spoken and an idle stretch."""
    recorder = FaceRecorder()
    session = RenderSession(recorder, Life(3))
    for position in range(SPOKEN + IDLE):
        request = _request(position, voice[position % len(voice)])
        if position >= SPOKEN:
            request = FrameRequest(position, position / FPS, "listening")
        bench.engine.render([RenderJob(session, request)])
    return torch.cat(recorder.faces)


def compare_drawing(rigs: dict[str, Rig], faces: Tensor) -> Difference:
    """Draw ``faces`` ``[n, 57]`` with both rigs."""
    assert faces.shape[1] == SIZE
    difference = Difference()
    for first in range(0, len(faces), _DRAWN_AT_ONCE):
        some = faces[first : first + _DRAWN_AT_ONCE]
        inputs = [
            RigInput(first + i, 1, (first + i) / FPS, 0.5) for i in range(len(some))
        ]
        native, reference = (rigs[name].draw(some, inputs).numpy() for name in PATHS)
        difference.add(native, reference)
    return difference


def time_in_turns(
    benches: dict[str, EngineBench],
    sessions: dict[str, list[RenderSession]],
    voice: Sequence[bytes],
    passes: int,
    difference: Difference,
) -> dict[str, PathTimes]:
    """
    Render speaking sessions with each path in turns, and time the passes.

    Who renders first changes from pass to pass. ``difference`` gets the first frame of
    each pass.
    """
    times = {name: PathTimes() for name in benches}
    for position in range(WARM_UP + passes):
        frames = {}
        for name in list(benches)[:: 1 if position % 2 else -1]:
            jobs = [
                RenderJob(
                    session,
                    _request(position, voice[(position + _APART * i) % len(voice)]),
                )
                for i, session in enumerate(sessions[name])
            ]
            frames[name] = benches[name].render(jobs)[0].i420
            if position >= WARM_UP:
                times[name].wall.add(benches[name].wall.spent_ms)
                times[name].cpu.add(benches[name].cpu.spent_ms)
        if position >= WARM_UP:
            difference.add(*(frames[name] for name in PATHS))
    return times


def _request(position: int, pcm: bytes) -> FrameRequest:
    return FrameRequest(position, position / FPS, "talking", 1, pcm, FRAME_SAMPLES, 0.5)


def _build_rig(
    report: Report, bench: EngineBench, case: tuple[str, str, VideoQuality]
) -> Rig:
    """Build a rig and report its processor time and memory."""
    path, avatar, size = case
    started_s = time.thread_time()
    [session] = bench.open_sessions(avatar, size.width, size.height, 1)
    built_ms = 1000 * (time.thread_time() - started_s)
    peer = "" if path == "native" else path
    title = f"{avatar} {size.name}"
    report.add(f"{title}: rig built, cpu", "ms", [built_ms], peer=peer)
    megabytes = held_bytes(session.rig) / 2**20
    report.add(f"{title}: memory of the rig", "MB", [megabytes], peer=peer)
    return session.rig


def held_bytes(root: object) -> int:
    """Return the bytes of all tensors and arrays that an object holds."""
    seen: set[int] = set()
    sizes: dict[int, int] = {}  # bytes by address: views share their memory
    waiting: list[Any] = [root]
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, Tensor):
            storage = value.untyped_storage()
            sizes[storage.data_ptr()] = storage.nbytes()
        elif isinstance(value, np.ndarray):
            while isinstance(value.base, np.ndarray):
                value = value.base
            sizes[value.ctypes.data] = value.nbytes
        else:
            waiting += _parts(value)
    return sum(sizes.values())


def _parts(value: Any) -> list[Any]:
    """Return the items or attributes of an object."""
    if isinstance(value, dict):
        return list(value.values())
    if isinstance(value, list | tuple):
        return list(value)
    names = [*getattr(value, "__dict__", ()), *getattr(value, "__slots__", ())]
    return [getattr(value, name, None) for name in names]


def _add_times(
    report: Report, size: str, title: str, batch: int, times: dict[str, PathTimes]
) -> None:
    ours, reference = (times[name].cpu for name in PATHS)
    whole, draw = _BUDGETS.get(size, ("", "")) if batch == 1 else ("", "")
    ratio = _ratio(ours.passes, reference.passes)
    report.add(f"{title}: torch / native, a frame", "x", [ratio], whole)
    for stage in STAGES:
        ratio = _ratio(ours.stages[stage], reference.stages[stage])
        budget = draw if stage == "draw" else ""
        report.add(f"{title}: torch / native, {stage}", "x", [ratio], budget)
    for name in PATHS:
        peer = "" if name == "native" else name
        for clock in ("cpu", "wall"):
            kept: PassTimes = getattr(times[name], clock)
            stages = {"a frame": kept.passes, **kept.stages}
            for stage, passes_ms in stages.items():
                frame_ms = [ms / batch for ms in passes_ms]
                report.add(f"{title}: {stage}, {clock}", "ms", frame_ms, peer=peer)


def _ratio(ours: Sequence[float], reference: Sequence[float]) -> float:
    return float(np.median(reference) / np.median(ours))


def _add_difference(report: Report, title: str, difference: Difference) -> None:
    """Report a difference; frames of the same faces have a budget."""
    judged = title.endswith("same faces")
    report.add(f"{title}, largest difference", "codes", [difference.largest])
    report.add(
        *(f"{title}, mean difference", "codes", [difference.mean]),
        "≤ 0.1" if judged else "",
    )
    report.add(
        *(f"{title}, bytes beyond 2 codes", "%", [difference.percent_beyond_2]),
        "≤ 0.01" if judged else "",
    )
