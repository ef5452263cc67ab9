"""
Glasses in a photo: whether there are any, and where their frame is.

A frame is a thin connected thing that is darker, brighter or of another colour than the
skin on both of its sides. It is followed from where it crosses the nose.
"""

import numpy as np

from creation.arrays import Mask, Picture
from creation.face_view import SIDE, FaceView
from creation.images import grown, polygon
from creation.vision import rings

# Distances from a stripe to both of its sides, in distances of the eyes' outer corners.
_REACH = (0.02, 0.04, 0.07)
_WIDE = 0.07  # the same across the nose and below the eyes
_DIRECTIONS = 4  # of stripes, in half a turn
_DARK = 0.35  # of the skin's luma: a channel that has less is mostly noise
_TOP, _TIP = 9, 5  # landmarks between which a frame crosses the nose
_SHIFTS = (-0.03, -0.015, 0, 0.015, 0.03)  # columns of that
_COLUMNS = np.linspace(-0.05, 0.05, 11)  # over which it goes on
_ARC = 0.03  # by which it rises there
_MIN_BRIDGE = 0.12  # strength of a stripe across the nose; without glasses: to 0.05
_MIN_RIM = 0.12  # and of one below an eye
_CLEAR_BRIDGE = 0.3
_COLOURED_BRIDGE = 0.2  # of one of any colour that goes on; without glasses: to 0.11
_RIGHT_RIM, _LEFT_RIM = ((145, 50), (144, 117)), ((374, 280), (373, 346))
# Strength of a frame anywhere: at least so much, and of that across the nose.
_LEAST, _SHARE = 0.1, 0.35
_SEED = 0.6  # of that across the nose: where it begins
_GAP = 0.02  # that is crossed
_UP, _DOWN, _BESIDE = 0.38, 0.42, 0.02  # from the eyes, and from the face's oval
_LID = 0.085  # around the opening of an eye, which has to close


def has_glasses(view: FaceView) -> bool:
    """Return whether a frame crosses the nose."""
    return _bridge(view) > 0


def glasses_frame(view: FaceView) -> Mask:
    """Return which pixels ``[SIDE, SIDE]`` show a frame; none without glasses."""
    bridge = _bridge(view)
    if bridge <= 0:
        return np.zeros((SIDE, SIDE), np.bool_)
    strength = _stripes(view)
    frame = (strength > max(_LEAST, _SHARE * bridge)) & _zone(view)
    found = frame & (strength > _SEED * bridge) & _nose(view)
    gap = max(1, round(_GAP * view.eye_distance))
    while True:
        more = found | (grown(found, gap) & frame)
        if (more == found).all():
            return found
        found = more


def _bridge(view: FaceView) -> float:
    """Return the strength of a frame where it crosses the nose; 0 without one."""
    size = view.eye_distance
    width = _WIDE * size
    top, tip = view.points[_TOP], view.points[_TIP]
    shifts = np.array([[shift * size, 0] for shift in _SHIFTS])
    plain = float(np.median([view.ridge(top + s, tip + s, width) for s in shifts]))
    below = np.array([0, 0.04 * size])
    rims = [
        max(
            view.ridge(view.points[lid] + below, view.points[cheek], width)
            for lid, cheek in lines
        )
        for lines in (_RIGHT_RIM, _LEFT_RIM)
    ]
    coloured = _coloured_bridge(view)
    clear = plain > _CLEAR_BRIDGE or coloured > _COLOURED_BRIDGE
    if clear or (plain > _MIN_BRIDGE and max(rims) > _MIN_RIM):
        return max(plain, coloured)
    return 0.0


def _coloured_bridge(view: FaceView) -> float:
    """Return the strength of a stripe of any colour that goes on across the nose."""
    size = view.eye_distance
    top, tip = view.points[_TOP], view.points[_TIP]
    count = max(int(np.linalg.norm(tip - top)), 1)
    down = top + (tip - top) * np.linspace(0, 1, count)[:, None]
    at = down[:, None] + np.stack([_COLUMNS * size, 0 * _COLUMNS], -1)
    x, y = np.moveaxis(at.clip(0, SIDE - 1).astype(int), -1, 0)
    colours = _relative(view)[y, x]  # [rows, columns, 3]
    strongest = 0.0
    for reach in _REACH:
        step = max(1, round(reach * size))
        if len(colours) <= 2 * step:
            continue
        middle = colours[step:-step]
        sides = colours[: -2 * step], colours[2 * step :]
        for stripe in (np.minimum(*sides) - middle, middle - np.maximum(*sides)):
            near = _largest_beside(stripe, max(1, round(_ARC * size)))
            strongest = max(strongest, float(np.percentile(near, 25, axis=1).max()))
    return strongest


def _largest_beside(values: Picture, rows: int) -> Picture:
    """Return the largest value up to some rows above and below."""
    padded = np.pad(values, ((rows, rows), (0, 0), (0, 0)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * rows + 1, axis=0)
    largest: Picture = windows.max(-1)
    return largest


def _relative(view: FaceView) -> Picture:
    """Return the colours of a face, of those of its skin."""
    skin = np.maximum(view.skin_colour, _DARK * view.skin_luma)
    return np.asarray(view.colours / skin, np.float32)


def _stripes(view: FaceView) -> Picture:
    """Return how strongly each pixel ``[SIDE, SIDE]`` lies on a stripe."""
    colours = _relative(view)
    strongest = np.zeros((SIDE, SIDE), np.float32)
    for reach in _REACH:
        for turn in np.pi * np.arange(_DIRECTIONS) / _DIRECTIONS:
            step = reach * view.eye_distance * np.array([np.sin(turn), np.cos(turn)])
            y, x = np.round(step).astype(int)
            one = np.roll(colours, (y, x), (0, 1))
            other = np.roll(colours, (-y, -x), (0, 1))
            darker = np.minimum(one, other) - colours
            brighter = colours - np.maximum(one, other)
            stripe = np.maximum(darker, brighter).max(-1)
            strongest = np.maximum(strongest, stripe)
    return strongest


def _zone(view: FaceView) -> Mask:
    """Return where a frame may be: around the eyes, and not where a lid closes."""
    points, size = view.points, view.eye_distance
    height = float(points[[33, 133, 362, 263], 1].mean())
    zone = grown(polygon(points[list(rings.OVAL)], SIDE, SIDE) > 0.5,
                 round(_BESIDE * size))  # fmt: skip
    zone[: max(0, int(height - _UP * size))] = False
    zone[int(height + _DOWN * size) :] = False
    return zone & ~lids(view)


def lids(view: FaceView) -> Mask:
    """Return which pixels ``[SIDE, SIDE]`` are eyes, and skin that closes them."""
    found = np.zeros((SIDE, SIDE), np.bool_)
    for ring in (rings.RIGHT_EYE, rings.LEFT_EYE):
        found |= polygon(view.points[rings.outline(ring)], SIDE, SIDE) > 0.5
    return grown(found, max(1, round(_LID * view.eye_distance)))


def _nose(view: FaceView) -> Mask:
    """Return the middle between the eyes."""
    right, left = view.points[[133, 362], 0]
    margin = 0.2 * (left - right)
    nose = np.zeros((SIDE, SIDE), np.bool_)
    top, bottom = (int(view.points[n, 1]) for n in (_TOP, _TIP))
    nose[max(0, top) : bottom, int(right + margin) : int(left - margin)] = True
    return nose
