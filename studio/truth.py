"""Ground truth of a photo: the same person, light and camera with other faces."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from studio import complexion
from studio.closeups import Expression, eye_expressions, mouth_expressions
from studio.mesh import Floats, Ints
from studio.objects import PosedMesh
from studio.scene import Box, Scene
from studio.sitters import Sitter

# Keyframes by name, as numbers in `mouth_expressions` and `eye_expressions`.
MOUTHS = {"jaw": 4, "rounded": 11, "teeth": 28, "bite": 43, "shut": 39}
EYES = {"blink": 15, "half": 12}
_OPEN = {"jawOpen": 0.6}  # an expression that tells the upper lip from the lower
_DROPPED_M = 0.004  # by which the lower lip moves in that expression, metres
_COLUMNS = 25  # of the inner borders of the lips
_NEAREST = 16  # vertices that such a column looks at
_CORNERS = 0.2  # of the lips' width, left out at each corner
_QUALITY = 90  # of WebP
# Margins of the boxes around lips and lids: fractions of the lips' width and of the
# distance of the eyes.
_MOUTH_MARGIN = (0.45, 0.35)
_EYE_MARGIN = (0.28, 0.3)

Develop = Callable[[Image.Image, Box], Image.Image]


@dataclass(frozen=True, slots=True)
class Ring:
    """Closed line on a posed mesh: points between pairs of its vertices."""

    ends: Ints  # [n, 2]: vertices
    share: Floats  # [n]: 0 at the first vertex, 1 at the second

    def at(self, vertices: Floats) -> Floats:
        """Return the points [n, 3]."""
        first, second = vertices[self.ends[:, 0]], vertices[self.ends[:, 1]]
        points: Floats = first + self.share[:, None] * (second - first)
        return points


@dataclass(frozen=True, slots=True)
class Lines:
    """Projected lines of one face, in pixels of the photo."""

    outer_lips: Floats  # [n, 2]: where lips meet skin, once around
    inner_lips: Floats  # [2, 25, 2]: visible edge of the upper and the lower lip
    lids: list[Floats]  # four of [k, 2]: margin of each lid


class Surveyor:
    """Projection of lips and lids of a scene, in any expression."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        inside = complexion.image_mask(scene.human, "inside-mouth")
        lips = complexion.image_mask(scene.human, "lips")
        self._pose(Expression({}))
        still = self._skin()
        self._outer = self._ring(still, "outer", np.maximum(lips, inside))
        red = scene.skin_values("lips", lips) > 0.5
        self._pose(Expression(_OPEN))
        dropped = still.vertices[:, 2] - self._skin().vertices[:, 2] > _DROPPED_M
        self._upper = np.flatnonzero(red & ~dropped)
        self._lower = np.flatnonzero(red & dropped)

    def lines(self, expression: Expression) -> Lines:
        """Pose the scene and return its lines."""
        self._pose(expression)
        skin = self._skin()
        upper, lower = (
            self._project(skin.vertices[part]) for part in (self._upper, self._lower)
        )
        outer = self._project(self._outer.at(skin.vertices))
        left, right = outer[:, 0].min(), outer[:, 0].max()
        corners = _CORNERS * (right - left)
        columns = np.linspace(left + corners, right - corners, _COLUMNS)
        lids = self._scene.lid_margins(expression.weights, expression.gaze)
        return Lines(
            outer,
            np.stack([_edge(upper, columns, 1.0), _edge(lower, columns, -1.0)]),
            [_smoothed(self._project(line)) for line in lids],
        )

    def _pose(self, expression: Expression) -> None:
        self._scene.pose(expression.weights, expression.gaze)

    def _skin(self) -> PosedMesh:
        return next(m for m in self._scene.posed_meshes() if m.name == "skin")

    def _project(self, points: Floats) -> Floats:
        camera = self._scene.camera_matrix()
        image = points @ camera[:, :3].T + camera[:, 3]
        pixels: Floats = image[:, :2] / image[:, 2:]
        return pixels

    def _ring(self, skin: PosedMesh, name: str, mask: Floats) -> Ring:
        """Return the line where ``mask`` over the base vertices crosses a half."""
        values = self._scene.skin_values(name, mask)
        edges = skin.triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
        edges = np.unique(np.sort(edges, 1), axis=0)
        a, b = values[edges[:, 0]], values[edges[:, 1]]
        crossing = (a < 0.5) != (b < 0.5)
        ring = Ring(edges[crossing], ((0.5 - a) / (b - a + 1e-9))[crossing])
        around = self._project(ring.at(skin.vertices))
        around -= (around.max(0) + around.min(0)) / 2
        order = np.argsort(np.arctan2(around[:, 1], around[:, 0]), kind="stable")
        return Ring(ring.ends[order], ring.share[order])


