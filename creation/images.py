"""
Operations on pictures: light, blur, sampling, masks.

A picture is ``[H, W, C]`` or ``[H, W]`` float32. Pixel positions are x to the right and
y down, 0 at the corner of the first pixel, so that its centre is 0.5, 0.5.
"""

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw

from creation.arrays import Floats, Mask, Picture, Whole

_GAMMA = 2.2  # of sRGB, approximately
_KERNEL_SIGMAS = 3.0  # half the width of a blur's kernel
_FINE = 4  # samples per pixel and axis of a polygon's edge
_MIN_SIGMA = 2.5  # in pixels of the smaller picture that a wide blur works on


def linear(srgb: Picture) -> Picture:
    """Return sRGB 0..1 as linear light."""
    return np.power(np.maximum(srgb, 0), np.float32(_GAMMA))


def encode(light: Picture) -> Picture:
    """Return linear light as sRGB, limited to 0..1."""
    return np.power(np.clip(light, 0, 1), np.float32(1 / _GAMMA))


def _planes(values: npt.NDArray[np.floating]) -> torch.Tensor:
    """Return a picture as ``[1, C, H, W]`` float32."""
    tensor = torch.from_numpy(np.ascontiguousarray(values, np.float32))
    return tensor.movedim(-1, 0)[None] if tensor.ndim == 3 else tensor[None, None]


def _picture(planes: torch.Tensor, like: npt.NDArray[np.floating]) -> Picture:
    image = planes[0].movedim(0, -1) if like.ndim == 3 else planes[0, 0]
    array: Picture = image.contiguous().numpy()
    return array


def blur(values: npt.NDArray[np.floating], sigma: float) -> Picture:
    """Return a picture blurred by a Gaussian; beyond an edge its pixels go on."""
    planes = _planes(values)
    factor = max(1, int(sigma / _MIN_SIGMA))
    if factor == 1:
        return _picture(_convolved(planes, sigma), values)
    height, width = planes.shape[2:]
    planes = F.pad(planes, (0, -width % factor, 0, -height % factor), mode="replicate")
    small = _convolved(F.avg_pool2d(planes, factor), sigma / factor)
    large = F.interpolate(small, planes.shape[2:], mode="bilinear")
    return _picture(large[..., :height, :width], values)


def _convolved(planes: torch.Tensor, sigma: float) -> torch.Tensor:
    reach = max(1, int(np.ceil(_KERNEL_SIGMAS * sigma)))
    at = torch.arange(-reach, reach + 1, dtype=torch.float32)
    kernel = torch.exp(-(at**2) / (2 * sigma**2))
    kernel /= kernel.sum()
    across = planes.flatten(0, 1)[:, None]
    across = F.pad(across, (reach, reach, 0, 0), mode="replicate")
    across = F.conv2d(across, kernel.view(1, 1, 1, -1))
    down = F.pad(across, (0, 0, reach, reach), mode="replicate")
    return F.conv2d(down, kernel.view(1, 1, -1, 1)).view(planes.shape)


def spread(values: Picture, known: Picture, sigma: float) -> Picture:
    """
    Return the blur of what is known of a picture: a normalised convolution.

    ``known`` ``[H, W]`` are weights 0..1. Far from all of it, the mean goes on.
    """
    weight = known[..., None]
    total = max(float(known.sum()), 1e-6)
    mean = (values * weight).sum((0, 1)) / total
    few = np.float32(1e-4)
    blurred = blur(values * weight, sigma) + few * mean
    return np.asarray(blurred / (blur(known, sigma) + few)[..., None], np.float32)


