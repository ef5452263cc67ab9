"""
Background of a plate: kept, blurred, a colour, another picture, or transparent.

``any`` is transparent too, and the package has pictures for it: that of the photo, and
the same blurred.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F

from creation.arrays import Picture
from creation.images import blur, resized, spread
from creation.plate import Plate

PHOTO = "photo"  # name of the picture that is the photo's own background
_BLUR_PX = 22.0  # sigma of a blurred background
_NO_PERSON = 0.1  # of the mask, below which a pixel colours the background
_PERSON = 0.95  # above which it colours the person's edge
_EDGE_PX = 5.0  # sigma over which the person's colours go on under the edge
# Guided filter, which lets the mask follow edges of the picture: half its window in
# pixels of a quarter of the plate, and the variance of light that counts as an edge.
_REDUCTION, _WINDOW, _VARIANCE = 4, 6, 4e-4
_CLEAR = 0.15  # of the filtered mask is nobody, and as much below 1 is the person


@dataclass(frozen=True, slots=True)
class PlateBackground:
    """
    Choice of a background.

    ``kind`` is keep, blur, colour, picture, transparent or any.
    """

    kind: str = "keep"
    colour: str = ""  # such as #93a8b0
    picture: Picture | None = None  # [h, w, 3]


def with_background(
    plate: Plate, person: Picture, background: PlateBackground
) -> tuple[Plate, Picture | None]:
    """
    Return the plate with its background, and its alpha ``[H, W]`` if it has one.

    ``person`` ``[H, W]`` 0..1 tells where the plate shows the person.
    """
    if background.kind == "keep":
        return plate, None
    mask = _refined(person, plate.picture)
    known = (mask > _PERSON).astype(np.float32)
    inner = spread(plate.picture, known, _EDGE_PX)
    clean = np.where((mask > _PERSON)[..., None], plate.picture, inner)
    solid = plate.picture * mask[..., None] + clean * (1 - mask[..., None])
    if background.kind in ("colour", "transparent", "any"):
        return replace(plate, picture=solid.astype(np.float32)), mask
    if background.kind == "picture" and background.picture is not None:
        behind = _covering(background.picture, plate.height, plate.width)
    else:
        behind = _blurred(plate.picture, mask)
    mixed = solid * mask[..., None] + behind * (1 - mask[..., None])
    return replace(plate, picture=mixed.astype(np.float32)), None


def pictures_of(photo: Plate, person: Plate, alpha: Picture) -> dict[str, Picture]:
    """
    Return pictures ``[H, W, 3]`` that the package can have as its background, by name.

    ``person`` and ``alpha`` are what `with_background` has made of ``photo``. Over the
    picture `PHOTO` the person looks as in the photo, also where the mask is soft.
    """
    visible = np.maximum(1 - alpha, 1 - _PERSON)[..., None]
    mixed = alpha[..., None] * (photo.picture - person.picture)
    behind = (photo.picture + mixed / visible).clip(0, 1)
    return {PHOTO: behind, "blurred": _blurred(photo.picture, alpha)}


def _blurred(picture: Picture, mask: Picture) -> Picture:
    """Return the background alone, blurred, without the person's colours."""
    free = (blur(mask, 4.0) < _NO_PERSON).astype(np.float32)
    return spread(picture, free, _BLUR_PX)


def _covering(picture: Picture, height: int, width: int) -> Picture:
    """Return the largest middle part of a picture with this aspect ratio, scaled."""
    rows, columns = picture.shape[:2]
    scale = min(rows / height, columns / width)
    down, across = round(height * scale), round(width * scale)
    top, left = (rows - down) // 2, (columns - across) // 2
    return resized(picture[top : top + down, left : left + across], height, width)


def _refined(person: Picture, picture: Picture) -> Picture:
    """Return a mask that follows the edges of the picture (He et al. 2010)."""
    height, width = person.shape
    small = (height // _REDUCTION, width // _REDUCTION)
    light = torch.from_numpy(resized(picture.mean(-1), *small))[None, None]
    mask = torch.from_numpy(resized(person, *small))[None, None]

    def mean(values: torch.Tensor) -> torch.Tensor:
        return F.avg_pool2d(
            values, 2 * _WINDOW + 1, 1, _WINDOW, count_include_pad=False
        )

    middle, level = mean(light), mean(mask)
    slope = mean(light * mask) - middle * level
    slope = slope / (mean(light * light) - middle**2 + _VARIANCE)
    shift = level - slope * middle
    large = [
        F.interpolate(mean(part), (height, width), mode="bilinear")[0, 0].numpy()
        for part in (slope, shift)
    ]
    refined = large[0] * picture.mean(-1) + large[1]
    clear: Picture = ((refined - _CLEAR) / (1 - 2 * _CLEAR)).clip(0, 1)
    return clear
