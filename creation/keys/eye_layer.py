"""
Eye layer: the plate with whole eyeballs in place of lids and lashes, evenly lit.

Eyeballs turn and lids open wider than in the photo, so more of an eye is needed than
the photo shows: white of one colour, iris from its mirror image and its rings. Shade
and catchlights, which do not turn with an eyeball, are taken out.
"""

from dataclasses import dataclass

import numpy as np

from creation.arrays import Floats, Mask, Picture
from creation.images import blur, linear, nearest, polygon, ramp, sample, shrunk
from creation.keys.eye_light import (
    LEAST_SHADE,
    EyeLight,
    above,
    catchlight_mask,
    fit_white,
)
from creation.keys.eye_rim import EyeRim
from creation.keys.head import Head
from creation.keys.iris import Circle, iris_circle
from creation.keys.samples import FINE
from creation.plate import Plate
from creation.vision.rings import LEFT_EYE, LEFT_IRIS, RIGHT_EYE, RIGHT_IRIS, outline

_LID_EDGE = 0.07  # of the iris' radius left out along the lids
_LASHES = 0.10  # of the eye's height left out below the upper lid
_REACH = (2.2, 3.2)  # radii around the eye that the layer covers, x and y
_WHITE_BEGINS = 1.12  # radii from the iris' centre
_IRIS_ENDS = 1.08  # radii; the rim takes a tenth to fade
_RINGS = 24  # of the iris' profile, per radius
_FADE = 0.12  # radii over which real pixels fade into the model
# The white of an eye as a photo shows it: how far its light may be off that of the
# whole white, and one colour of it off the mean of all three; logs of linear light.
# What is further off is a lid, a lash or the red corner, which do not turn.
_OFF_LIGHT, _OFF_COLOUR = (0.35, 0.7), (0.12, 0.28)
_SOFT_PX = 0.7  # sigma over which pixels of the photo become others
# Light of an iris, of that of its ring, outside of which it is a lid or lashes if it is
# as near to the edge of the lids as this part of the radius.
_OFF_RINGS, _BESIDE = (0.5, 1.5), 0.25
_DARK = 0.004  # linear light below which a ratio means nothing


@dataclass(frozen=True, slots=True)
class EyeLayer:
    """Evenly lit eyeballs, and the light on each."""

    light: Picture  # [H, W, 3]: linear light of the plate, with whole eyeballs
    lights: dict[str, EyeLight]  # by close-up
    rims: dict[str, EyeRim]  # by close-up


@dataclass(frozen=True, slots=True)
class _Eye:
    """One eye of the plate, in a box around it."""

    photo: Picture  # [h, w, 3]: linear light
    seen: Mask  # [h, w]: pixels of the eyeball that the photo shows
    ball: Mask  # [h, w]: where the fitted eyeball is seen
    x: Floats  # [h, w]: from the iris' centre, in its radii
    y: Floats
    area: tuple[slice, slice]
    low: Floats  # [2]: x, y of the box in the plate
    lids: tuple[float, float]  # columns of both corners of the eye
    centre: Floats  # [2]: of the iris, pixels of the plate
    radius: float  # of the iris, pixels

    @property
    def distance(self) -> Floats:
        return np.hypot(self.x, self.y)


def eye_layer(head: Head) -> EyeLayer:
    """Return the plate with whole eyeballs around each eye."""
    plate, view = head.plate, head.photo_view
    ball = np.zeros((plate.height, plate.width), bool)
    left, top, right, bottom = view.box
    ball[top:bottom, left:right] = head.is_part(view.mesh.triangle, "eyes")
    layer, lights, rims = linear(plate.picture), {}, {}
    for name, ring, iris in (
        ("eyeRight", RIGHT_EYE, RIGHT_IRIS),
        ("eyeLeft", LEFT_EYE, LEFT_IRIS),
    ):
        eye = _eye(plate, layer, ball, ring, iris)
        if eye.seen.any():
            whole, lights[name], shown = _whole(eye)
            if rim := _rim(head, eye, whole, lights[name], shown):
                rims[name] = rim
            layer[eye.area] = whole
    return EyeLayer(layer, lights, rims)


