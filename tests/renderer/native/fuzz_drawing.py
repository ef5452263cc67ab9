"""
Fuzzer of drawing: hostile portrait packages and faces, from bytes to frames.

    python -m tests.renderer.native.fuzz_drawing [N] [SEED]

N packages (1000) of random geometry with mutated arrays and images are loaded. Those
that load are drawn by native code at a random size. A package may be refused with
`BrokenAvatar`; everything else must be drawn. `make fuzz-native` runs it with a build
that checks each memory access; without one a fault may go unnoticed.
"""

import json
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from renderer.arkit import UNITS
from renderer.avatar import BrokenAvatar, load, make_rig
from renderer.face import SIZE
from renderer.rig import RigInput
from tests.renderer.portrait import portraits

CPU = torch.device("cpu")
CLOSEUPS = ("mouth", "eyeLeft", "eyeRight")
MAX_FRAME_PX = 300
# Values at the limits of types, of the loader, and of what arithmetic can hold.
NUMBERS = (0.0, -0.0, 1e-45, 1e-30, 1e-6, 0.5, 1.0, -1.0, 255.0, 256.0, 1e6, -1e6, 1e7,
           3e38, -3e38, 1e300, np.inf, -np.inf, np.nan)  # fmt: skip


class PackageFuzzer:
    """Maker of random packages, most of which the loader accepts before a mutation."""

    def __init__(self, seed: int, folder: Path) -> None:
        self._chance = random.Random(seed)
        self._random = np.random.default_rng(seed)
        self._folder = folder
        folder.mkdir()
        (folder / "avatar.json").write_text(json.dumps(portraits.MANIFEST))

    def write(self) -> None:
        """Write the next package to the folder."""
        arrays, images = self._geometry()
        for _ in range(self._chance.choice((0, 1, 1, 2, 4))):
            name = self._chance.choice(list(arrays))
            arrays[name] = self._mutated(arrays[name])
        np.savez(self._folder / "surface.npz", **arrays)
        for name, shape in images.items():
            self._save_image(self._folder / f"{name}.webp", shape)

    def size(self) -> tuple[int, int]:
        """Return a random even frame size."""
        longest = self._chance.choice((8, 60, MAX_FRAME_PX))
        width, height = (2 * self._chance.randint(1, longest // 2) for _ in range(2))
        return width, height

    def faces(self, count: int) -> torch.Tensor:
        """Return faces ``[count, 57]``: likely ones, and ones beyond all limits."""
        faces = self._random.uniform(-0.3, 1.2, (count, SIZE))
        faces *= self._random.choice((0, 1, 30, 1e9), (count, 1))
        for _ in range(self._chance.choice((0, 0, 3))):
            place = self._chance.randrange(count), self._chance.randrange(SIZE)
            faces[place] = self._chance.choice(NUMBERS)
        with np.errstate(over="ignore"):
            return torch.from_numpy(faces.astype(np.float32))

    def _geometry(self) -> tuple[dict[str, np.ndarray], dict[str, tuple[int, int]]]:
        """Return the arrays of a valid package, and the sizes of its images."""
        width, height = (8 * self._chance.randint(8, 30) for _ in range(2))
        count = self._chance.choice((1, 3, 200))
        units = len(UNITS)
        arrays = {
            "neutral": self._random.normal(0, 0.3, (count, 3)).astype(np.float32),
            "shapes": self._sparse(units, count),
            "shape_sizes": self._random.uniform(0, 3e-6, units).astype(np.float32),
            "skull": self._random.integers(0, 256, count, np.uint8),
            "rise": self._random.integers(0, 256, count, np.uint8),
            "camera": self._camera(width, height),
            "pivot": self._random.normal(0, 0.2, 3).astype(np.float32),
            "breath": self._random.normal(0, 0.02, 3).astype(np.float32),
        }
        arrays |= self._cells("plate", (height // 8, width // 8), count)
        images = {"plate": (height, width)}
        for name in CLOSEUPS:
            keyframes = self._chance.randint(4, 6)
            left, top = (
                4 * self._chance.randint(0, s // 4 - 4) for s in (width, height)
            )
            columns = 4 * self._chance.randint(4, (width - left) // 4)
            rows = 4 * self._chance.randint(4, (height - top) // 4)
            features = self._chance.choice((1, 5, 70))
            arrays |= self._cells(name, (keyframes, rows // 4, columns // 4), count)
            arrays |= {
                f"{name}_box": np.array((left, top, left + columns, top + rows), "i4"),
                f"{name}_faces": self._random.random((keyframes, units), np.float32),
                f"{name}_measure": self._random.normal(0, 9, (units, features)),
            }
            images[name] = keyframes * rows, columns
        return arrays, images

    def _sparse(self, units: int, count: int) -> np.ndarray:
        shapes = self._random.integers(-32767, 32768, (units, count, 3))
        shapes[self._random.random((units, count)) < 0.6] = 0
        return shapes.astype(np.int16)

    def _camera(self, width: int, height: int) -> np.ndarray:
        distance, focal = (
            self._random.choice((1.6, 4, 40)),
            self._random.choice((9, 900)),
        )
        return np.array(
            [[focal, width / 2, 0, width / 2 * distance],
             [0, height / 2, -focal, height / 2 * distance],
             [0, 1, 0, distance]], np.float32,
        )  # fmt: skip

    def _cells(
        self, name: str, shape: tuple[int, ...], count: int
    ) -> dict[str, np.ndarray]:
        first = self._random.integers(0, 256, shape)
        return {
            f"{name}_corners": self._random.integers(0, count, (*shape, 3), np.uint16),
            f"{name}_shares": np.stack([first, 255 - first], -1).astype(np.uint8),
        }

    def _mutated(self, array: np.ndarray) -> np.ndarray:
        """Return a damaged copy: other values, another type, or another shape."""
        kind = self._chance.randrange(10)
        if kind == 0:
            return array[: self._chance.randint(0, len(array))]
        with np.errstate(all="ignore"):
            if kind == 1:
                types = ("u1", "u8", "i1", "i8", "f2", "f8")
                return array.astype(self._chance.choice(types))
            return self._with_extremes(array, kind)

    def _with_extremes(self, array: np.ndarray, kind: int) -> np.ndarray:
        wide = array.astype(np.float64)
        if kind == 2:
            wide *= self._chance.choice(NUMBERS)
        elif kind == 3:
            wide[...] = self._chance.choice(NUMBERS)
        else:
            places = self._random.random(array.shape) < self._chance.choice(
                (0.001, 0.2)
            )
            wide[places] = self._chance.choice(NUMBERS)
        if array.dtype.kind == "f":
            return wide.astype(array.dtype)
        limits = np.iinfo(array.dtype)
        return np.nan_to_num(wide).clip(limits.min, limits.max).astype(array.dtype)

    def _save_image(self, path: Path, shape: tuple[int, int]) -> None:
        rows, columns = shape
        if self._chance.random() < 0.03:
            columns = self._chance.choice((1, columns + 8))
        pixels = self._random.integers(0, 256, (rows, columns, 4), np.uint8)
        Image.fromarray(pixels).save(path, quality=0, method=0)
        if self._chance.random() < 0.03:
            data = bytearray(path.read_bytes())
            data[self._chance.randrange(len(data))] ^= 1 << self._chance.randrange(8)
            path.write_bytes(data)


def run(packages: int, seed: int) -> Counter[str]:
    """Load and draw random packages; return how many were drawn and refused."""
    results: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        fuzzer = PackageFuzzer(seed, Path(folder) / "eve")
        for _ in range(packages):
            fuzzer.write()
            try:
                avatar = load(Path(folder) / "eve")
            except BrokenAvatar:
                results["refused"] += 1
                continue
            width, height = fuzzer.size()
            rig = make_rig(avatar, width, height, CPU, native=True)
            inputs = [RigInput(0, 0, at_s, 0.0) for at_s in (0.0, 0.7, 1.8, 1e9)]
            frames = rig.draw(fuzzer.faces(len(inputs)), inputs)
            assert frames.shape == (len(inputs), width * height * 3 // 2)
            results["drawn"] += 1
    return results


if __name__ == "__main__":
    torch.set_num_threads(1)
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    chosen = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 32)
    print(f"seed {chosen}")
    print(dict(run(count, chosen)))
