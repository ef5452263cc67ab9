"""
Crop of the base image that fills a video frame of any size.

"Base-image pixels" are pixels of the base image, "frame pixels" those of the frame.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from renderer.yuv import Box, even_box


@dataclass(frozen=True, slots=True)
class Crop:
    """Part of the base image that a frame of ``width`` x ``height`` shows, scaled."""

    width: int
    height: int
    scale: float  # frame pixels per base-image pixel
    left: float  # base-image pixels that are cut off at the left
    top: float

    @classmethod
    def covering(cls, width: int, height: int, columns: int, rows: int) -> "Crop":
        """
        Return the largest centred crop with the aspect ratio ``width`` : ``height``.

        The base image has ``columns`` x ``rows`` pixels.
        """
        scale = max(width / columns, height / rows)
        left, top = (columns - width / scale) / 2, (rows - height / scale) / 2
        return cls(width, height, scale, left, top)

    def even_step(self, base_pixels: float) -> int:
        """Return a length in base-image pixels as an even number of frame pixels."""
        return max(2, 2 * round(base_pixels * self.scale / 2))

    def nodes(self, box: Box, step: int) -> npt.NDArray[np.float32]:
        """
        Return the centres of the squares of ``step`` frame pixels that tile ``box``.

        They are in base-image pixels: ``[2, h, w]``.
        """
        x = np.arange(box.left + step / 2, box.left + box.width, step) / self.scale
        y = np.arange(box.top + step / 2, box.top + box.height, step) / self.scale
        grid = np.meshgrid(x + self.left, y + self.top)
        return np.stack(grid).astype(np.float32)

    def box(
        self, left: float, top: float, right: float, bottom: float,
        step: int, within: Box | None = None,
    ) -> Box:  # fmt: skip
        """
        Return the visible frame pixels of a base-image rectangle, in whole steps.

        Steps count from the corner of ``within``. Without it they count from the
        corner of the frame, and the last step may end beyond the frame. The width or
        height is 0 if the frame shows nothing of the rectangle.
        """
        edges = even_box(
            (left - self.left) * self.scale, (top - self.top) * self.scale,
            (right - self.left) * self.scale, (bottom - self.top) * self.scale,
            self.width, self.height,
        )  # fmt: skip
        outer = within or Box(
            0, 0, _round_up(self.width, step), _round_up(self.height, step)
        )
        x, width = _whole_steps(edges.left, edges.width, outer.left, outer.width, step)
        y, height = _whole_steps(edges.top, edges.height, outer.top, outer.height, step)
        return Box(x, y, width, height)


def _round_up(length: int, step: int) -> int:
    return -(-length // step) * step


def _whole_steps(
    start: int, length: int, outer_start: int, outer_length: int, step: int
) -> tuple[int, int]:
    """Return ``start`` and ``length`` grown to whole steps inside the outer range."""
    first = max(0, (start - outer_start) // step)
    last = min(-(-(start + length - outer_start) // step), outer_length // step)
    return outer_start + first * step, max(0, last - first) * step