def _eye(
    plate: Plate, light: Picture, ball: Mask, ring: tuple[int, ...],
    iris: tuple[int, ...],
) -> _Eye:  # fmt: skip
    lids = plate.landmarks[outline(ring), :2]
    centre = plate.landmarks[iris[0], :2]
    rim = plate.landmarks[list(iris[1:]), :2]
    radius = float(np.linalg.norm(rim - centre, axis=1).mean())
    low = np.maximum([lids[:, 0].min() - _REACH[0] * radius,
                      centre[1] - _REACH[1] * radius], 0).astype(int)  # fmt: skip
    high = np.minimum([lids[:, 0].max() + _REACH[0] * radius,
                       centre[1] + _REACH[1] * radius],
                      [plate.width, plate.height]).astype(int)  # fmt: skip
    area = slice(low[1], high[1]), slice(low[0], high[0])
    size = high - low
    opening = polygon(lids - low, int(size[1]), int(size[0])) > 0.5
    seen = shrunk(opening, max(1, round(_LID_EDGE * radius)))
    top = max(1, round(_LASHES * np.ptp(lids[:, 1])))
    seen[top:] &= seen[:-top]
    circle = iris_circle(light[area], seen, Circle(centre - low, radius))
    offset, radius = circle.centre, circle.radius
    x, y = np.meshgrid(np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5)
    return _Eye(
        light[area].copy(), seen, ball[area],
        (x - offset[0]) / radius, (y - offset[1]) / radius, area, low,
        (float(lids[:, 0].min()), float(lids[:, 0].max())), low + offset, radius,
    )  # fmt: skip


def _whole(eye: _Eye) -> tuple[Picture, EyeLight, Floats]:
    """
    Return the whole eyeball ``[h, w, 3]``, and the light on it.

    The third value ``[h, w, 1]`` tells how far pixels of it are the photo's.
    """
    light = _light(eye)
    shade = np.maximum(light.shade(eye.ball, eye.low[0]), LEAST_SHADE)
    flat: Picture = np.asarray(eye.photo / shade, np.float32)
    iris = eye.seen & (eye.distance < _IRIS_ENDS)
    plain: Picture = np.asarray(_rings(eye, flat, iris) * shade, np.float32)
    iris &= ~_beside_lids(eye, flat, plain / shade)
    caught = catchlight_mask(eye.photo, plain, iris)
    rings = _rings(eye, flat, eye.seen & ~caught)
    lids = _beside_lids(eye, flat, rings)
    seen = eye.seen & ~caught & ~lids
    real = _fade(seen, eye.radius)
    white = _fade(eye.seen, eye.radius) * _whiteness(flat, light.white)
    out = light.white * (1 - white) + flat * white
    mirrored, mirror_seen = _mirrored(eye, flat, seen)
    fill = rings * (1 - mirror_seen) + mirrored * mirror_seen
    iris_light = fill * (1 - real) + flat * real
    edge = np.clip((_IRIS_ENDS - eye.distance) / _FADE, 0, 1)[..., None]
    whole = np.asarray(out * (1 - edge) + iris_light * edge, np.float32)
    shown = white * (1 - edge) + _fade(eye.seen & ~lids, eye.radius) * edge
    light = light.with_reflections(above(eye.photo, whole * shade, caught))
    return whole, light, shown


def _whiteness(flat: Picture, white: Floats) -> Picture:
    """Return 0..1 ``[h, w, 1]``: how far evenly lit pixels are white of the eye."""
    logs = np.log(np.maximum(flat, _DARK) / white).astype(np.float32)
    light = logs.mean(-1)
    colour = np.abs(logs - light[..., None]).max(-1)
    like = (1 - ramp(np.abs(light), *_OFF_LIGHT)) * (1 - ramp(colour, *_OFF_COLOUR))
    return blur(like, _SOFT_PX)[..., None]


