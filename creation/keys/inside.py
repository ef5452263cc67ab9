"""
Teeth, gums and tongue: the donor's, rendered alone in even light, shaded anew.

How bright they are in each expression is taken from the donor's keyframe of it, and for
the person from the photo's own teeth or the whites of its eyes.
"""

from dataclasses import dataclass

import numpy as np

from creation.arrays import Floats, Ints, Mask, Picture, Whole
from creation.donor.layout import INSIDE
from creation.fit.inside import upper_teeth
from creation.images import blur, linear, ramp, sample, spread
from creation.keys.donor_pictures import DonorPictures
from creation.keys.gains import SkinGains, white_gain
from creation.keys.head import Head, unit
from creation.keys.samples import Samples
from creation.keys.view import View
from creation.surface import harmonic

_TOLERANCE_M = 0.0015
_OPAQUE = 0.9  # alpha of a pixel whose colour counts
_PULL = 5.0
_WIDE_MOUTHS = 6  # keyframes of the donor that say how bright its teeth are
# Light that reaches in: it fades behind the front teeth, and below the upper lip.
_FRONT_M, _FADE_M = 0.006, 0.05
_LIP_SHADE, _LIP_PX = 0.35, 5.0
# It comes in between the lips: so many heights of the opening, behind the front teeth
# and behind the lips, half of it is left. Lips are so thick.
_CHEEK_HEIGHTS, _LIP_HEIGHTS, _LIP_M = 2.0, 12.0, 0.004
_SLIT_M = 0.001  # added to the height
_HEIGHT_PX, _NEAR_PX = 5.0, 8.0  # sigmas of the height, and of the lips' depth
_LEAST = 0.05
# Tongue: sigmas of the seam between what the donor shows of it and what it does not, of
# the light that goes on there, and of the shadow of what lies dark beside it.
_SEAM_PX, _TONGUE_PX, _BESIDE_PX = 2.0, 6.0, 5.0
_BESIDE = 1.2  # strength of that shadow; half of it falls on the edge
_DARK = 0.01  # even light below which a ratio means nothing
# Limits of the light of teeth as in the donor's keyframe, of the shade's; and the
# number of vertices with which both count alike.
_AS_DONORS = (0.3, 2.5)
_FEW_VERTICES = 30
# The lamp lights teeth of one side more: metres over which it is measured, strength,
# weight against noise, and skin that tells of it by its distance from the lips.
_ASIDE_M, _ASIDE, _FEW_SLOPE = 0.02, 0.7, 10.0
_SKIN_M = (0.003, 0.035)
_MIN_TEETH_PX = 150  # of the open mouth in the plate, to take its colour
_PHOTO_GAIN = (0.6, 1.5)


