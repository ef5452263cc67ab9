"""Lids: skin that only a closing eye shows."""

from dataclasses import dataclass

import numpy as np

from creation.arrays import Floats, Mask, Picture
from creation.fit.camera import project
from creation.images import blur, dilated, ramp, spread
from creation.keys.fields import Fields
from creation.keys.head import Head, unit
from creation.keys.samples import Samples
from creation.keys.view import View
from creation.surface import distances
from creation.vision.rings import LEFT_EYE, RIGHT_EYE

# Growth of a surface's area from the photo to the keyframe, from which on its skin is
# made, and all of it is.
_STRETCHED = (1.8, 3.6)
_DARK_STRETCHED = (1.15, 1.45)  # the same where the photo is dark: lash and crease
_DARK = (0.8, 0.9)  # light of that around it
# Pixels that a lid moves from where the photo has it: skin that lies where it lay is
# the photo's, although narrow triangles at edges of lids stretch.
_MOVED_PX = (1.5, 4.0)
_HELD_PX = (4.0, 12.0)  # moves of hair of a brow: it is held, or drawn out over a lid
_LARGEST = 60.0  # area ratio
_SMOOTH_PX = 6.0  # sigma over which made skin fades into the photo's
_AROUND_PX = 9.0  # sigma over which the skin around colours a lid
_WIDE_PX = 30.0  # the same where there is none so near
_NEAR_SHARE = 20.0
_PLAIN = 0.75  # light of that around it, above which skin colours lids
_LID_LIGHT = 0.92  # of a lid, of that of the skin around it
# Of the lid's colour, the share that follows the donor's lid; the rest is the skin
# around. One alone is too red for some people, and too pale for others.
_DONOR_SHARE = 0.5
_DONOR_LIGHT = (0.7, 1.4)  # of that lid, of the skin around: a lamp may shade it more
_DONOR_PX = 3.0  # sigma over which the donor's lid goes on below its lashes
# Grain of skin: sigma of what lies around it, limits of its light, of that around it,
# and how far below a shut lid the cheek is that has it, of the eye's width.
_GRAIN_PX, _GRAIN, _CHEEK = 4.0, (0.94, 1.06), 0.75
_UNSHADED = 1.4  # largest growth of light of skin that leaves the shade of its socket
_DARKEST = 0.004  # linear light below which a ratio means nothing
_NEAR_LID_M = 0.015  # from the lids' edges: farther off the photo has skin enough
_EDGE_PX = 0.8  # sigma of edges of lids, as photos show them
_JUMP_PX = 2.5  # between what neighbours show of the plate: one lies behind the other
_MEET_M, _APART_M = 0.0014, 0.0035  # of lid edges: closed and open


@dataclass(frozen=True, slots=True)
class LidEdge:
    """Edges of the lids of one eye of a donor."""

    vertices: np.ndarray  # [n]

    @classmethod
    def of(cls, head: Head, side: str) -> "LidEdge":
        """Find vertices that a blink brings together; ``side`` is Left or Right."""
        donor = head.donor
        blink = donor.shapes[unit("eyeBlink" + side)]
        moved = np.linalg.norm(blink, axis=1) * donor.part("skin")
        centre = donor.neutral[moved > 0.5 * moved.max()].mean(0)
        near = donor.part("skin") & (
            np.linalg.norm(donor.neutral - centre, axis=1) < 0.03
        )
        upper = np.flatnonzero(near & (moved > 0.5 * moved.max()))
        lower = np.flatnonzero(near & (moved < 0.25 * moved.max()))
        closed = donor.neutral + blink
        gap, other = distances(closed[upper], closed[lower])
        before = np.linalg.norm(
            donor.neutral[upper] - donor.neutral[lower[other]], axis=1
        )
        meets = (gap < _MEET_M) & (before > _APART_M)
        return cls(np.unique(upper[meets]))

    def distance(self, vertices: Floats) -> Floats:
        """Return the metres from the upper lid's edge in an expression, [V]."""
        if not len(self.vertices):
            return np.full(len(vertices), np.inf)
        return distances(vertices, vertices[self.vertices])[0]


def stretch(head: Head, view: View) -> Floats:
    """Return how much larger the surface at each vertex is than in the photo, [V]."""
    triangles = head.triangles
    ratio = _areas(view.xy, triangles) / np.maximum(
        _areas(head.photo_view.xy, triangles), 0.05
    )
    ratio = np.minimum(ratio, _LARGEST)
    total, count = np.zeros(len(view.xy)), np.zeros(len(view.xy))
    for k in range(3):
        total += np.bincount(triangles[:, k], ratio, len(view.xy))
        count += np.bincount(triangles[:, k], minlength=len(view.xy))
    return total / np.maximum(count, 1)


def _areas(xy: Floats, triangles: np.ndarray) -> Floats:
    a, b, c = (xy[triangles[:, k]] for k in range(3))
    ab, ac = b - a, c - a
    areas: Floats = np.abs(ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0])
    return areas


def grain(photo: Picture) -> Picture:
    """Return the fine structure of skin: light, of that around it, ``[H, W, 1]``."""
    light = photo.mean(-1)
    around = np.maximum(blur(light, _GRAIN_PX), _DARKEST)
    return np.asarray(np.clip(light / around, *_GRAIN)[..., None], np.float32)