def sample(
    picture: Picture, points: npt.NDArray[np.floating], mode: str = "bilinear"
) -> Picture:
    """
    Return the picture ``[H, W, C]`` at pixel positions ``[..., 2]``: ``[..., C]``.

    ``mode``: bilinear, or bicubic, which keeps fine detail and may leave 0..1.
    """
    height, width = picture.shape[:2]
    scale = np.array([2 / width, 2 / height], np.float32)
    at = torch.from_numpy(points.reshape(1, 1, -1, 2).astype(np.float32) * scale - 1)
    out = F.grid_sample(
        _planes(picture), at, mode=mode, padding_mode="border", align_corners=False
    )
    values: Picture = (
        out[0, :, 0].T.reshape(*points.shape[:-1], -1).contiguous().numpy()
    )
    return values


def resized(picture: Picture, height: int, width: int) -> Picture:
    """Return a picture in another size, without aliasing."""
    planes = F.interpolate(
        _planes(picture), (height, width), mode="bilinear", antialias=True,
        align_corners=False,
    )  # fmt: skip
    return _picture(planes, picture)


def shrunk(mask: Mask, pixels: int) -> Mask:
    """Return a mask without the pixels that are close to its edge."""
    return ~grown(~mask, pixels)


def grown(mask: Mask, pixels: int) -> Mask:
    """Return a mask with the pixels that are close to it."""
    if pixels < 1:
        return mask
    return np.asarray(dilated(mask.astype(np.float32), pixels) > 0.5)


def dilated(values: Picture, pixels: int) -> Picture:
    """Return the largest value within some pixels of each pixel, in x and in y."""
    width = 2 * pixels + 1
    # Of a row and then of a column: the whole square would be read for each pixel.
    across = F.max_pool2d(_planes(values), (1, width), 1, (0, pixels))
    return _picture(F.max_pool2d(across, (width, 1), 1, (pixels, 0)), values)


def ramp(values: Picture, low: float, high: float) -> Picture:
    """Return 0 for values up to ``low``, 1 from ``high`` on, and a line between."""
    share: Picture = np.clip((values - low) / (high - low), 0, 1)
    return share


def polygon(points: npt.NDArray[np.floating], height: int, width: int) -> Picture:
    """Return how much of each pixel lies in a polygon of pixel positions ``[n, 2]``."""
    low = np.floor(points.min(0)).astype(int)
    size = np.ceil(points.max(0)).astype(int) - low
    fine = Image.new("L", (int(size[0]) * _FINE + 1, int(size[1]) * _FINE + 1))
    corners = [tuple(corner) for corner in ((points - low) * _FINE).tolist()]
    ImageDraw.Draw(fine).polygon(corners, fill=255)
    part = np.asarray(fine.reduce(_FINE), np.float32)[: size[1], : size[0]] / 255
    out = np.zeros((height, width), np.float32)
    left, top = np.maximum(low, 0)
    right, bottom = np.minimum(low + size, [width, height])
    if right > left and bottom > top:
        x, y = np.array([left, top]) - low
        out[top:bottom, left:right] = part[y : y + bottom - top, x : x + right - left]
    return out


def nearest(mask: Mask) -> tuple[Whole, Whole, Floats]:
    """
    Return row, column and distance of the nearest true pixel, ``[H, W]`` each.

    Exact Euclidean distances by two passes, for masks of some hundred pixels. Without
    a true pixel, the distances are infinite.
    """
    height, width = mask.shape
    rows = np.arange(height)[:, None]
    above = np.maximum.accumulate(np.where(mask, rows, -(1 << 20)), 0)
    below = np.minimum.accumulate(np.where(mask, rows, 1 << 20)[::-1], 0)[::-1]
    row = np.where(rows - above <= below - rows, above, below)
    down = (row - rows).astype(np.float64) ** 2  # to the nearest one of the column
    offsets = (np.arange(width)[:, None] - np.arange(width)[None]) ** 2.0
    column = np.empty((height, width), np.int64)
    for i in range(height):
        column[i] = (offsets + down[i]).argmin(1)
    found = np.take_along_axis(row, column, 1)
    distance = np.hypot(found - rows, column - np.arange(width)[None])
    if not mask.any():
        distance[:] = np.inf
    return np.clip(found, 0, height - 1), column, distance
