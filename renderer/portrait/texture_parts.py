"""Images of one box, laid over a background and scaled for a frame size."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from renderer.portrait.model import Floats
from renderer.yuv import rgb_to_planes, to_codes

Bytes = npt.NDArray[np.uint8]

# Texture pixels per frame pixel, if the image has as many.
_MAX_OVERSAMPLING = 1.5


@dataclass(frozen=True, slots=True)
class TextureParts:
    """``K`` images of one size and position: their planes, in whole codes."""

    luma: Bytes  # [K, h, w]
    chroma: Bytes  # [2, K, h / 2, w / 2]
    corner: tuple[float, float]  # left top corner of all images, base-image pixels
    sides: tuple[int, int]  # width and height in base-image pixels

    @classmethod
    def of(
        cls, images: Bytes, background: Floats, corner: tuple[float, float],
        scale: float,
    ) -> "TextureParts":  # fmt: skip
        """
        Lay ``images`` ``[K, 4, h, w]`` over ``background`` ``[3, h, w]``, and scale.

        Images are RGBA with straight alpha; the background is RGB, 0..1. ``scale``:
        frame pixels per base-image pixel.
        """
        count, _, rows, columns = images.shape
        ratio = min(1.0, scale * _MAX_OVERSAMPLING)
        height, width = (max(2, round(n * ratio / 2) * 2) for n in (rows, columns))
        luma = np.empty((count, height, width), np.uint8)
        chroma = np.empty((2, count, height // 2, width // 2), np.uint8)
        # One by one: the floats of one image stay in the processor's cache.
        for i, image in enumerate(images):
            y, uv = rgb_to_planes(_scaled(composite(image, background), height, width))
            luma[i], chroma[:, i] = to_codes(y), to_codes(uv)
        return cls(luma, chroma, corner, (columns, rows))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of images, and rows and columns of each one."""
        count, rows, columns = self.luma.shape
        return count, rows, columns

    @property
    def density(self) -> tuple[float, float]:
        """Texels per base-image pixel, across and down."""
        _, rows, columns = self.luma.shape
        return columns / self.sides[0], rows / self.sides[1]

    def still(self, nodes: Floats, plane_nodes: Floats) -> tuple[Floats, Floats]:
        """
        Return luma and chroma of the first image, sampled where nothing has moved.

        ``nodes`` ``[2, h, w]`` and ``plane_nodes`` are the centres of the pixels of
        both, in base-image pixels: a regular grid.
        """
        luma = self._sampled(self.luma[0], nodes, 1)
        chroma = [self._sampled(part, plane_nodes, 2) for part in self.chroma[:, 0]]
        return luma, np.stack(chroma)

    def _sampled(self, plane: Bytes, nodes: Floats, size: int) -> Floats:
        """Return a plane, whose texels are ``size`` texels of luma wide, at nodes."""
        (left, top), (across, down) = self.corner, self.density
        x = (nodes[0, 0].astype(np.float64) - left) * (across / size) - 0.5
        y = (nodes[1, :, 0].astype(np.float64) - top) * (down / size) - 0.5
        return _between(_between(plane.astype(np.float32), y, 0), x, 1)


def composite(image: Bytes, background: Floats) -> Floats:
    """
    Return RGBA over a background as RGB 0..1 ``[3, h, w]``.

    ``image`` ``[4, h, w]`` has straight alpha; ``background`` is RGB 0..1.
    """
    image = np.ascontiguousarray(image)  # pixels of a file lie channel by channel
    rgb = image[:3] * np.float32(1 / 255)
    if image[3].min() < 255:
        rgb -= background
        rgb *= image[3] * np.float32(1 / 255)
        rgb += background
    return rgb


def _scaled(rgb: Floats, height: int, width: int) -> Floats:
    """Return ``rgb`` ``[3, h, w]`` as ``[3, height, width]``, 0..1."""
    if rgb.shape[1:] == (height, width):
        return rgb
    planes = [
        Image.fromarray(plane).resize((width, height), Image.Resampling.BILINEAR)
        for plane in rgb
    ]
    return np.stack([np.asarray(plane) for plane in planes])


def _between(plane: Floats, positions: npt.NDArray[np.float64], axis: int) -> Floats:
    """Return rows or columns of a plane at positions, interpolated linearly."""
    last = plane.shape[axis] - 1
    positions = positions.clip(0, last)
    before = positions.astype(np.int64)
    way = (positions - before).astype(np.float32)
    if axis == 0:
        way = way[:, None]
    first = plane.take(before, axis)
    second = plane.take(np.minimum(before + 1, last), axis)
    between: Floats = first + (second - first) * way
    return between