def cheek_of(head: Head, name: str) -> Floats:
    """
    Return the pixels of the plate whose grain a lid gets, for each vertex, [V, 2].

    A shut lid lies above the cheek, of which the photo shows as much. The grain of each
    vertex is the same in all keyframes.
    """
    weights = np.zeros(len(head.fitted.shapes))
    weights[unit("eyeBlink" + name.removeprefix("eye"))] = 1
    xy, _ = project(head.posed(weights), head.fitted.camera)
    ring = list(RIGHT_EYE if name == "eyeRight" else LEFT_EYE)
    width = np.linalg.norm(np.ptp(head.plate.landmarks[ring, :2], axis=0))
    down = np.array([0.0, _CHEEK * width]) @ head.upright.T
    return np.asarray(xy + down)


def moved(head: Head, edge: LidEdge, view: View) -> float:
    """Return 0..1: how far the upper lid is from where the photo has it."""
    if not len(edge.vertices):
        return 1.0
    moves = (view.xy - head.photo_view.xy)[edge.vertices]
    low, high = _MOVED_PX
    far = float(np.linalg.norm(moves, axis=1).mean())
    return min(max((far - low) / (high - low), 0.0), 1.0)


def hidden_lids(fields: Fields, samples: Samples, share: float) -> Picture:
    """
    Return 0..1 ``[h, w]``: skin that the photo does not show.

    ``fields.extra`` begins with the stretch of the skin, and metres to the lid's edge.
    ``share`` is from `moved`.
    """
    grow = fields.extra[:, 0]
    far = ramp(grow, *_STRETCHED)
    dark = 1 - ramp(fields.plain, *_DARK)
    made = np.maximum(far, dark * ramp(grow, *_DARK_STRETCHED))
    smooth = blur(samples.grid(made), _SMOOTH_PX)
    near = fields.extra[:, 1] < _NEAR_LID_M
    unseen = samples.grid((~fields.seen & fields.skin & near).astype(np.float32))
    hidden = np.maximum(smooth, unseen) * samples.grid(fields.skin) * share
    return np.asarray(hidden, np.float32)


def held(fields: Fields, samples: Samples) -> Picture:
    """
    Return 1..0 ``[h, w]``: how far skin lies where it lies in the photo.

    Brows do. What is shown of one elsewhere is its lower edge, drawn out into streaks.
    """
    far = np.abs(samples.grid(samples.at) - samples.grid(fields.photo_at)).max(-1)
    return np.asarray(1 - ramp(far, *_HELD_PX), np.float32)


def made_lid(
    fields: Fields, samples: Samples, hidden: Picture, lashes: Picture
) -> Picture:
    """
    Return the light ``[h, w, 3]`` of lids: between skin around and the donor's lid.

    ``lashes`` ``[h, w]`` is above 0 where the donor may have lashes.
    """
    known = fields.seen & fields.skin & (fields.plain > _PLAIN)
    usable = samples.grid(known) * (hidden < 0.05)
    photo = samples.grid(fields.photo)
    near, wide = (spread(photo, usable, sigma) for sigma in (_AROUND_PX, _WIDE_PX))
    share = np.clip(_NEAR_SHARE * blur(usable, _AROUND_PX), 0, 1)[..., None]
    around = (near * share + wide * (1 - share)) * _LID_LIGHT
    lid = samples.grid(fields.donor_seen & fields.skin) * (lashes == 0)
    lent = spread(samples.grid(fields.donor * fields.gain), lid, _DONOR_PX)
    around = np.maximum(around, _DARKEST)
    light = lent.mean(-1) / around.mean(-1)
    lent *= (np.clip(light, *_DONOR_LIGHT) / np.maximum(light, _DARKEST))[..., None]
    made = lent**_DONOR_SHARE * around ** (1 - _DONOR_SHARE)
    return np.asarray(made, np.float32)


def out_of_shade(fields: Fields, samples: Samples, least: float) -> Picture:
    """
    Return the limit ``[N, 1]`` of how much brighter skin becomes while a lid closes.

    Beside the nose, the skin above an open eye lies in the shade of its socket, and a
    closed lid does not. It may be as bright as the skin around, or grow by ``least``.
    """
    plain = fields.seen & fields.skin & (fields.plain > _PLAIN)
    around = spread(samples.grid(fields.photo), samples.grid(plain), _WIDE_PX)
    light = np.maximum(fields.photo.mean(-1), _DARKEST)
    growth = np.clip(samples.ungrid(around).mean(-1) / light, least, _UNSHADED)
    return np.asarray(np.where(plain, growth, least)[:, None], np.float32)


def soft_edge(
    picture: Picture, samples: Samples, ball: Mask, shown: Picture, share: float
) -> Picture:
    """
    Return the light ``[h, w, 3]`` of a keyframe with soft edges of lids.

    Few samples of a dark eyeball below bright skin leave steps, and lids that meet a
    row of dots. ``ball`` ``[N]`` are samples of the eyeball, ``shown`` ``[N, 2]`` the
    pixels of the plate that samples show; ``share`` 0..1 is how far edges are not the
    photo's.
    """
    seen = samples.picture(ball[:, None].astype(np.float32))[..., 0]
    edge = dilated(seen, 1) + dilated(1 - seen, 1) - 1
    at = samples.grid(shown)
    for axis in (0, 1):
        jump = np.abs(np.diff(at, axis=axis)).max(-1) > _JUMP_PX
        for side in ((1, 0), (0, 1)):
            pad = [(0, 0), (0, 0)]
            pad[axis] = side
            edge = np.maximum(edge, np.pad(jump, pad))
    soft = share * blur(edge, _EDGE_PX)[..., None]
    return np.asarray(picture + (blur(picture, _EDGE_PX) - picture) * soft, np.float32)
