"""Painter of keyframes: one picture and the triangles of its cells."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from creation.arrays import Floats, Ints, Mask, Picture, Whole
from creation.donor.layout import INSIDE
from creation.fit.eyeballs import iris_vertices
from creation.images import blur, encode, linear, sample
from creation.keys import lids, mouth
from creation.keys.eye_layer import EyeLayer
from creation.keys.fields import Fields, Source
from creation.keys.head import Head, unit
from creation.keys.inside import InnerMouth, mouth_shade, tongue_light
from creation.keys.lamp import newly_lit
from creation.keys.lash_line import LashLine
from creation.keys.lashes import HangingLashes, without_lashes
from creation.keys.opening import behind_lids, open_eyes
from creation.keys.samples import FINE, Samples, cells
from creation.keys.teeth import with_relief
from creation.keys.view import Box, View
from creation.vision.rings import LEFT_IRIS, RIGHT_IRIS
from renderer.portrait.layout import CLOSEUP_CELL_PX

_DONOR_STEP = 2.0  # base-image pixels between the samples of a donor's depth
_RATIO_PX = 3.0  # sigma over which folds and shading come along
_RATIO = {"mouth": (0.6, 1.2), "eye": (0.75, 1.2)}
_STRENGTH = {"mouth": 0.8, "eye": 0.7}
_MOVED_PX = 3.0  # largest move of a keyframe, from which on shading changes in full
_TURNED_PX = (0.5, 2.5)  # moves of an iris: the eyeball is the photo's, or made
_HIDDEN_PX = 0.8  # sigma of the edge of skin that the photo does not show
_DARK = 0.004  # linear light below which a ratio means nothing
# Outside of the mesh the plate follows the surface: sigmas near and far from it.
_NEAR_PX, _FAR_PX, _FADE = 3.0, 16.0, 0.05


@dataclass(frozen=True, slots=True)
class Keyframe:
    """Picture of a close-up in one expression, and what its cells are bound to."""

    picture: Picture  # [h, w, 3]: sRGB; or 4, with alpha
    triangle: Ints  # [h / 4, w / 4]: -1 outside of the mesh
    shares: Picture  # [h / 4, w / 4, 3]
    plate_at: Floats  # [h / 4, w / 4, 2]: pixels of the plate that the cells show


@dataclass(frozen=True)
class Painter:
    """Painter of the keyframes of one head."""

    source: Source
    inner: InnerMouth
    layer: EyeLayer

    @property
    def head(self) -> Head:
        return self.source.head

    @cached_property
    def _lid_edges(self) -> dict[str, lids.LidEdge]:
        sides = ("Left", "Right")
        return {"eye" + side: lids.LidEdge.of(self.head, side) for side in sides}

    @cached_property
    def _irises(self) -> Mapping[int, Whole]:
        return iris_vertices(self.head.donor, self.head.drawn)

    @cached_property
    def _lashes(self) -> dict[str, HangingLashes]:
        head, pictures = self.head, self.source.pictures
        return {eye: HangingLashes.of(head, pictures, eye) for eye in self._lid_edges}

    @cached_property
    def _lash_lines(self) -> dict[str, LashLine]:
        return {
            eye: LashLine.of(self.head, lashes.line, self.source.photo)
            for eye, lashes in self._lashes.items()
        }

    @cached_property
    def _grain(self) -> Picture:
        """Return the grain of the photo's skin, ``[H, W, 1]``."""
        return lids.grain(self.source.photo)

    @cached_property
    def _cheeks(self) -> dict[str, Floats]:
        """Return the pixels of the plate whose grain is that of lids, [V, 2] each."""
        return {name: lids.cheek_of(self.head, name) for name in self._lid_edges}

    @cached_property
    def _open_eyes(self) -> Picture:
        return open_eyes(self.head.plate)

    @cached_property
    def _bare(self) -> Picture:
        """Return the light of the plate without upper lashes."""
        return without_lashes(self.head, self.source.photo)

    def paint(self, name: str, number: int, box: Box) -> Keyframe:
        """Paint a keyframe of the close-up ``name``, in ``box`` of the plate."""
        head, pictures = self.head, self.source.pictures
        weights = pictures.weights(name)[number]
        vertices = head.posed(weights)
        view = head.view(vertices, box, 1 / FINE)
        samples = Samples.of(view, head.triangles, head.part_of_triangle)
        donor_view = head.donor_posed(weights, pictures.box(name), _DONOR_STEP)
        extra = self._vertex_values(name, vertices, view)
        donor_key = linear(pictures.keyframe(name, number))
        fields = self.source.fields(samples, donor_key, donor_view, extra)
        moved = np.abs(view.xy - head.photo_view.xy)[head.drawn].max()
        kind = "mouth" if name == "mouth" else "eye"
        strength = _STRENGTH[kind] * min(1.0, moved / _MOVED_PX)
        compared = _compared(fields)
        low, high = _RATIO[kind]
        most = lids.out_of_shade(fields, samples, high) if kind == "eye" else high
        ratio = _shading(fields, samples, compared, (low, most), strength)
        if head.frame is not None:
            ratio += (1 - ratio) * self._in_plate(head.frame, fields, samples)[
                ..., None
            ]
        if name == "mouth":
            ratio += (1 - ratio) * newly_lit(fields, samples, compared)[..., None]
        hidden, made = self._unseen(name, fields, samples, view, vertices)
        skin = samples.grid(fields.skin)
        share = blur(hidden, _HIDDEN_PX) / np.maximum(blur(skin, _HIDDEN_PX), 0.2)
        share = samples.ungrid(share.clip(0, 1))[:, None]
        blink = _blink(name, weights)
        seen = self._skin(fields, blink) * samples.ungrid(ratio)
        light = seen * (1 - share) + made * share
        jaw = float(weights[unit("jawOpen")])
        if name == "mouth":
            donors = donor_view, donor_key
            light = self._with_inside(samples, fields, view, jaw, donors, light)
        ball = head.is_part(samples.triangle, "eyes")
        light = self._with_eyeball(name, samples, fields, view, blink, ball, light)
        if blink:
            light = light * self._lashes[name].over(head, view, samples.at, blink)
            light = light * self._lash_lines[name].over(
                head, view, samples.at, ball, blink
            )
        at = self._followed(samples, fields)
        light = self._with_outside(name, samples, view, light, at)
        if name == "mouth":
            tongue = head.is_part(samples.triangle, "tongue")
            mouth.add_glow(samples, light, tongue, mouth.is_dark(fields, samples))
        triangle, shares = cells(view, head.triangles, CLOSEUP_CELL_PX)
        half = CLOSEUP_CELL_PX // 2
        corners = at[half::CLOSEUP_CELL_PX, half::CLOSEUP_CELL_PX]
        picture = samples.picture(light)
        if name == "mouth":
            inside = head.is_part(samples.triangle, *INSIDE)
            mouth.soften(picture, samples, inside, head.part_of_triangle)
        else:
            changed = 1 - self._still(name, view)
            picture = lids.soft_edge(picture, samples, ball, fields.photo_at, changed)
        return Keyframe(encode(picture), triangle, shares,
                        (corners - 0.5).astype(np.float64))  # fmt: skip

    def _unseen(
        self, name: str, fields: Fields, samples: Samples, view: View, vertices: Floats
    ) -> tuple[Picture, Picture]:
        """
        Return how far the photo shows no skin ``[h, w]``, and the light of that skin.

        The light ``[N, 3]`` is that of each sample.
        """
        if name != "mouth":
            share = lids.moved(self.head, self._lid_edges[name], view)
            hidden = lids.hidden_lids(fields, samples, share)
            hair = self._in_plate(self.head.brows.tails, fields, samples)
            hidden *= 1 - hair * lids.held(fields, samples)
            if self.head.frame is not None:
                hidden *= 1 - self._in_plate(self.head.frame, fields, samples)
            lashes = self._lashes[name].band(self.head, view, samples)
            lid = lids.made_lid(fields, samples, hidden, lashes)
            grain = sample(self._grain, fields.extra[:, 2:])
            return hidden, samples.ungrid(lid) * grain
        parted = mouth.parted(self.head, self.source.gains, vertices)
        cheek = mouth.is_cheek(fields, self.between_lips(samples, view))
        hidden = mouth.hidden_lips(fields, samples, parted, cheek)
        lining = fields.lining[:, None]
        gain = fields.gain * (1 - lining) + self.inner.white * lining
        return hidden, mouth.made_lips(fields, samples, gain, cheek)

    @staticmethod
    def _in_plate(mask: Picture, fields: Fields, samples: Samples) -> Picture:
        """Return where a keyframe shows a mask ``[H, W]`` of the plate, ``[h, w]``."""
        return samples.grid(sample(mask[..., None], fields.photo_at)[:, 0])

    def _skin(self, fields: Fields, blink: float) -> Picture:
        """Return the photo's light at each sample; lashes leave a lid that closes."""
        if not blink:
            return fields.photo
        bare = sample(self._bare, fields.photo_at, "bicubic").clip(0, 1)
        share = HangingLashes.taken_off(blink)
        return np.asarray(fields.photo + (bare - fields.photo) * share, np.float32)

    def between_lips(self, samples: Samples, view: View) -> Mask:
        """Return which samples ``[N]`` lie around the line of the lips."""
        line = self.source.gains.line
        lips = np.concatenate([line.above, line.below])
        across = self.head.donor.neutral[lips, 0]
        corners = lips[[across.argmin(), across.argmax()]]
        return mouth.between_lips(samples, view.xy[np.concatenate([corners, lips])])

    def _vertex_values(self, name: str, vertices: Floats, view: View) -> np.ndarray:
        if name == "mouth":
            return np.zeros((len(vertices), 0))
        edge = self._lid_edges[name].distance(vertices)
        stretch = lids.stretch(self.head, view)
        return np.concatenate([np.stack([stretch, edge], -1), self._cheeks[name]], 1)

    def _with_eyeball(
        self, name: str, samples: Samples, fields: Fields, view: View, blink: float,
        eye: Mask, light: Picture,
    ) -> Picture:  # fmt: skip
        """Return the light with eyeballs, the samples ``eye``, in their places."""
        if eye.any():
            at, share = fields.photo_at, eye[:, None].astype(np.float32)
            if not blink:  # in a blink the lash line hides that edge
                at = behind_lids(samples, at, eye)
                covered = sample(self._open_eyes[..., None], fields.photo_at)
                share = np.maximum(share, covered)
            ball = self._eyeball(name, samples, fields, view, eye, at)
            light = light + (ball - light) * share
        return light

    def _eyeball(
        self, name: str, samples: Samples, fields: Fields, view: View, eye: Mask,
        at: Picture,
    ) -> Picture:  # fmt: skip
        """
        Return the light of eyeballs at each sample.

        ``eye`` ``[N]`` are their samples, ``at`` ``[N, 2]`` the pixels of the plate.
        """
        light = self.layer.lights.get(name)
        if light is None:
            return fields.photo
        shade = light.shade(samples.grid(eye) > 0, view.box[0])
        ball = sample(self.layer.light, at, "bicubic").clip(0, None)
        ball = ball * samples.ungrid(shade)
        ball += light.catchlights(samples.at, light.centre + self._turned(name, view))
        if rim := self.layer.rims.get(name):
            fine = self.head.is_part(view.mesh.triangle, "eyes")
            ball *= samples.ungrid(rim.at(fine, view.box[0]))
        ball += (fields.photo - ball) * self._still(name, view)
        return np.asarray(ball.clip(0, 1), np.float32)

    def _turned(self, name: str, view: View) -> Floats:
        """Return the pixels ``[2]`` by which an iris is not where the photo has it."""
        iris = LEFT_IRIS[0] if name == "eyeLeft" else RIGHT_IRIS[0]
        move = (view.xy - self.head.photo_view.xy)[self._irises[iris]]
        return np.asarray(move.mean(0))

    def _still(self, name: str, view: View) -> float:
        """Return 1..0: an eye is as in the photo, or iris or lid have moved."""
        far = float(np.linalg.norm(self._turned(name, view)))
        unmoved = 1 - lids.moved(self.head, self._lid_edges[name], view)
        low, high = _TURNED_PX
        return min(max((high - far) / (high - low), 0.0), 1.0) * unmoved

    def _with_inside(
        self, samples: Samples, fields: Fields, view: View, jaw: float,
        donors: tuple[View, Picture], light: Picture,
    ) -> Picture:  # fmt: skip
        """
        Return the light with teeth, gums and tongue in their places.

        ``donors`` are view and linear light of the donor's keyframe.
        """
        head = self.head
        inner = head.is_part(samples.triangle, *INSIDE)
        chosen = np.flatnonzero(inner)
        if not len(chosen):
            return light
        depths = view.depth[:, None].astype(np.float32)
        depth = samples.carried(head.triangles, depths)[:, 0]
        lips = mouth.around_opening(fields)
        pixel_m = float(np.median(depth[chosen]) / head.fitted.camera[0, 0])
        shade = mouth_shade(samples, inner, depth, lips, pixel_m)
        light = light.copy()
        light[chosen] = self.inner.light(samples, chosen, view, jaw, head.triangles)
        light[chosen] *= self.inner.as_donors(
            shade[chosen], samples.only(chosen), head.triangles, *donors
        )
        teeth = head.is_part(samples.triangle, "teeth")
        if teeth.any():
            lit = with_relief(
                samples, light[teeth], fields.donor, teeth, fields.donor_seen
            )
            part = samples.only(np.flatnonzero(teeth))
            light[teeth] = lit * self.inner.aside(part, head.triangles)
        # Even light suits teeth, and gums beside them. A tongue lies deep: the donor's
        # shade is its own.
        tongue = head.is_part(samples.triangle, "tongue")
        if samples.grid(tongue & fields.donor_seen).any():
            dark = mouth.is_dark(fields, samples)
            own = tongue_light(samples, fields.donor, tongue, fields.donor_seen, dark)
            light[tongue] = own * self.inner.white
        return light

    def _followed(self, samples: Samples, fields: Fields) -> Picture:
        """
        Return the pixel of the plate that each pixel shows, ``[h, w, 2]``.

        Outside of the mesh it follows the surface near it, and less with the distance.
        """
        known = samples.grid(fields.skin)
        own, shown = samples.grid(samples.at), samples.grid(fields.photo_at)
        move = (shown - own) * known[..., None]
        near = blur(known, _NEAR_PX)[..., None]
        far = blur(known, _FAR_PX)[..., None]
        close = blur(move, _NEAR_PX) / np.maximum(near, 1e-3)
        wide = blur(move, _FAR_PX) / (far + _FADE)
        share = np.clip(3 * near, 0, 1)
        follow = own + close * share + wide * (1 - share)
        hit = samples.grid(samples.triangle >= 0)[..., None] > 0
        return np.asarray(np.where(hit, shown, follow), np.float32)

    def _with_outside(
        self, name: str, samples: Samples, view: View, light: Picture, at: Picture
    ) -> Picture:
        """Return the light with the plate where there is no mesh."""
        missing = np.flatnonzero(samples.triangle < 0)
        if not len(missing):
            return light
        offset = samples.at[missing] - samples.at[samples.pixel[missing]]
        points = samples.ungrid(at)[missing] + offset
        colours = sample(self.source.photo, points)
        if name == "mouth":
            hole = mouth.is_hole(samples, self.between_lips(samples, view))
            colours[samples.ungrid(hole)[missing]] = mouth.THROAT
        light = light.copy()
        light[missing] = colours
        return light


