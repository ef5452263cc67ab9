"""The wheel, built once per run from a copy of the checkout and without network."""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from renderer.native.library import BUILDS, build_names
from tools.build_native import is_current
from tools.vision_weights import WEIGHTS

ROOT = Path(__file__).parents[2]
VENDOR = Path("web") / "vendor"
VENDORED = (
    *("livekit-client.esm.mjs", "livekit-client.LICENSE"),
    *("swagger-ui.js", "swagger-ui.css", "swagger-ui.LICENSE"),
)

OWN_BUILDS = build_names(sys.platform, platform.machine())


def checkout_files() -> list[Path]:
    """Return the files of the checkout that git does not ignore, relative to it."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    paths = [Path(name) for name in listing.split("\0") if name]
    return [path for path in paths if (ROOT / path).is_file()]


@pytest.fixture(scope="session")
def source(tmp_path_factory) -> Path:
    """Copy of the checkout, so that the build writes nothing into the checkout."""
    copy = tmp_path_factory.mktemp("wheel") / "source"
    for path in checkout_files():
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, copy / path)
    vendor = copy / VENDOR
    if (ROOT / VENDOR).is_dir():
        shutil.copytree(ROOT / VENDOR, vendor)
    else:  # `make wheel` fetches the real ones; their content does not matter here
        vendor.mkdir()
        for name in VENDORED:
            (vendor / name).write_text("// stand-in\n")
    if BUILDS.is_dir():
        shutil.copytree(BUILDS, copy / BUILDS.relative_to(ROOT))
    if WEIGHTS.exists():
        shutil.copyfile(WEIGHTS, copy / WEIGHTS.relative_to(ROOT))
    # Caches lie everywhere in a checkout that has been used.
    for folder in ("lite_gateway", "lite_gateway/api", "web/js", "assets/avatars/theo"):
        cache = copy / folder / "__pycache__"
        cache.mkdir()
        (cache / "module.cpython-311.pyc").write_bytes(b"cache")
    return copy


@pytest.fixture(scope="session")
def wheel(source) -> Path:
    """Path of the wheel, built as `make wheel` builds it."""
    done = build_wheel(source, folder := source.parent / "dist")
    assert done.returncode == 0, done.stdout + done.stderr
    [path] = folder.glob("*.whl")
    return path


def build_wheel(
    source: Path, folder: Path, platform: str = ""
) -> subprocess.CompletedProcess[str]:
    """Build the wheel for ``platform``, or for this machine, into ``folder``."""
    shutil.rmtree(source / "build", ignore_errors=True)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-index"]
    command += ["--no-build-isolation", "--wheel-dir", str(folder), str(source)]
    if platform:
        command.append(f"--config-settings=--build-option=--plat-name={platform}")
    return subprocess.run(command, capture_output=True, text=True, check=False)


def has_builds() -> bool:
    """Return whether the wheel contains native code; in CI it must."""
    built = bool(OWN_BUILDS) and all(map(is_current, OWN_BUILDS))
    assert built or not os.environ.get("CI"), "`make setup` has built no native code"
    return built


def has_vision_weights() -> bool:
    """Return whether the wheel contains the weights of `creation.vision`."""
    is_there = WEIGHTS.exists()
    assert is_there or not os.environ.get("CI"), "`make setup` has converted no weights"
    return is_there
