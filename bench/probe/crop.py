"""A part of a picture, by its pixels in a picture of one size, cut out of any size."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

Luma = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Crop:
    left: int
    top: int
    width: int
    height: int
    of_width: int  # of the whole picture
    of_height: int

    def __str__(self) -> str:
        edges = (self.left, self.top, self.width, self.height)
        return ",".join(map(str, (*edges, self.of_width, self.of_height)))

    @classmethod
    def parse(cls, text: str) -> Self:
        """What `str` makes of one."""
        return cls(*map(int, text.split(",")))

    def of(self, luma: Luma) -> Luma:
        """
        Always ``[height, width]``, a copy, of the nearest pixels.

        A room may scale a picture down when it is short of processor or network.
        """
        rows, columns = luma.shape
        down = np.arange(self.top, self.top + self.height) + 0.5
        across = np.arange(self.left, self.left + self.width) + 0.5
        y = (down * rows / self.of_height).astype(int)
        x = (across * columns / self.of_width).astype(int)
        return luma[np.ix_(y, x)]
