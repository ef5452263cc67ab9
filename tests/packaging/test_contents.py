"""Files and metadata of the wheel."""

import shutil
import tomllib
import zipfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest

from tests.packaging.conftest import (
    OWN_BUILDS,
    ROOT,
    VENDORED,
    build_wheel,
    checkout_files,
    has_builds,
    has_vision_weights,
)

CODE = ("protocol", "renderer", "lite_gateway", "conversation", "creation")
DATA = {  # folder of the checkout -> files of it that the wheel does not need
    "assets/avatars": set(),
    "tools/livekit": set(),
    "web": {"package.json", "package-lock.json"},
}
MAX_BYTES = 24_000_000


@pytest.fixture(scope="module")
def names(wheel) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def metadata(wheel) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith("/METADATA")]
        return message_from_bytes(archive.read(name))


def expected_names() -> set[str]:
    """Return the files of the checkout that the wheel must contain."""
    files = checkout_files()
    expected = {path.as_posix() for path in files if path.parts[0] in CODE}
    for folder, left_out in DATA.items():
        expected |= {
            f"lite_gateway/data/{path.as_posix()}"
            for path in files
            if path.is_relative_to(folder) and path.name not in left_out
        }
    expected |= {f"lite_gateway/data/web/vendor/{name}" for name in VENDORED}
    return expected | (
        {"creation/vision/weights.npz"} if has_vision_weights() else set()
    )


def files_and_tags(wheel: Path) -> tuple[set[str], list[str]]:
    """Return the names of the files without metadata, and the tags of the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        [path] = [name for name in archive.namelist() if name.endswith("/WHEEL")]
        description = message_from_bytes(archive.read(path))
    return names, description.get_all("Tag") or []


def test_the_wheel_contains_the_packages_and_their_data_and_nothing_else(wheel):
    builds = OWN_BUILDS if has_builds() else ()
    native = {f"renderer/native/builds/{name}.so" for name in builds}
    names, tags = files_and_tags(wheel)
    assert names == expected_names() | native
    [tag] = tags
    assert wheel.stem.endswith(f"-{tag}")
    assert tag.startswith("py3-none-")
    assert (tag == "py3-none-any") == (not builds)


def test_a_wheel_without_native_code_is_for_any_platform(source, wheel, tmp_path):
    done = build_wheel(source, tmp_path, "any")
    assert done.returncode == 0, done.stdout + done.stderr
    [path] = tmp_path.glob("*.whl")
    assert files_and_tags(path) == (expected_names(), ["py3-none-any"])


@pytest.mark.parametrize(
    ("platform", "reason"),
    [
        ("manylinux_2_17_aarch64", "not built: linux-aarch64; run `make wheels`"),
        ("win_amd64", "no platform 'win_amd64'"),
    ],
)
def test_no_wheel_lacks_the_native_code_of_its_platform(
    source, wheel, tmp_path, platform, reason
):
    shutil.copytree(source, copy := tmp_path / "source")
    (copy / "renderer/native/builds/linux-aarch64.so").unlink(missing_ok=True)
    done = build_wheel(copy, tmp_path / "dist", platform)
    assert done.returncode != 0
    assert reason in done.stdout + done.stderr
    assert not (tmp_path / "dist").exists() or not [*(tmp_path / "dist").iterdir()]


@pytest.mark.parametrize(
    "name",
    [
        "lite_gateway/data/web/index.html",
        "lite_gateway/data/web/js/main.js",
        "lite_gateway/data/web/samples/hello.wav",
        "lite_gateway/data/web/vendor/livekit-client.esm.mjs",
        "lite_gateway/data/assets/avatars/mira/avatar.json",
        "lite_gateway/data/assets/avatars/mira/surface.npz",
        "lite_gateway/data/tools/livekit/go.mod",
        "lite_gateway/data/tools/livekit/go.sum",
        "lite_gateway/store/migrations/versions/v0001_first_tables.py",
    ],
)
def test_the_wheel_contains(names, name):
    assert name in names


def test_the_wheel_contains_the_weights_of_the_lips(wheel):
    with zipfile.ZipFile(wheel) as archive:
        [lips] = [
            item
            for item in archive.infolist()
            if item.filename.startswith("renderer/speech/lips.")
        ]
    assert lips.file_size > 1_000_000


def test_the_wheel_contains_both_licence_files(names):
    licences = {Path(name).name for name in names if "/licenses/" in name}
    assert licences == {"LICENSE", "NOTICE"}


def test_the_wheel_is_small(wheel):
    assert wheel.stat().st_size < MAX_BYTES


def test_the_version_of_the_wheel_is_the_one_in_pyproject(metadata):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert metadata["Version"] == project["version"]