def _blink(name: str, weights: Floats) -> float:
    """Return 0..1: how far the eye of a close-up is shut; 0 for the mouth."""
    if name == "mouth":
        return 0.0
    return float(weights[unit("eyeBlink" + name.removeprefix("eye"))])


def _compared(fields: Fields) -> Mask:
    """Return the samples ``[N]`` of skin with light of the donor, also at rest."""
    both = fields.donor_seen & fields.donor_rest_seen & fields.seen & fields.skin
    both &= fields.comparable > 0
    return both


def _shading(
    fields: Fields, samples: Samples, compared: Mask,
    limits: tuple[float, float | Picture], strength: float,
) -> Picture:  # fmt: skip
    """
    Return by what the photo's skin is multiplied: how the donor's light changes.

    ``compared`` ``[N]`` is from `_compared`. The upper limit may be ``[N, 1]``.
    """
    known = samples.grid(compared)
    change = fields.donor / np.maximum(fields.donor_rest, _DARK)
    ratio = samples.grid(np.clip(change, *limits)) * known[..., None]
    few = np.float32(1e-3)
    smooth = (blur(ratio, _RATIO_PX) + few) / (blur(known, _RATIO_PX) + few)[..., None]
    share = strength * samples.grid(fields.comparable)[..., None]
    return np.asarray(1 + (smooth - 1) * share, np.float32)
