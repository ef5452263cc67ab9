"""Native code draws and speaks in a process that has not imported torch."""

import subprocess
import sys
import textwrap

import pytest

from renderer import device
from renderer.native import gpu_driver
from tests.renderer.native.test_library import require_builds

SPEAK = textwrap.dedent(
    """
    import sys
    from lite_gateway.config import shipped_avatars
    from renderer.avatar import load
    from renderer.engine import Engine, RenderJob
    from renderer.frames import FrameRequest

    engine = Engine(device="cpu")
    for name, background in ("mira", ""), ("mira", "#203040"), ("fiducial", ""):
        avatar = load(shipped_avatars() / name)
        session = engine.open_session(avatar, 160, 90, seed=1, background=background)
        for index in range(3):
            pcm = bytes(range(240)) * 8
            request = FrameRequest(index, 0.04 * index, "talking", 1, pcm, 480, 0.5)
            assert engine.render([RenderJob(session, request)])[0].i420.any()
        assert session.mouth.any()
    assert engine.works_alone
    print("torch" in sys.modules)
    """
)


def test_native_code_needs_no_torch():
    require_builds()
    done = subprocess.run(
        [sys.executable, "-c", SPEAK],
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == ("False\n", "")


@pytest.mark.parametrize("found", [False, True])
def test_torch_is_asked_for_a_gpu_where_there_is_a_driver(monkeypatch, found):
    monkeypatch.setattr(device, "has_gpu_driver", lambda: found)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)

    assert device.pick_device("auto") == ("cuda" if found else "cpu")


@pytest.mark.parametrize("loads", [False, True])
def test_a_driver_is_found_by_its_library(monkeypatch, loads):
    def load(name):
        if not loads:
            raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(gpu_driver.ctypes, "CDLL", load)
    monkeypatch.setattr(gpu_driver.Path, "exists", lambda path: False)
    monkeypatch.setattr(gpu_driver.sys, "platform", "linux")
    assert gpu_driver.has_gpu_driver() is loads
    monkeypatch.setattr(gpu_driver.sys, "platform", "darwin")
    assert not gpu_driver.has_gpu_driver()
