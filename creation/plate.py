"""
Plate: the photo, cut and scaled to the base image of a package.

The head takes the height from 6 to 66 %, as in the studio's portraits. The plate has
the aspect ratio 16:9; beyond the photo's edges its colours go on, and blur.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from creation.arrays import Floats, Picture
from creation.images import blur, sample
from creation.lid_edges import with_lid_edges
from creation.vision.rings import CHIN, FOREHEAD, TEMPLES
from renderer.portrait.layout import BASE_CELL_PX

HEIGHT = 1080  # rows of a plate, and pixels across of its central square
_HAIR_TOP = 0.06  # of the plate's height
_CHIN = 0.66
_HAIR = 0.45  # height of hair above the forehead's landmark, in face heights
_ASPECT = 16 / 9
_EDGE_PX = 32  # width of the columns whose colours go on beyond the photo's edges
_KNOWN = 0.05  # part of a mean that is known, for it to be used
_ROWS = 4  # of the coarsest of these colours
# Pixels from forehead to chin. The keyframes of a larger face would have more pixels
# than a package may have.
_MAX_FACE_PX = 560
_ANTIALIAS = 0.45  # sigma of the blur before a reduction, in pixels of the plate
_REDUCED = 0.8  # scale below which a reduction blurs first


@dataclass(frozen=True, slots=True)
class Plate:
    """Base image in the making, and how it was cut out of the photo."""

    picture: Picture  # [H, W, 3]: sRGB 0..1
    landmarks: Floats  # [478, 3]: pixels of the plate; z in the same scale
    scale: float  # pixels of the plate per pixel of the photo
    corner: tuple[float, float]  # x, y in the photo of the plate's left top corner

    @property
    def height(self) -> int:
        return int(self.picture.shape[0])

    @property
    def width(self) -> int:
        return int(self.picture.shape[1])

    @property
    def face_height(self) -> float:
        """Return the pixels between the landmarks of forehead and chin."""
        forehead, chin = self.landmarks[[FOREHEAD, CHIN], :2]
        return float(np.linalg.norm(forehead - chin))

    def in_square(self) -> Floats:
        """
        Return the landmarks for a fit, in the pixels of the central square.

        Those of upper lids lie at the edges of the lids.
        """
        edges = with_lid_edges(self.picture, self.landmarks)
        return edges - [self.square_left, 0, 0]

    @property
    def square_left(self) -> float:
        return (self.width - self.height) / 2


def frame_plate(photo: Picture, landmarks: Floats) -> Plate:
    """
    Return the plate for a photo ``[H, W, 3]`` with one upright face.

    ``landmarks`` ``[478, 3]`` are pixels of the photo.
    """
    rows, columns = photo.shape[:2]
    forehead, chin = landmarks[FOREHEAD], landmarks[CHIN]
    face = float(np.linalg.norm((forehead - chin)[:2]))
    side = min((1 + _HAIR) * face / (_CHIN - _HAIR_TOP), rows)  # photo's pixels
    height = min(HEIGHT, int(_MAX_FACE_PX * side / face))
    height -= height % BASE_CELL_PX
    width = round(height * _ASPECT / BASE_CELL_PX) * BASE_CELL_PX
    scale = height / side
    middle = landmarks[list(TEMPLES), 0].mean()
    left = middle - width / scale / 2
    top = np.clip(forehead[1] - _HAIR * face - _HAIR_TOP * side, 0, rows - side)
    x = left + (np.arange(width) + 0.5) / scale
    y = top + (np.arange(height) + 0.5) / scale
    source = blur(photo, _ANTIALIAS / scale) if scale < _REDUCED else photo
    at = np.stack(np.meshgrid(x, y), -1)
    picture = np.clip(sample(source, at, "bicubic"), 0, 1)
    covered = (x > 0) & (x < columns)
    if not covered.all():
        picture = _extended(picture, covered)
    moved = landmarks.copy()
    moved[:, :2] = (moved[:, :2] - [left, top]) * scale
    moved[:, 2] *= scale
    return Plate(picture, moved, scale, (float(left), float(top)))


def _extended(picture: Picture, covered: np.ndarray) -> Picture:
    """
    Return the picture with the columns outside of ``covered`` ``[W]`` filled.

    The columns at the edge go on, and blur with the distance: each level of a pyramid
    of normalised means of those columns fills what the finer one leaves open, and the
    coarsest one has a single column.
    """
    levels = [torch.from_numpy(picture).movedim(-1, 0)[None]]
    known = torch.from_numpy(_edges(covered).astype(np.float32))
    weights = [known.expand(1, 1, *picture.shape[:2]).contiguous()]
    levels[0] = levels[0] * weights[0]
    while levels[-1].shape[3] > 1:
        step = (2 if levels[-1].shape[2] > _ROWS else 1, 2)
        levels.append(F.avg_pool2d(levels[-1], step, ceil_mode=True))
        weights.append(F.avg_pool2d(weights[-1], step, ceil_mode=True))
    filled = levels[-1] / weights[-1].clamp(min=1e-6)
    for level, weight in zip(levels[-2::-1], weights[-2::-1], strict=True):
        coarse = F.interpolate(filled, level.shape[2:], mode="bilinear")
        mean = level / weight.clamp(min=1e-6)
        filled = torch.where(weight > _KNOWN, mean, coarse)
    beside = filled[0].movedim(0, -1).numpy()
    return np.where(covered[:, None], picture, beside)


def _edges(covered: np.ndarray) -> np.ndarray:
    """Return the covered columns ``[W]`` beside those that are not covered."""
    columns = np.arange(len(covered))
    first, last = columns[covered][[0, -1]]
    left = (first > 0) & (columns < first + _EDGE_PX)
    right = (last < len(covered) - 1) & (columns > last - _EDGE_PX)
    edges: np.ndarray = covered & (left | right)
    return edges
