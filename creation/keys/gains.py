"""Gain of the skin: what the donor's colours are multiplied with to be the person's."""

from dataclasses import dataclass

import numpy as np

from creation.arrays import Floats, Mask, Picture
from creation.images import blur, linear, sample, shrunk
from creation.keys.donor_pictures import DonorPictures
from creation.keys.head import Head, LipLine, lip_line
from creation.keys.view import View
from creation.surface import facing, harmonic

# Vertices this close to where lips meet have no colour of their own in the photo.
RIM_M = 0.0022
_SEEN = 0.25  # cosine to the camera above which the colour of a vertex counts
_SOFT_PX = 4.0  # sigma over which photo and donor are compared
_FINE_PX, _WIDE_PX = 1.5, 14.0  # sigmas of detail, and of the skin around it
_PLAIN = (0.7, 1.3)  # light of plain skin, of that around it: no brow, lash or nostril
_PLAIN_DONOR = (0.8, 1.3)
_MARGIN_PX = 48  # around the face, for the blurs
_GAIN = (0.03, 6.0)
_TEETH_LIGHT = (0.8, 1.0)  # limits of the light of teeth, of the donor's
_DARK = 0.01  # linear light below which a ratio means nothing
_PULL = 2.0  # weight of known gains against smoothness
_COMPARABLE = (0.3, 0.5)  # cosines between which shading begins to come along
_LINING_M = 0.0003  # behind what the donor shows at rest, at least
_MOUTH_M = 0.03  # from where lips meet, at most
_FLAT_M = 0.0008  # tolerance for vertices whose pixels are taken as they are
_FLAT = 0.1  # cosine for the same


@dataclass(frozen=True, slots=True)
class SkinGains:
    """Colours and visibility of each vertex in the photo."""

    gain: Floats  # [V, 3]: linear light of the photo, of the donor's
    plain: Floats  # [V]: light of the photo, of that around it
    usable: Floats  # [V]: 1 where the photo shows the vertex
    lining: Floats  # [V]: 1 for skin that lines the mouth, behind the lips
    comparable: Floats  # [V]: 1 where photo and donor see the skin from the front
    line: LipLine


def skin_gains(head: Head, pictures: DonorPictures) -> SkinGains:
    """Compare photo and donor where both show skin; elsewhere gains are smooth."""
    donor, photo = head.donor, head.photo_view
    line = lip_line(donor)
    everywhere = np.ones(len(donor.neutral), bool)
    faced = facing(donor.neutral, donor.camera, head.triangles, everywhere)
    visible = photo.shows(photo.xy, photo.depth) & (head.front > _SEEN)
    visible &= head.donor_view.shows(head.donor_view.xy, head.donor_view.depth)
    visible &= faced > _SEEN
    own = _Face.of(head, head.plate.picture, photo)
    other = _Face.of(head, pictures.base_image, head.donor_view)
    ratio = own.light() / np.maximum(other.light(), _DARK)
    plain = own.plainness()
    skin = donor.part("skin")
    both = _between(plain, _PLAIN) & _between(other.plainness(), _PLAIN_DONOR)
    known = skin & visible & (line.distance >= RIM_M) & (line.lips | both)
    triangles = head.triangles[skin[head.triangles[:, 0]]]
    logs = np.log(np.clip(ratio, *_GAIN))
    gain = np.exp(harmonic(triangles, known.astype(float), logs, _PULL))
    usable = photo.shows(photo.xy, photo.depth, _FLAT_M) & (head.front > _FLAT)
    rest = head.donor_view
    lining = skin & ~rest.shows(rest.xy, rest.depth, _LINING_M)
    lining &= (line.distance > RIM_M) & (line.distance < _MOUTH_M)
    both_front = np.minimum(head.front, faced)
    low, high = _COMPARABLE
    comparable = np.clip((both_front - low) / (high - low), 0, 1)
    return SkinGains(
        gain, plain, usable.astype(float), lining.astype(float), comparable, line
    )


def _between(values: Floats, limits: tuple[float, float]) -> Mask:
    inside: Mask = (values > limits[0]) & (values < limits[1])
    return inside


@dataclass(frozen=True, slots=True)
class _Face:
    """Part of a picture around the vertices that are drawn."""

    picture: Picture  # [h, w, 3]
    xy: Floats  # [V, 2]: pixels of the part

    @classmethod
    def of(cls, head: Head, picture: Picture, view: View) -> "_Face":
        drawn = view.xy[head.drawn]
        height, width = picture.shape[:2]
        low = np.clip(drawn.min(0) - _MARGIN_PX, 0, [width, height]).astype(int)
        high = np.clip(drawn.max(0) + _MARGIN_PX, 0, [width, height]).astype(int)
        return cls(picture[low[1] : high[1], low[0] : high[0]], view.xy - low)

    def light(self) -> Floats:
        """Return the linear light at the vertices, blurred, ``[V, 3]``."""
        soft = linear(blur(self.picture, _SOFT_PX))
        return sample(soft, self.xy).astype(np.float64)

    def plainness(self) -> Floats:
        """Return the light at each vertex, of that of its surroundings, ``[V]``."""
        fine = linear(blur(self.picture, _FINE_PX)).mean(-1)
        wide = linear(blur(self.picture, _WIDE_PX)).mean(-1)
        ratio = (fine / np.maximum(wide, _DARK))[..., None]
        return sample(ratio, self.xy)[:, 0].astype(np.float64)


def white_gain(head: Head, pictures: DonorPictures) -> Floats:
    """
    Return the gain ``[3]`` of teeth, gums and tongue: that of the whites of the eyes.

    The light is limited more than the colour, as whites may be shaded, and teeth are no
    brighter than the donor's: eyes that are open wide say nothing about them.
    """
    whites = [
        _white(head, head.plate.picture, head.photo_view),
        _white(head, pictures.base_image, head.donor_view),
    ]
    ratio = whites[0] / np.maximum(whites[1], _DARK)
    light = np.clip(ratio.mean(), *_TEETH_LIGHT)
    gain: Floats = np.clip(light * (ratio / ratio.mean()) ** 0.4, 0.6, 1.3)
    return gain


def _white(head: Head, picture: Picture, view: View) -> Floats:
    """Return the mean linear light ``[3]`` of the whites of the eyes in a picture."""
    eyes = shrunk(head.is_part(view.mesh.triangle, "eyes"), 2)
    if not eyes.any():
        return np.full(3, 0.5)
    left, top, right, bottom = view.box
    pixels = linear(picture[top:bottom, left:right][eyes])
    light = pixels.mean(1)
    low, high = np.percentile(light, [60, 92])
    chosen = (light >= low) & (light <= high)
    return np.asarray(pixels[chosen].mean(0), np.float64)