@dataclass(frozen=True, slots=True)
class InnerMouth:
    """Pictures of the inside of a donor's mouth, and where its vertices are in them."""

    views: tuple[View, ...]  # of teeth, gums and tongue alone
    lights: tuple[Picture, ...]  # [h, w, 4]: linear light, and alpha
    jaws: Floats  # [N]: weights of jawOpen
    pixels: float  # of a picture per base-image pixel
    colours: Floats  # [V, 3]: mean light of each vertex
    level: float  # light of front teeth in the donor's wide mouths, of `colours`
    white: Floats  # [3]: of the person's mouth, of the donor's keyframes
    upper: Mask  # [V]: vertices of upper teeth
    across: Floats  # [V]: from the middle of them to the right; 1 is `_ASIDE_M`
    lamp: float  # how the photo's light grows to the right, of the donor's: see `_lamp`

    @classmethod
    def of(cls, head: Head, gains: SkinGains, pictures: DonorPictures) -> "InnerMouth":
        donor = head.donor
        interior = donor.interior
        inside = donor.part(*INSIDE)
        triangles = donor.triangles[inside[donor.triangles].all(1)]
        views, lights = [], []
        for weights, rgba in zip(interior.weights, interior.pictures, strict=True):
            views.append(
                View.of(
                    donor.posed(weights), donor.camera, triangles, head.lift,
                    interior.box,
                )
            )  # fmt: skip
            values = rgba.astype(np.float32) / 255
            values[..., :3] = linear(values[..., :3])
            lights.append(values)
        scale = 1 / interior.step
        colours = _vertex_colours(views, lights, scale, triangles, inside)
        level = _level(head, pictures, colours)
        white = _person_gain(head, pictures, level * colours)
        upper = upper_teeth(donor)
        across = (donor.neutral[:, 0] - np.median(donor.neutral[upper, 0])) / _ASIDE_M
        return cls(
            tuple(views), tuple(lights), interior.weights[:, unit("jawOpen")], scale,
            colours, level, white, upper, across, _lamp(head, gains, across),
        )  # fmt: skip

    def light(self, samples: Samples, chosen: Whole, view: View, jaw: float,
              triangles: Ints) -> Picture:  # fmt: skip
        """
        Return the light ``[n, 3]`` of the samples ``chosen`` of a keyframe.

        ``view`` is that of the keyframe, ``jaw`` its weight of jawOpen.
        """
        part = samples.only(chosen)
        columns = [self.colours, view.depth[:, None]]
        for one in self.views:
            columns += [one.xy, one.depth[:, None]]
        table = np.concatenate(columns, 1).astype(np.float32)
        carried = part.carried(triangles, table)
        light = carried[:, :3].copy()
        open_to = np.argsort(-np.abs(self.jaws - jaw))  # the nearest one last: it wins
        for number in open_to:
            at = carried[:, 4 + 3 * number : 7 + 3 * number]
            shown, colour = self._colour(int(number), at)
            light[shown] = colour[shown]
        return np.asarray(light * self.level * self.white, np.float32)

    def as_donors(
        self, shade: Picture, samples: Samples, triangles: Ints, view: View,
        light: Picture,
    ) -> Picture:  # fmt: skip
        """
        Return ``shade`` ``[n]`` times what makes upper teeth as bright as the donor's.

        It is ``[n, 3]``, as lips lend teeth some of their colour, and grows or falls
        from left to right with the lamp. ``samples`` are those of the shade, on
        ``triangles`` ``[T, 3]``. ``view`` is that of the donor's keyframe, and
        ``light`` ``[h, w, 3]`` its linear light. Where the keyframe shows few teeth
        the shade stays.
        """
        own = self.upper[triangles[samples.triangle, 0]]
        teeth = np.flatnonzero(self.upper)
        at = teeth[view.shows(view.xy[teeth], view.depth[teeth], _TOLERANCE_M)]
        if not own.any() or not len(at):
            return np.repeat(shade[:, None], 3, 1)
        shown = sample(light, view.xy[at] - view.box[:2])
        lit = shown / np.maximum(self.colours[at], _DARK)
        ratio = np.median(lit, 0) / (self.level * np.median(shade[own]))
        sure = len(at) / (len(at) + _FEW_VERTICES)
        slope = _slope(np.log(np.maximum(lit.mean(1), _LEAST)), self.across[at])
        slope = np.clip(_ASIDE * (slope + self.lamp), -1, 1)
        across = samples.carried(triangles, self.across[:, None].astype(np.float32))
        aside = np.exp(sure * slope * across)
        level = np.clip(ratio, *_AS_DONORS) ** sure
        return np.asarray(shade[:, None] * level * aside, np.float32)

    def aside(self, samples: Samples, triangles: Ints) -> Picture:
        """Return how much brighter the photo's lamp makes teeth aside, ``[n, 1]``."""
        across = samples.carried(triangles, self.across[:, None].astype(np.float32))
        slope = np.clip(_ASIDE * self.lamp, -1, 1)
        return np.asarray(np.exp(slope * across.clip(-1, 1)), np.float32)

    def _colour(self, number: int, at: Picture) -> tuple[Mask, Picture]:
        """Return where a picture shows points (x, y, depth), and its light there."""
        view = self.views[number]
        points = (at[:, :2] - view.box[:2]) * self.pixels
        values = sample(self.lights[number], points)
        shown = view.shows(at[:, :2], at[:, 2], _TOLERANCE_M)
        shown &= values[:, 3] > _OPAQUE
        return shown, values[:, :3]


def mouth_shade(
    samples: Samples, inner: Mask, depth: Picture, lips: Mask, pixel_m: float
) -> Picture:
    """
    Return how much light reaches each sample ``[N]`` inside a mouth.

    ``inner`` ``[N]`` are teeth, gums and tongue, of which some are seen; ``lips``
    ``[N]`` is skin around the opening; ``depth`` ``[N]`` is in metres, as is
    ``pixel_m``, the width of a pixel there.
    """
    front = float(np.percentile(depth[inner], 2)) + _FRONT_M
    behind = np.maximum(depth - front, 0)
    deep = np.exp(-behind / _FADE_M)
    inside = samples.grid(inner) > 0
    down = np.cumsum(inside, 0).astype(np.float32)
    lip = 1 - _LIP_SHADE * np.exp(-np.maximum(down - 1, 0) / _LIP_PX)
    heights = np.repeat(inside.sum(0, dtype=np.float32)[None], len(inside), 0)
    height = samples.ungrid(blur(heights, _HEIGHT_PX) * np.float32(pixel_m))
    share = deep * _through(behind, _CHEEK_HEIGHTS, height)
    if lips.any():
        opening = spread(samples.grid(depth)[..., None], samples.grid(lips), _NEAR_PX)
        past = np.maximum(depth - samples.ungrid(opening)[:, 0] - _LIP_M, 0)
        share = share * _through(past, _LIP_HEIGHTS, height)
    return np.asarray(np.maximum(share * samples.ungrid(lip), _LEAST), np.float32)


