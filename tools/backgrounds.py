"""
Pictures for the background of the shipped avatars, painted by formulas.

``python -m tools.backgrounds`` writes them into the packages of `AVATARS`. They are out
of focus, because the part near the head moves a little with it (docs/avatars.md).
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from renderer.portrait.background import FOLDER

AVATARS = ("mira", "theo")
WIDTH, HEIGHT = 960, 540
QUALITY = 82  # of WebP
Pixels = npt.NDArray[np.float64]

_SEED = 18


def daylight() -> Pixels:
    """Paint a pale room with a bright window at the left, ``[H, W, 3]`` in 0..1."""
    x, y = _grid()
    wall = _mix("#d9d3c8", "#a79f93", 0.25 + 0.5 * x + 0.25 * y)
    _shade(wall, "#8d8578", _box(x, y, -1, 0.86, 2, 2, 0.02))  # skirting and floor
    for left, right in ((0.04, 0.16), (0.175, 0.295)):
        for top, bottom in ((0.06, 0.36), (0.38, 0.7)):
            _shade(wall, "#fbfaf4", _box(x, y, left, top, right, bottom, 0.012))
    _shade(wall, "#f4ead6", 0.55 * np.exp(-(((x - 0.2) / 0.3) ** 2 + (y - 0.4) ** 2)))
    _shade(wall, "#b98f63", _box(x, y, 0.74, 0.42, 0.97, 0.44, 0.01))  # shelf
    books = np.random.default_rng(_SEED)
    left = 0.755
    for colour in ("#6f7f86", "#9a5b4a", "#c9b48a", "#47606b", "#7b8a5f"):
        right, top = left + books.uniform(0.018, 0.03), books.uniform(0.27, 0.31)
        _shade(wall, colour, _box(x, y, left, top, right, 0.42, 0.004))
        left = right + 0.004
    _shade(wall, "#5f7a55", _blob(x, y, 0.92, 0.36, 0.035, 0.07))  # plant
    return _blurred(wall, 11)


def evening() -> Pixels:
    """Paint a dark room with lights of a town far behind, ``[H, W, 3]`` in 0..1."""
    x, y = _grid()
    night = _mix("#1b2433", "#2c3a4d", np.clip(1.2 - 1.4 * y, 0, 1))
    _shade(night, "#3a3f52", 0.7 * _blob(x, y, 0.5, 0.75, 0.7, 0.25))
    lights = np.random.default_rng(_SEED)
    colours = ("#f2b466", "#e88f5a", "#f6d9a0", "#f6d9a0", "#8fb4d8")
    for _ in range(70):
        across, down = lights.uniform(0, 1), 0.5 + 0.16 * abs(lights.normal())
        radius, strength = lights.uniform(0.014, 0.036), lights.uniform(0.12, 0.5)
        distance = np.hypot((x - across) * WIDTH / HEIGHT, y - down)
        disc = np.clip((radius - distance) / 0.006, 0, 1)
        _shade(night, colours[lights.integers(len(colours))], strength * disc)
    return _blurred(night, 5)


PICTURES: dict[str, Callable[[], Pixels]] = {"daylight": daylight, "evening": evening}


def write(folder: Path) -> list[Path]:
    """Write the pictures into a package, and return their paths."""
    (folder / FOLDER).mkdir(exist_ok=True)
    paths = []
    for name, paint in PICTURES.items():
        pixels = np.rint(255 * paint().clip(0, 1)).astype(np.uint8)
        path = folder / FOLDER / f"{name}.webp"
        Image.fromarray(pixels).save(path, quality=QUALITY, method=6)
        paths.append(path)
    return paths


def _grid() -> tuple[Pixels, Pixels]:
    """Return x and y of the pixels' centres, 0..1 across and down."""
    x, y = np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5
    across, down = np.meshgrid(x / WIDTH, y / HEIGHT)
    return across, down


def _mix(first: str, second: str, share: Pixels) -> Pixels:
    return _rgb(first) + np.clip(share, 0, 1)[..., None] * (_rgb(second) - _rgb(first))


def _shade(pixels: Pixels, colour: str, opacity: Pixels) -> None:
    """Paint a colour over pixels, in place."""
    pixels += opacity[..., None] * (_rgb(colour) - pixels)


def _box(
    x: Pixels, y: Pixels, left: float, top: float, right: float, bottom: float,
    edge: float,
) -> Pixels:  # fmt: skip
    """Return the opacity of a rectangle whose border is ``edge`` wide."""
    inside = np.minimum(
        np.minimum(x - left, right - x), np.minimum(y - top, bottom - y)
    )
    return np.clip(inside / edge, 0, 1)


def _blob(
    x: Pixels, y: Pixels, across: float, down: float, wide: float, high: float
) -> Pixels:
    return np.exp(-(((x - across) / wide) ** 2) - ((y - down) / high) ** 2)


def _blurred(pixels: Pixels, radius: float) -> Pixels:
    """Blur by a Gaussian, ``radius`` its standard deviation in pixels."""
    return np.stack([_gauss(pixels[..., i], radius) for i in range(3)], -1)


def _gauss(channel: Pixels, radius: float) -> Pixels:
    reach = np.arange(-3 * int(radius), 3 * int(radius) + 1)
    kernel = np.exp(-((reach / radius) ** 2) / 2)
    kernel /= kernel.sum()
    for axis in (0, 1):
        sides = [(0, 0), (0, 0)]
        sides[axis] = (-reach[0], reach[-1])
        padded = np.pad(channel, sides, "edge")
        channel = np.apply_along_axis(np.convolve, axis, padded, kernel, "valid")
    return channel


def _rgb(colour: str) -> Pixels:
    return np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])


def main() -> None:
    """Write the pictures into the shipped packages."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--avatars", type=Path, default=Path("assets/avatars"))
    folder = parser.parse_args().avatars
    for name in AVATARS:
        write(folder / name)


if __name__ == "__main__":
    main()
