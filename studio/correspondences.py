"""
Command ``python -m studio.correspondences``: finds the landmarks on a donor's surface.

The landmarker runs on the donor's base image and on mouths of its package, whose
geometry is known: the triangle behind a landmark's pixel is where it lies. Writes
``landmarks.npz``. It needs the environment of `creation`, and not Blender.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from creation.donor.loader import DATA, NAMES, DonorSurface
from creation.fit.camera import project
from creation.raster import RasteredMesh, raster
from creation.vision import find_faces, landmarks
from creation.vision.rings import COUNT, LIP_POINTS, RIGHT_IRIS
from renderer.arkit import UNITS
from renderer.package import Package
from renderer.portrait.loader import load_portrait
from renderer.portrait.model import PortraitModel

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_PICTURES = 6
_LEFT, _SIDE = 420, 1080  # middle square of the base image
_BACKDROP = np.array([0x93, 0xA8, 0xB0]) / 255
# Landmarks where lips meet, and next to them: known only while the mouth is open. All
# others are taken from the base image: those of a chin lag behind a jaw that opens.
_INNER_LIPS = {*LIP_POINTS[20:40], *LIP_POINTS[60:80]}
_MIN_JAW = 0.2
# Pixels from a landmark to the surface, if it lies beside it.
_REACH_PX, _LIP_REACH_PX = 14, 5
_OUTLIER_M = 0.004  # from the median of a landmark's points
# From what is seen of the skin at rest. The bag of the mouth lies further away: a pixel
# in an open mouth shows it, and no landmark lies on it.
_HIDDEN_M = 0.006


@dataclass(frozen=True, slots=True)
class View:
    """Picture of a donor, the middle square, and its expression."""

    picture: npt.NDArray[np.float32]  # [1080, 1080, 3], 0..1
    weights: Floats  # [56]


@dataclass(frozen=True, slots=True)
class SurfacePoint:
    """Point in a triangle."""

    triangle: Ints  # [3]: vertex numbers
    shares: Floats  # [3]


def views(portrait: PortraitModel) -> Iterator[View]:
    """Yield the base image, and the widest open mouths on it."""
    base = _flat(portrait.base_image)
    yield View(_middle(base), np.zeros(len(UNITS)))
    mouth = next(part for part in portrait.closeups if part.name == "mouth")
    weights = mouth.weights.astype(np.float64)
    order = np.argsort(-weights[:, UNITS.index("jawOpen")], kind="stable")
    for number in order[: _PICTURES - 1]:
        picture = base.copy()
        keyframe = _flat(mouth.keyframes[number])
        rows, columns = keyframe.shape[:2]
        area = np.s_[mouth.top : mouth.top + rows, mouth.left : mouth.left + columns]
        picture[area] = keyframe
        yield View(_middle(picture), weights[number])


def _flat(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return an image ``[4, h, w]`` on the backdrop, ``[h, w, 3]`` 0..1."""
    colour, alpha = image[:3].transpose(1, 2, 0) / 255, image[3][..., None] / 255
    flat: npt.NDArray[np.float32] = (colour * alpha + _BACKDROP * (1 - alpha)).astype(
        np.float32
    )
    return flat


