"""
Take models for faces and people out of MediaPipe's wheel on PyPI.

They lie in the user's cache, shared by all checkouts. The wheel is the one for Python
3.11 on Linux, on every machine: its models are the same for all, and its code is not
used. Later releases contain no models.
"""

import hashlib
import os
import sys
import tempfile
import zipfile
from pathlib import Path

from tools.caches import cache_folder
from tools.pip_runner import PipFailed, run_pip

VERSION = "0.10.21"
WHEEL_SHA256 = "05dc4a9e593655a79558d05d6227d31018c2537a4bd3362b51e230cf22aecfe3"
WHEEL = (
    *("--platform", "manylinux_2_28_x86_64", "--implementation", "cp"),
    *("--python-version", "3.11", "--abi", "cp311"),
)
MODELS = {  # path in the wheel, below mediapipe/modules -> sha256
    "face_detection/face_detection_short_range.tflite": (
        "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8"
    ),
    "face_landmark/face_landmark_with_attention.tflite": (
        "e06a804e0144f9929eda782122916b35d60c697c3c9344013ca2bbe76a6ce2b4"
    ),
    "selfie_segmentation/selfie_segmentation.tflite": (
        "9ee168ec7c8f2a16c56fe8e1cfbc514974cbbb7e434051b455635f1bd1462f5c"
    ),
}
DOWNLOAD_S = 1200


class ModelsUnavailable(Exception):
    """Reason why the models cannot be downloaded."""


def models() -> dict[str, Path]:
    """
    Return the paths of the models by name; download them if they are not there.

    A model that has been changed in the cache is not there.
    Raises ``ModelsUnavailable``.
    """
    folder = cache_folder() / f"mediapipe-{VERSION}"
    paths = {Path(name).stem: folder / Path(name).name for name in MODELS}
    expected = zip(paths.values(), MODELS.values(), strict=True)
    if all(path.exists() and _sha256(path) == digest for path, digest in expected):
        return paths
    sys.stderr.write(f"downloading MediaPipe {VERSION} for its models, 36 MB\n")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".wheel.") as work:
            for path in unpacked(_downloaded(Path(work))):
                os.replace(path, folder / path.name)
    except (OSError, PipFailed, zipfile.BadZipFile) as error:
        raise ModelsUnavailable(
            f"MediaPipe's models cannot be downloaded: {error}"
        ) from error
    return paths


def _downloaded(work: Path) -> Path:
    requirements = work / "requirements.txt"
    pin = f"mediapipe=={VERSION} --hash=sha256:{WHEEL_SHA256}\n"
    requirements.write_text(pin)
    options = (*WHEEL, "--dest", str(work), "-r", str(requirements))
    run_pip("download", *options, timeout_s=DOWNLOAD_S)
    [wheel] = work.glob("*.whl")
    return wheel


def unpacked(wheel: Path) -> list[Path]:
    """
    Write the models beside the wheel, and return their paths.

    Raises ``ModelsUnavailable`` if one has another checksum.
    """
    paths = []
    with zipfile.ZipFile(wheel) as archive:
        for name, expected in MODELS.items():
            path = wheel.parent / Path(name).name
            with archive.open(f"mediapipe/modules/{name}") as source:
                path.write_bytes(source.read())
            if (digest := _sha256(path)) != expected:
                raise ModelsUnavailable(
                    f"{name} in MediaPipe's wheel has the sha256 {digest}, "
                    f"expected {expected}"
                )
            paths.append(path)
    return paths


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> None:
    try:
        for path in models().values():
            sys.stdout.write(f"{path}\n")
    except ModelsUnavailable as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