def _edge(lip: Floats, columns: Floats, side: float) -> Floats:
    """Return a lip's lowest points [25, 2] at ``columns``; its highest at side -1."""
    away = np.abs(lip[None, :, 0] - columns[:, None])
    nearest = np.argsort(away, 1, kind="stable")[:, :_NEAREST]
    rows = side * (side * lip[nearest, 1]).max(1)
    return np.stack([columns, rows], 1)


def _smoothed(line: Floats) -> Floats:
    """Return a line sorted by x, without the zigzag of the lashes' two rows."""
    smooth = line[np.argsort(line[:, 0], kind="stable")]
    for _ in range(3):
        smooth[1:-1] = (smooth[:-2] + 2 * smooth[1:-1] + smooth[2:]) / 4
    return smooth


def write_truth(
    scene: Scene, sitter: Sitter, path: Path, samples: int, develop: Develop
) -> None:
    """
    Render the keyframes and write them with their lines to an .npz file.

    ``develop`` puts a rendered box on the background of the photo. The README lists
    the arrays.
    """
    surveyor = Surveyor(scene)
    mouths, eyes = mouth_expressions(), eye_expressions()
    faces = {name: mouths[number] for name, number in MOUTHS.items()}
    faces |= {name: eyes[number] for name, number in EYES.items()}
    lines = [surveyor.lines(Expression({}))]
    lines += [surveyor.lines(face) for face in faces.values()]
    mouth, both_eyes = _boxes(lines, scene.size)
    arrays: dict[str, npt.NDArray[np.generic]] = {
        "names": np.array(list(faces)),
        "numbers": np.array([*MOUTHS.values(), *EYES.values()], np.int32),
        "boxes": np.array([mouth if n in MOUTHS else both_eyes for n in faces]),
        "weights": np.stack([f.units() for f in faces.values()]).astype(np.float32),
        "camera": scene.camera_matrix(),
        "seed": np.array(sitter.person.seed),
        "outer_lips": np.stack([line.outer_lips for line in lines]).astype(np.float32),
        "inner_lips": np.stack([line.inner_lips for line in lines]).astype(np.float32),
    }
    for k in range(4):
        lid = np.stack([line.lids[k] for line in lines])
        arrays[f"lid_{k}"] = lid.astype(np.float32)
    for name, face in faces.items():
        box = mouth if name in MOUTHS else both_eyes
        scene.pose(face.weights, face.gaze)
        rendered = path.with_name(f"part-{path.stem}.png")
        scene.render(rendered, samples, box)
        with Image.open(rendered) as image:
            arrays[f"picture_{name}"] = _encoded(develop(image, box))
        rendered.unlink()
    np.savez(path, **arrays)


def _boxes(lines: list[Lines], size: tuple[int, int]) -> tuple[Box, Box]:
    """Return the boxes of the mouth and of both eyes, over all faces."""
    lips = np.concatenate([line.outer_lips for line in lines])
    lids = np.concatenate([lid for line in lines for lid in line.lids])
    wide = np.ptp(lines[0].outer_lips[:, 0])
    middles = [lid[:, 0].mean() for lid in lines[0].lids]
    apart = max(middles) - min(middles)
    return (
        _box(lips, wide * np.array(_MOUTH_MARGIN), size),
        _box(lids, apart * np.array(_EYE_MARGIN), size),
    )


def _box(points: Floats, margin: Floats, size: tuple[int, int]) -> Box:
    left, top = np.floor((points.min(0) - margin).clip(0)).astype(int)
    right, bottom = np.ceil((points.max(0) + margin).clip(None, size)).astype(int)
    return int(left), int(top), int(right), int(bottom)


def _encoded(image: Image.Image) -> npt.NDArray[np.uint8]:
    data = io.BytesIO()
    image.save(data, "WEBP", quality=_QUALITY, method=6)
    return np.frombuffer(data.getvalue(), np.uint8)
