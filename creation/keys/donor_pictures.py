"""Pictures of a donor: base image and keyframes, over a plain background."""

from dataclasses import dataclass

import numpy as np

from creation.arrays import Floats, Picture
from creation.donor.loader import Donor
from creation.keys.view import Box
from renderer.portrait.model import Closeup

_BACKGROUND = np.array([0x93, 0xA8, 0xB0], np.float32) / 255  # where alpha is 0


@dataclass(frozen=True, slots=True)
class DonorPictures:
    """Base image and close-ups of a donor, as a package has them."""

    base_image: Picture  # [H, W, 3]
    closeups: dict[str, Closeup]

    @classmethod
    def of(cls, donor: Donor) -> "DonorPictures":
        portrait = donor.portrait
        closeups = {closeup.name: closeup for closeup in portrait.closeups}
        return cls(_flat(portrait.base_image), closeups)

    def box(self, name: str) -> Box:
        """Return left, top, right and bottom of a close-up in the base image."""
        closeup = self.closeups[name]
        _, _, rows, columns = closeup.keyframes.shape
        left, top = closeup.left, closeup.top
        return left, top, left + columns, top + rows

    def weights(self, name: str) -> Floats:
        """Return the unit weights ``[K, U]`` of the keyframes of a close-up."""
        return self.closeups[name].weights.astype(np.float64)

    def keyframe(self, name: str, number: int) -> Picture:
        """Return a keyframe, ``[h, w, 3]``."""
        return _flat(self.closeups[name].keyframes[number])


def _flat(rgba: np.ndarray) -> Picture:
    """Return RGBA ``[4, H, W]`` uint8 over the background, ``[H, W, 3]``."""
    values = np.moveaxis(rgba, 0, -1).astype(np.float32) / 255
    alpha = values[..., 3:]
    return np.asarray(values[..., :3] * alpha + _BACKGROUND * (1 - alpha), np.float32)
