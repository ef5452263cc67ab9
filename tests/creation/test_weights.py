"""`tools.vision_weights`: conversion, weights that are up to date, no network."""

import os
import shutil
import subprocess
import sys
import zipfile

import pytest

from creation.vision.detector import Detector
from creation.vision.weights import WEIGHTS, WeightsMissing, read_network
from tests.packaging.conftest import ROOT
from tools import mediapipe_models, vision_weights
from tools.mediapipe_models import ModelsUnavailable
from tools.pip_runner import PipFailed

PACKAGES = ("creation", "renderer", "tools")


def test_current_weights_are_left_alone(networks, monkeypatch):
    def no_models() -> None:
        raise AssertionError("the models were asked for")

    assert vision_weights.is_current()
    monkeypatch.setattr(vision_weights, "models", no_models)
    monkeypatch.setattr(sys, "argv", ["vision_weights"])
    vision_weights.main()


def test_weights_of_other_models_are_out_of_date(networks, monkeypatch):
    monkeypatch.setattr(vision_weights, "MODELS", {})
    assert not vision_weights.is_current()


def test_missing_and_damaged_weights_are_out_of_date(tmp_path):
    assert not vision_weights.is_current(tmp_path / "weights.npz")
    (tmp_path / "weights.npz").write_bytes(b"PK damaged")
    assert not vision_weights.is_current(tmp_path / "weights.npz")


def test_missing_weights_are_reported_with_the_command_that_makes_them(tmp_path):
    with pytest.raises(WeightsMissing, match="run `make setup`"):
        read_network(Detector, tmp_path / "weights.npz")


@pytest.mark.parametrize("content", [b"", b"no weights", "cut", "changed"])
def test_damaged_weights_are_refused(networks, tmp_path, content):
    path, good = tmp_path / "weights.npz", WEIGHTS.read_bytes()
    changed = bytearray(good)
    changed[200:1200] = bytes(1000)
    path.write_bytes({"cut": good[:-5000], "changed": changed}.get(content, content))

    with pytest.raises(WeightsMissing, match=r"weights\.npz is damaged"):
        read_network(Detector, path)


def test_weights_of_another_network_are_refused(networks, tmp_path):
    other = tmp_path / "weights.npz"
    with zipfile.ZipFile(WEIGHTS) as source, zipfile.ZipFile(other, "w") as target:
        for name in source.namelist():
            if not name.startswith("Detector.stem"):
                target.writestr(name, source.read(name))
    with pytest.raises(WeightsMissing, match="another version of Detector"):
        read_network(Detector, other)


def test_models_with_another_checksum_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "wheel.whl", "w") as wheel:
        for name in mediapipe_models.MODELS:
            wheel.writestr(f"mediapipe/modules/{name}", b"other")
    with pytest.raises(
        ModelsUnavailable, match="has the sha256 d9298a10d1b0735837dc4b"
    ):
        mediapipe_models.unpacked(tmp_path / "wheel.whl")


def test_models_that_were_changed_in_the_cache_are_downloaded_again(
    tmp_path, monkeypatch
):
    folder = tmp_path / f"mediapipe-{mediapipe_models.VERSION}"
    folder.mkdir()
    for name in mediapipe_models.MODELS:
        (folder / name.rpartition("/")[2]).write_bytes(b"changed")

    def fail(*_, **__):
        raise PipFailed("there is no network")

    monkeypatch.setattr(mediapipe_models, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(mediapipe_models, "run_pip", fail)

    with pytest.raises(ModelsUnavailable, match="there is no network"):
        mediapipe_models.models()
    assert not [*folder.glob(".wheel.*")]


@pytest.mark.process
@pytest.mark.parametrize("is_ci", [False, True])
def test_models_that_cannot_be_downloaded_are_said_in_one_line(tmp_path, is_ci):
    for folder in PACKAGES:
        shutil.copytree(
            ROOT / folder,
            tmp_path / folder,
            ignore=shutil.ignore_patterns("weights.npz", "builds", "__pycache__"),
        )
    env = {
        **os.environ,
        "PYTHONPATH": str(tmp_path),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(tmp_path),
        "CI": "true" if is_ci else "",
    }
    command = [sys.executable, "-m", "tools.vision_weights"]
    done = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == (1 if is_ci else 0), done.stderr
    downloading, line = done.stderr.splitlines()
    assert downloading.startswith("downloading MediaPipe")
    assert line.startswith(
        "avatars cannot be made from photos here: MediaPipe's models"
    )
    assert "mediapipe==0.10.21" in line
