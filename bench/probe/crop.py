"""Rectangle of a video frame, cut out at any resolution of that frame."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

Luma = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Crop:
    """Rectangle in pixels of a frame of ``of_width`` by ``of_height``."""

    left: int
    top: int
    width: int
    height: int
    of_width: int
    of_height: int

    def __str__(self) -> str:
        edges = (self.left, self.top, self.width, self.height)
        return ",".join(map(str, (*edges, self.of_width, self.of_height)))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the crop whose `str` is ``text``."""
        return cls(*map(int, text.split(",")))

    def of(self, luma: Luma) -> Luma:
        """
        Return a copy of the rectangle, ``[height, width]``, by nearest pixels.

        ``luma`` may be smaller than the frame: LiveKit scales video down when processor
        or network are short.
        """
        rows, columns = luma.shape
        down = np.arange(self.top, self.top + self.height) + 0.5
        across = np.arange(self.left, self.left + self.width) + 0.5
        y = (down * rows / self.of_height).astype(int)
        x = (across * columns / self.of_width).astype(int)
        return luma[np.ix_(y, x)]
