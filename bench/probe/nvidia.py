"""Load and memory of the GPU while something runs, read through NVML (nvidia-ml-py)."""

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

_PERIOD_S = 0.25


@dataclass(frozen=True, slots=True)
class GpuSample:
    """One reading of the GPU."""

    busy: float  # % of the driver's last sample period, which is 1/6 to 1 s
    memory_mb: float  # of all processes


@dataclass(slots=True)
class GpuLoad:
    """Readings of one GPU; ``unread`` says why there are none, or why they ended."""

    samples: list[GpuSample] = field(default_factory=list)
    unread: str = ""


class GpuUnread(Exception):
    """The GPU could not be read; the text gives the reason."""


class GpuReader(Protocol):
    """Source of GPU readings; its methods raise `GpuUnread`."""

    def read(self) -> GpuSample: ...

    def close(self) -> None: ...


class NvmlReader:
    """Reader of the first GPU that CUDA may use."""

    def __init__(self) -> None:
        # Imported here: bench.gpu also runs where only torch, numpy and Pillow are.
        try:
            import pynvml
        except ImportError:
            raise GpuUnread("nvidia-ml-py is not installed") from None
        self._nvml = pynvml
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").partition(",")[0].strip()
        try:
            pynvml.nvmlInit()
            if visible.startswith(("GPU-", "MIG-")):
                self._gpu = pynvml.nvmlDeviceGetHandleByUUID(visible)
            else:
                self._gpu = pynvml.nvmlDeviceGetHandleByIndex(int(visible or 0))
        except (pynvml.NVMLError, ValueError) as error:
            raise GpuUnread(f"NVML: {error}") from None

    def read(self) -> GpuSample:
        try:
            busy = self._nvml.nvmlDeviceGetUtilizationRates(self._gpu).gpu
            used = self._nvml.nvmlDeviceGetMemoryInfo(self._gpu).used
        except self._nvml.NVMLError as error:
            raise GpuUnread(f"NVML: {error}") from None
        return GpuSample(float(busy), used / 2**20)

    def close(self) -> None:
        with contextlib.suppress(self._nvml.NVMLError):
            self._nvml.nvmlShutdown()


@contextlib.contextmanager
def watched(open_reader: Callable[[], GpuReader] = NvmlReader) -> Iterator[GpuLoad]:
    """
    Read the GPU four times a second, in a thread, while the context is open.

    nvidia-ml-py is optional: without it, or without a GPU, ``samples`` stays empty and
    ``unread`` gives the reason.
    """
    load, stop = GpuLoad(), threading.Event()
    try:
        reader = open_reader()
    except GpuUnread as failed:
        load.unread = str(failed)
        yield load
        return
    thread = threading.Thread(target=_poll, args=(reader, load, stop), name="nvml")
    thread.start()
    try:
        yield load
    finally:
        stop.set()
        thread.join()
        reader.close()


def _poll(reader: GpuReader, load: GpuLoad, stop: threading.Event) -> None:
    while True:
        try:
            load.samples.append(reader.read())
        except GpuUnread as failed:
            load.unread = str(failed)
            return
        if stop.wait(_PERIOD_S):
            return