def tongue_light(
    samples: Samples, donor: Picture, tongue: Mask, seen: Mask, dark: Mask
) -> Picture:
    """
    Return the light ``[n, 3]`` of the samples that are ``tongue`` ``[N]``.

    It is the donor's, ``[N, 3]``, where that is ``seen`` ``[N]``, and goes on from
    there without a seam. It fades towards what is ``dark`` ``[N]`` beside the tongue.
    At least one pixel of the tongue is seen.
    """
    chosen = np.flatnonzero(tongue)
    row, column = np.divmod(samples.pixel[chosen], samples.shape[1])
    area = samples.around(samples.pixel[chosen], round(3 * _TONGUE_PX))
    own, known, deep, light = (
        samples.grid(values)[area] for values in (tongue, tongue & seen, dark, donor)
    )
    around = spread(light, known, _TONGUE_PX)
    share = blur(known, _SEAM_PX) / np.maximum(blur(own, _SEAM_PX), 1e-3)
    shadow = np.maximum(1 - _BESIDE * blur(deep, _BESIDE_PX), _LEAST)
    at = row - area[0].start, column - area[1].start
    smooth = ramp(np.asarray(share[at], np.float32), 0.5, 1.0) * seen[chosen]
    mixed = around[at] + (donor[chosen] - around[at]) * smooth[:, None]
    return np.asarray(mixed * shadow[at][:, None], np.float32)


def _through(behind: np.ndarray, heights: float, height: np.ndarray) -> np.ndarray:
    """
    Return the share ``[N]`` of the light that comes through an opening.

    ``behind`` and ``height`` ``[N]`` are in metres; ``heights`` of the opening behind
    it, half of the light is left.
    """
    reach = heights * height + _SLIT_M
    share: np.ndarray = 1 / (1 + (behind / reach) ** 2)
    return share


def _vertex_colours(
    views: list[View], lights: list[Picture], scale: float, triangles: Ints,
    inside: Mask,
) -> Floats:  # fmt: skip
    """Return the mean light ``[V, 3]`` of each vertex in all pictures."""
    total, count = np.zeros((len(inside), 3)), np.zeros(len(inside))
    for view, light in zip(views, lights, strict=True):
        values = sample(light, (view.xy - view.box[:2]) * scale)
        shown = inside & view.shows(view.xy, view.depth, _TOLERANCE_M)
        shown &= values[:, 3] > _OPAQUE
        total[shown] += values[shown, :3]
        count[shown] += 1
    mean = total / np.maximum(count, 1)[:, None]
    return harmonic(triangles, (count > 0).astype(float), mean, _PULL)


def _slope(values: Floats, across: Floats) -> float:
    """Return how values ``[n]`` grow to the right, beside what the sides share."""
    terms = np.stack([np.ones(len(across)), np.abs(across), across], 1)
    damping = np.diag([0, _FEW_SLOPE, _FEW_SLOPE])
    return float(np.linalg.solve(terms.T @ terms + damping, terms.T @ values)[2])


def _lamp(head: Head, gains: SkinGains, across: Floats) -> float:
    """
    Return how light grows to the right in the photo, of how it does in the donor's.

    It is the logarithm of it over `_ASIDE_M`, on skin around the mouth. Lamps are the
    reason: skin itself is alike on both sides.
    """
    low, high = _SKIN_M
    skin = head.donor.part("skin") & (gains.usable > 0.5) & (gains.comparable > 0.5)
    skin &= (gains.line.distance > low) & (gains.line.distance < high)
    if not skin.any():
        return 0.0
    return _slope(np.log(gains.gain[skin].mean(1)), across[skin])


def _level(head: Head, pictures: DonorPictures, colours: Floats) -> float:
    """Return how bright the donor's front teeth are in keyframes, of even light."""
    donor, box = head.donor, pictures.box("mouth")
    teeth = np.flatnonzero(donor.part("teeth"))
    weights = pictures.weights("mouth")
    ratios = []
    for number in np.argsort(-weights[:, unit("jawOpen")])[:_WIDE_MOUTHS]:
        view = head.donor_posed(weights[number], box, 2.0)
        at = teeth[view.shows(view.xy[teeth], view.depth[teeth], _TOLERANCE_M)]
        light = sample(
            linear(pictures.keyframe("mouth", number)), view.xy[at] - box[:2]
        )
        ratios.append(light.mean(1) / np.maximum(colours[at].mean(1), _DARK))
    return float(np.percentile(np.concatenate(ratios), 85))


def _person_gain(head: Head, pictures: DonorPictures, colours: Floats) -> Floats:
    """Return the gain ``[3]`` of the person's teeth, of the donor's."""
    mouth = head.open_lips > 0.99
    if mouth.sum() < _MIN_TEETH_PX:
        return white_gain(head, pictures)
    pixels = linear(head.plate.picture[mouth])
    light = pixels.mean(1)
    own = pixels[light > np.percentile(light, 60)].mean(0)
    teeth = colours[head.donor.part("teeth")]
    bright = teeth[teeth.mean(1) > np.percentile(teeth.mean(1), 70)].mean(0)
    gain: Floats = np.clip(own / bright, *_PHOTO_GAIN)
    return gain