def _beside_lids(eye: _Eye, flat: Picture, rings: Floats) -> Mask:
    """Return pixels ``[h, w]`` of an iris beside the lids that show lids or lashes."""
    _, _, inside = nearest(~eye.seen)
    ratio = flat.mean(-1) / np.maximum(rings.mean(-1), _DARK)
    low, high = _OFF_RINGS
    off = (ratio < low) | (ratio > high)
    near: Mask = off & (inside < _BESIDE * eye.radius)
    return near


def _rim(
    head: Head, eye: _Eye, whole: Picture, light: EyeLight, shown: Floats
) -> EyeRim | None:
    """Return what the lids do to the light of the eyeball ``whole``."""
    shade = light.shade(eye.ball, eye.low[0])
    plain = whole * shade + light.catchlight + light.glow
    rows, columns = eye.ball.shape
    left, top = map(int, eye.low)
    view = head.view(
        head.fitted.photo, (left, top, left + columns, top + rows), 1 / FINE
    )
    fine = head.is_part(view.mesh.triangle, "eyes")
    inside = shown[..., 0].astype(np.float32)
    # An iris is dark, and turns away: beside it the lids' light is not known.
    known = np.clip((eye.distance - _WHITE_BEGINS) / _FADE, 0, 1) * eye.ball
    return EyeRim.of(
        eye.photo, plain, fine, known.astype(np.float32), inside, left, eye.radius
    )


def _light(eye: _Eye) -> EyeLight:
    """Return the light on an eye, without its catchlight."""
    first, last = eye.lids
    middle, width = (first + last) / 2, last - first
    chosen = eye.seen & eye.ball & (eye.distance > _WHITE_BEGINS)
    if not chosen.any():
        chosen = eye.seen
    x = (eye.low[0] + np.arange(eye.ball.shape[1]) + 0.5 - middle) / width
    factors = fit_white(eye.photo, eye.ball, chosen, x, width)
    return EyeLight(
        middle, width, factors, np.zeros_like(eye.photo), np.zeros_like(eye.photo),
        np.zeros(2), eye.low.astype(float), eye.centre, eye.radius,
    )  # fmt: skip


def _fade(mask: Mask, radius: float) -> Floats:
    """Return weights ``[h, w, 1]`` that rise from a mask's edge to its inside."""
    _, _, inside = nearest(~mask)
    return np.clip(inside / (_FADE * radius + 1), 0, 1)[..., None]


def _rings(eye: _Eye, flat: Picture, seen: Mask) -> Floats:
    """Return the iris with the median colour of each ring around its centre."""
    distance = eye.distance
    number = (distance * _RINGS).astype(int)
    last = round(_IRIS_ENDS * _RINGS) + 2
    known = [
        (ring, np.median(flat[at], 0))
        for ring in range(last)
        if (at := seen & (number == ring)).sum() > 2
    ]
    if not known:
        return np.broadcast_to(flat[eye.seen].mean(0), flat.shape)
    rings, colours = np.array([k for k, _ in known]), np.stack([c for _, c in known])
    profile = np.stack(
        [np.interp(np.arange(last), rings, colours[:, c]) for c in range(3)], -1
    )
    padded = np.pad(profile, ((1, 1), (0, 0)), mode="edge")
    profile = (padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4
    at = distance * _RINGS - 0.5
    return np.stack(
        [np.interp(at, np.arange(last), profile[:, c]) for c in range(3)], -1
    )


def _mirrored(eye: _Eye, flat: Picture, seen: Mask) -> tuple[Picture, Floats]:
    """Return the eye upside down about the iris' centre, and where that is known."""
    points = np.stack([eye.x, -eye.y], -1) * eye.radius + eye.centre - eye.low
    picture = sample(flat, points)
    shown = sample(seen.astype(np.float32)[..., None], points)
    inside = ((points >= 0) & (points < flat.shape[1::-1])).all(-1)
    return picture, _fade((shown[..., 0] > 0.9) & inside, eye.radius)
