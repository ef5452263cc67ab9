"""
The wheel, installed and used outside of the checkout.

The new environment borrows the libraries of the running one, because installing torch
takes minutes. On the path they come after the files of the wheel.
"""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from bench.probe.stack import free_port
from tests.packaging.conftest import OWN_BUILDS, ROOT, has_builds
from tests.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.livekit]
START_S = 180.0
STOP_S = 20.0
COMMAND_S = 180.0
WHERE = """
import json, lite_gateway, protocol, renderer, sys
files = [module.__file__ for module in (lite_gateway, protocol, renderer)]
print(json.dumps({"files": files, "path": sys.path}))
"""
DRAW = """
import json, torch
from lite_gateway.config import shipped_avatars
from renderer.avatar import load, make_rig
from renderer.native.library import load as load_native
from renderer.rig import RigInput
rig = make_rig(load(shipped_avatars() / "mira"), 320, 320, torch.device("cpu"))
frame = rig.draw(torch.zeros(1, 57), [RigInput(0, 0, 0.0, 0.0)])
colours = len(frame[0, : 320 * 320].unique())
names = {"library": load_native()._name, "rig": type(rig).__name__}
print(json.dumps({**names, "colours": colours}))
"""


@dataclass(frozen=True)
class Installation:
    """Virtual environment with the wheel, and an empty folder to work in."""

    folder: Path
    work: Path
    env: dict[str, str]

    def program(self, name: str) -> str:
        return str(self.folder / "bin" / name)

    def run(self, name: str, *arguments: object) -> str:
        """Run a program of the environment; return what it prints."""
        done = subprocess.run(
            [self.program(name), *map(str, arguments)],
            cwd=self.work,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@dataclass(frozen=True)
class DevGateway:
    """Running `lite-gateway dev` of the installation."""

    url: str
    log_path: Path

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, timeout=START_S)


@pytest.fixture(scope="module")
def installation(wheel, tmp_path_factory) -> Installation:
    """The wheel in an environment that does not know the checkout."""
    base = tmp_path_factory.mktemp("installation")
    folder, work = base / "venv", base / "work"
    work.mkdir()
    assert not base.is_relative_to(ROOT)
    venv.EnvBuilder(with_pip=False).create(folder)
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python")]
    pip += ["install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(pip, check=True)
    [site] = folder.glob("lib/python*/site-packages")
    libraries = [path for path in sys.path if path.endswith("-packages")]
    # Python ignores .pth files in folders that a .pth file adds. An editable install of
    # the checkout is such a file, so it has no effect here.
    (site / "libraries.pth").write_text("\n".join(libraries) + "\n")
    removed = ("PYTHON", "LITE_", "LIVEKIT_", "DATABASE_URL", "VIRTUAL_ENV")
    env = {
        name: text for name, text in os.environ.items() if not name.startswith(removed)
    }
    return Installation(folder, work, {**env, "XDG_DATA_HOME": str(base / "data")})


@pytest.fixture(scope="module")
def dev(installation, livekit_binary) -> Iterator[DevGateway]:
    """Run `lite-gateway dev`. ``livekit_binary`` has filled the cache of the user."""
    log_path = installation.work.with_name("dev.log")
    port = free_port()
    command = [installation.program("lite-gateway"), "dev", "--port", str(port)]
    command += ["--livekit-port", str(free_port())]
    gateway = DevGateway(f"http://127.0.0.1:{port}", log_path)
    with (
        log_path.open("wb") as output,
        subprocess.Popen(
            command,
            cwd=installation.work,
            env=installation.env,
            stdout=output,
            stderr=output,
        ) as process,
    ):
        try:
            until(lambda: process.poll() is not None or has_started(log_path), START_S)
            assert process.poll() is None, log_path.read_text()
            yield gateway
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()


def has_started(log_path: Path) -> bool:
    """Return whether all of the start message is in the log."""
    return "stop with Ctrl-C" in log_path.read_text(errors="replace")


def test_the_packages_are_those_of_the_wheel(installation):
    where = json.loads(installation.run("python", "-c", WHERE))
    assert [Path(file).parents[4] for file in where["files"]] == [
        installation.folder
    ] * 3
    assert not [path for path in where["path"] if Path(path) == ROOT]


def test_the_native_code_of_the_wheel_is_loaded_and_draws(installation):
    if not has_builds():
        pytest.skip("no native build: run `make setup`")
    drawn = json.loads(installation.run("python", "-c", DRAW))
    loaded = Path(drawn["library"])
    assert loaded.is_relative_to(installation.folder)
    assert loaded.stem in OWN_BUILDS
    assert drawn["rig"] == "NativePortraitRig"
    assert drawn["colours"] > 100


def test_version_is_the_one_of_the_wheel(installation, wheel):
    version = wheel.name.split("-")[1]
    assert installation.run("lite-gateway", "--version") == f"lite-gateway {version}\n"


def test_the_shipped_avatars_are_listed(installation):
    listing = installation.run("lite-gateway", "avatars")
    for name in ("fiducial", "mira", "theo"):
        assert name in listing


def test_dev_is_ready(dev):
    assert dev.get("/ready").status_code == 200


def test_dev_serves_the_page_and_all_that_the_page_loads(dev):
    page = dev.get("/")
    assert page.status_code == 200
    files = re.findall(r'(?:href|src)="([\w./-]+\.(?:js|mjs|css|svg))"', page.text)
    assert {"js/main.js", "vendor/livekit-client.esm.mjs", "style.css"} <= {*files}
    for file in (*files, "samples/samples.json", "samples/hello.wav"):
        assert dev.get(f"/{file}").status_code == 200, file


def test_dev_reports_its_version(dev, wheel):
    assert dev.get("/openapi.json").json()["info"]["version"] in wheel.name


def test_the_command_that_dev_suggests_speaks_a_turn(installation, dev):
    log = dev.log_path.read_text()
    [suggestion] = re.findall(r"^  lite-gateway (speak .*)$", log, re.MULTILINE)
    output = installation.run("lite-gateway", *shlex.split(suggestion))
    assert "agent.speak_started" in output
    assert "agent.speak_ended" in output
