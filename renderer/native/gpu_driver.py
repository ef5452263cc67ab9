"""Check for the driver of a GPU, without torch."""

import ctypes
import sys
from pathlib import Path


def has_gpu_driver() -> bool:
    """Tell whether torch may find a GPU; where it is False, torch need not be asked."""
    if sys.platform != "linux":
        return sys.platform != "darwin"
    if Path("/dev/kfd").exists():  # of AMD: torch calls its GPUs cuda as well
        return True
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True
