"""
Convert MediaPipe's models into the weights of `creation.vision`.

    python -m tools.vision_weights

Weights that are up to date are left as they are. Where the models cannot be downloaded,
it says so and succeeds, as the gateway works without them; in CI, and with
``--required``, it fails.
"""

import argparse
import hashlib
import io
import os
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tools import tflite_file
from tools.mediapipe_models import MODELS, ModelsUnavailable, models
from tools.tflite_file import Array, layers

if TYPE_CHECKING:
    from torch import nn

VISION = Path(__file__).parents[1] / "creation" / "vision"
WEIGHTS = VISION / "weights.npz"
CODE = (
    *(VISION / f"{name}.py" for name in ("detector", "landmarker", "person_mask")),
    VISION / "blocks.py",
    Path(tflite_file.__file__),
    Path(__file__),
)

# Network -> model, and the modules whose layers have names of their own. All others
# are numbered in the order in which the network lists them. The models call left what
# is on the left of a picture.
NETWORKS = {
    "Detector": (
        "face_detection_short_range",
        {
            "fine_scores": "classificator_8",
            "coarse_scores": "classificator_16",
            "fine_boxes": "regressor_8",
            "coarse_boxes": "regressor_16",
        },
    ),
    "Landmarker": (
        "face_landmark_with_attention",
        {
            "mesh": "output_mesh",
            "presence": "conv_faceflag",
            "lips.heads.0.points": "conv_lips",
            "right_eye.heads.0.points": "conv_left_eye",
            "right_eye.heads.1.points": "conv_left_iris",
            "left_eye.heads.0.points": "conv_right_eye",
            "left_eye.heads.1.points": "conv_right_iris",
        },
    ),
    "PersonMask": ("selfie_segmentation", {"segment": "segment"}),
}


def identity() -> bytes:
    """Return what current weights carry: a hash of the models and of this code."""
    recipe = repr((MODELS, [path.read_bytes() for path in CODE])).encode()
    return hashlib.sha256(recipe).hexdigest().encode()


def is_current(weights: Path = WEIGHTS) -> bool:
    """Return whether the weights are there and of these models and networks."""
    try:
        with zipfile.ZipFile(weights) as archive:
            return archive.comment == identity()
    except (OSError, zipfile.BadZipFile):
        return False


def convert(paths: dict[str, Path], weights: Path = WEIGHTS) -> None:
    """Write the weights of all networks into one .npz file, which is replaced."""
    arrays: dict[str, Array] = {}
    for name, network in _networks().items():
        model, own_names = NETWORKS[name]
        source = layers(paths[model].read_bytes())
        for module, layer in _layer_names(network, own_names):
            kernel, *bias = source[layer]
            arrays[f"{name}.{module}.weight"] = _ordered(kernel, layer)
            arrays |= {f"{name}.{module}.bias": array for array in bias}
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **arrays)
    with zipfile.ZipFile(file, "a") as archive:
        archive.comment = identity()
    with tempfile.TemporaryDirectory(dir=weights.parent, prefix=".weights.") as work:
        new = Path(work) / "weights.npz"
        new.write_bytes(file.getvalue())
        os.replace(new, weights)


def _networks() -> "dict[str, nn.Module]":
    """Return the networks, without weights. This imports torch, which takes seconds."""
    from creation.vision.detector import Detector
    from creation.vision.landmarker import Landmarker
    from creation.vision.person_mask import PersonMask

    networks = (Detector(), Landmarker(), PersonMask())
    return {type(network).__name__: network for network in networks}


def _layer_names(
    network: "nn.Module", own_names: dict[str, str]
) -> Iterator[tuple[str, str]]:
    """Yield the names of the modules that have weights, and of their layers."""
    counts = Counter[str]()
    for name, module in network.named_modules():
        if not [*module.parameters(recurse=False)]:
            continue
        if name in own_names:
            yield name, own_names[name]
            continue
        kind = "p_re_lu" if type(module).__name__ == "PReLU" else "conv2d"
        if getattr(module, "groups", 1) > 1:
            kind = f"depthwise_{kind}"
        yield name, f"{kind}_{counts[kind]}" if counts[kind] else kind
        counts[kind] += 1


def _ordered(kernel: Array, layer: str) -> Array:
    """Return a kernel with its axes in torch's order; it has outputs, rows, columns."""
    if kernel.ndim == 3:  # slopes of a PReLU
        return kernel.reshape(-1)
    is_by_channel = layer.startswith("depthwise") or layer == "segment"
    return kernel.transpose((3, 0, 1, 2) if is_by_channel else (0, 3, 1, 2))


def main() -> None:
    parser = argparse.ArgumentParser(description="Convert the weights of the networks.")
    parser.add_argument(
        "--required", action="store_true", help="fail if they cannot be downloaded"
    )
    args = parser.parse_args()
    if is_current():
        return
    try:
        convert(models())
    except ModelsUnavailable as error:
        text = f"avatars cannot be made from photos here: {error}"
        if args.required or os.environ.get("CI") == "true":
            sys.exit(text)
        sys.stderr.write(f"{text}\n")
        return
    sys.stderr.write("converted the weights that find faces\n")


if __name__ == "__main__":
    main()
