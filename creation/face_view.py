"""Face of a photo, cut out upright in one size, with areas and profiles in it."""

import math

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from creation.arrays import Picture
from creation.vision import rings
from creation.vision.crop import Points, Square
from creation.vision.faces import Landmarks

Area = npt.NDArray[np.bool_]  # [SIDE, SIDE]

SIDE = 384  # pixels
_MARGIN = 1.3  # side of the view, in sides of the face
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
# Middles of small discs on cheeks and beside the nose, which seldom have a beard.
_SKIN = (50, 280, 205, 425, 117, 346)


class FaceView:
    """
    Colours of one face, and measures of parts of it.

    ``points`` ``[478, 2]`` are its landmarks in pixels of the view.
    """

    def __init__(self, picture: Picture, landmarks: Landmarks) -> None:
        plane = landmarks.points[:, :2]
        x, y = plane[263] - plane[33]
        angle = math.atan2(y, x)
        turn = np.array(
            [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
        )
        own = plane[list(rings.OVAL)] @ turn
        low, high = own.min(0), own.max(0)
        centre = turn @ ((low + high) / 2)
        side = _MARGIN * float(np.max(high - low))
        square = Square(centre[0], centre[1], side, angle)
        self.colours = square.cut(picture, SIDE)[0].permute(1, 2, 0).numpy()
        self._centre, self._turn, self._side = centre, turn, side
        self.points: Points = self.to_view(plane)
        self.luma = self.colours @ _LUMA
        self.eye_distance = self.distance(33, 263)
        discs = [self.disc(self.points[n], 0.06 * self.eye_distance) for n in _SKIN]
        skin = np.any(discs, 0)
        self.skin_luma = max(float(np.median(self.luma[skin])), 0.01)
        self.skin_colour = np.median(self.colours[skin], 0)

    def to_view(self, points: Points) -> Points:
        """Map points ``[..., 2]`` from the picture into the view."""
        own: Points = (points - self._centre) @ self._turn / self._side
        return (own + 0.5) * SIDE

    def distance(self, one: int, other: int) -> float:
        """Return the distance of two landmarks in pixels of the view."""
        return float(np.linalg.norm(self.points[one] - self.points[other]))

    def polygon(self, corners: Points) -> Area:
        """Return the inside of a polygon ``[N, 2]``."""
        mask = Image.new("L", (SIDE, SIDE))
        ImageDraw.Draw(mask).polygon([(x, y) for x, y in corners.tolist()], fill=1)
        return np.asarray(mask) > 0

    def disc(self, centre: Points, radius: float) -> Area:
        """Return the inside of a circle."""
        middles = np.arange(SIDE) + 0.5
        x, y = middles - centre[0], middles[:, None] - centre[1]
        inside: Area = x * x + y * y < radius * radius
        return inside

    def ridge(self, start: Points, end: Points, reach: float) -> float:
        """
        Return how strongly the line from ``start`` to ``end`` crosses a thin stripe.

        It is the difference in luma between the stripe and both of its sides,
        ``reach`` pixels away, in lumas of the skin: 0.05 for a fold, 1 for a black
        frame of glasses.
        """
        count = max(int(np.linalg.norm(end - start)), 1)
        at = start + (end - start) * np.linspace(0, 1, count)[:, None]
        x, y = at.clip(0, SIDE - 1).astype(int).T
        profile = self.luma[y, x]
        step = max(round(reach), 1)
        if count <= 2 * step:
            return 0.0
        middle, sides = profile[step:-step], (profile[: -2 * step], profile[2 * step :])
        darker = np.minimum(*sides) - middle
        brighter = middle - np.maximum(*sides)
        return max(float(darker.max()), float(brighter.max()), 0.0) / self.skin_luma
