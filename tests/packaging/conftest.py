"""The wheel, built once per run from a copy of the checkout and without network."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VENDOR = Path("web") / "vendor"
VENDORED = (
    *("livekit-client.esm.mjs", "livekit-client.LICENSE"),
    *("swagger-ui.js", "swagger-ui.css", "swagger-ui.LICENSE"),
)


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
    # Caches lie everywhere in a checkout that has been used.
    for folder in ("lite_gateway", "lite_gateway/api", "web/js", "assets/avatars/theo"):
        cache = copy / folder / "__pycache__"
        cache.mkdir()
        (cache / "module.cpython-311.pyc").write_bytes(b"cache")
    return copy


@pytest.fixture(scope="session")
def wheel(source) -> Path:
    """Path of the wheel, built as `make wheel` builds it."""
    folder = source.parent / "dist"
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-index"]
    command += ["--no-build-isolation", "--wheel-dir", str(folder), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    [path] = folder.glob("*.whl")
    return path