def _middle(image: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return np.ascontiguousarray(image[:, _LEFT : _LEFT + _SIDE])


def points_of(view: View, surface: DonorSurface) -> dict[int, SurfacePoint]:
    """Return the point of the surface at each landmark of one picture."""
    picture = view.picture
    found = landmarks(picture, find_faces(picture)[0]).points[:, :2]
    xy, depth = project(surface.posed(view.weights), surface.camera)
    xy = xy - [_LEFT, 0]
    jaw = view.weights[UNITS.index("jawOpen")]
    points = {}
    for name, numbers in (
        ("skin", range(RIGHT_IRIS[0])),
        ("eyes", range(RIGHT_IRIS[0], COUNT)),
    ):
        own = surface.part(name)[surface.triangles[:, 0]]
        triangles = surface.triangles[own & _outside(surface)]
        drawn = raster(xy, depth, triangles, (0, 0, _SIDE, _SIDE))
        for number in numbers:
            inner = number in _INNER_LIPS
            if inner != (jaw > _MIN_JAW):
                continue
            reach = _LIP_REACH_PX if inner else _REACH_PX
            pixel = _nearest_hit(drawn, found[number], reach)
            if pixel is not None:
                points[number] = SurfacePoint(
                    triangles[drawn.triangle[pixel]].astype(np.int64),
                    drawn.shares[pixel].astype(np.float64),
                )
    return points


def _outside(surface: DonorSurface) -> npt.NDArray[np.bool_]:
    """Return which triangles are seen at rest, or lie next to those, [T]."""
    xy, depth = project(surface.neutral, surface.camera)
    box = (_LEFT, 0, _LEFT + _SIDE, _SIDE)
    drawn = raster(xy, depth, surface.triangles, box)
    seen = np.unique(drawn.triangle[drawn.hit])
    tree = cKDTree(surface.neutral[np.unique(surface.triangles[seen])])
    near = tree.query(surface.neutral)[0] < _HIDDEN_M
    outside: npt.NDArray[np.bool_] = near[surface.triangles].all(1)
    return outside


def _nearest_hit(drawn: RasteredMesh, at: Floats, reach: int) -> tuple[int, int] | None:
    """Return row and column of the nearest pixel of the surface, if one is near."""
    rows, columns = np.nonzero(drawn.hit)
    squares = (columns + 0.5 - at[0]) ** 2 + (rows + 0.5 - at[1]) ** 2
    nearest = int(squares.argmin())
    if squares[nearest] > reach**2:
        return None
    return int(rows[nearest]), int(columns[nearest])


def combine(
    seen: list[SurfacePoint], neutral: Floats
) -> tuple[list[SurfacePoint], float]:
    """Return the points without outliers, and their spread in metres."""
    places = np.array([p.shares @ neutral[p.triangle] for p in seen])
    distances = np.linalg.norm(places - np.median(places, 0), axis=1)
    limit = max(_OUTLIER_M, 2 * float(np.median(distances)))
    kept = distances <= limit
    spread = float(np.sqrt((distances[kept] ** 2).mean()))
    return [p for p, keep in zip(seen, kept, strict=True) if keep], spread


def write(name: str, avatars: Path) -> None:
    """Write ``landmarks.npz`` of a donor, and print how well its pictures agree."""
    surface = DonorSurface.read(DATA / name)
    portrait = load_portrait(Package.at(avatars / name))
    seen: dict[int, list[SurfacePoint]] = {number: [] for number in range(COUNT)}
    for view in views(portrait):
        for number, point in points_of(view, surface).items():
            seen[number].append(point)
    index = np.zeros((COUNT, 3 * _PICTURES), np.uint16)
    weight = np.zeros((COUNT, 3 * _PICTURES), np.float32)
    spread = np.ones(COUNT, np.float32)
    for number, points in seen.items():
        if not points:
            continue
        kept, spread[number] = combine(points, surface.neutral)
        corners = np.concatenate([p.triangle for p in kept])
        index[number, : len(corners)] = corners
        weight[number, : len(corners)] = np.concatenate([p.shares for p in kept]) / len(
            kept
        )
    np.savez_compressed(
        DATA / name / "landmarks.npz", index=index, weight=weight, spread=spread
    )
    known = spread[spread < 1] * 1000
    print(
        f"{name}: {len(known)} landmarks, points of {_PICTURES} pictures differ by "
        f"{np.median(known):.2f} mm (median), {np.percentile(known, 90):.2f} mm (90 %)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m studio.correspondences",
        description="Find where the landmarks of a face lie on the donors' surfaces.",
    )
    parser.add_argument("donors", nargs="*", default=list(NAMES), metavar="NAME")
    parser.add_argument("--avatars", type=Path, default=Path("assets/avatars"))
    args = parser.parse_args()
    for name in args.donors:
        write(name, args.avatars)


if __name__ == "__main__":
    main()
