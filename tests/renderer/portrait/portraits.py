"""
A portrait whose truth is known: a flat face, drawn and bent by formulas.

`truth` is the picture that a face should give on a head held still.  A package is made
of such pictures and of where they lie, as an exporter would.
"""

import json

import numpy as np
from PIL import Image

from renderer.arkit import UNITS

WIDTH, HEIGHT = 320, 240
DISTANCE, FOCAL = 4.0, 1600.0  # world units, plate pixels
SCALE = FOCAL / DISTANCE  # plate pixels to a world unit, in the plane of the face
PIVOT = (0.0, 0.2, 0.0)  # behind the face
BREATH = (0.0, 0.0, 0.01)
RISE = 0.6

MOUTH, EYE_LEFT, EYE_RIGHT, BROW = (160, 164), (222, 64), (98, 64), (160, 42)
BOXES = {
    "mouth": (80, 108, 240, 220),
    "eyeLeft": (178, 28, 266, 100),
    "eyeRight": (54, 28, 142, 100),
}
# What a unit does, fully on: plate pixels across and down at a place, fading around it.
MOVES = {
    "jawOpen": ((0, 12), MOUTH, 100),
    "mouthLeft": ((9, 0), MOUTH, 100),
    "gazeRight": ((6, 0), None, 55),  # both eyes
    "gazeLeft": ((-6, 0), None, 55),
    "gazeUp": ((0, -5), None, 55),
    "gazeDown": ((0, 5), None, 55),
    "eyeBlinkLeft": ((0, 7), EYE_LEFT, 55),
    "eyeBlinkRight": ((0, 7), EYE_RIGHT, 55),
    "browInnerUp": ((0, -6), BROW, 45),
}
JAWS, SIDEWAYS = (0.0, 0.35, 0.7, 1.0), (0.0, 0.5, 1.0)
# Dark spots: where, and how wide; all but the last turn with the head.
SPOTS = {
    "lip": (160, 163, 2.5),
    "corner": (128, 166, 2.5),
    "pupilLeft": (*EYE_LEFT, 2.5),
    "pupilRight": (*EYE_RIGHT, 2.5),
    "brow": (*BROW, 2.5),
    "nose": (160, 102, 2.5),
    "cheek": (214, 106, 2.5),
    "shoulder": (18, 222, 2.5),
}
LINE = (180, 1.5)  # height and width of a thin dark line across the mouth
TEETH = (160, 192, 6.0)  # a light that only an open jaw shows, in no plate


def weights(**units):
    row = np.zeros(len(UNITS))
    for name, weight in units.items():
        row[UNITS.index(name)] = weight
    return row


def keys(name):
    """The expressions of a close-up, ``[K, U]``."""
    if name == "mouth":
        return np.stack(
            [weights(jawOpen=j, mouthLeft=s) for j in JAWS for s in SIDEWAYS]
        )
    blink = "eyeBlink" + name.removeprefix("eye")
    gazes = ("gazeRight", "gazeLeft", "gazeUp", "gazeDown")
    looks = [{}, *({gaze: 1.0} for gaze in gazes), *({gaze: 0.5} for gaze in gazes)]
    return np.stack([weights(**w) for w in (*looks, {blink: 0.5}, {blink: 1.0})])


def _bump(at, centre, reach):
    far = np.hypot(at[..., 0] - centre[0], at[..., 1] - centre[1]) / reach
    return np.cos(np.pi / 2 * far.clip(0, 1))[..., None] ** 2


def shift(unit, at):
    """What ``unit`` does to the places ``at`` ``[..., 2]``, plate pixels."""
    if unit not in MOVES:
        return np.zeros_like(at)
    step, centre, reach = MOVES[unit]
    centres = [centre] if centre else [EYE_LEFT, EYE_RIGHT]
    return sum(_bump(at, c, reach) for c in centres) * np.array(step, float)


def moved(at, face):
    """Where the places ``at`` of the plate are in a face ``[U]``."""
    out = at.astype(float)
    for unit, weight in zip(UNITS, face, strict=True):
        if weight:
            out = out + weight * shift(unit, at)
    return out


def origin(at, face):
    """Which places of the plate are at ``at`` in a face."""
    found = at.astype(float)
    for _ in range(14):
        found = found + at - moved(found, face)
    return found


def _paint(at, jaw):
    """RGB codes of places of the plate."""
    x, y = at[..., 0], at[..., 1]
    grey = 150 + 8 * np.sin(x / 17) + 8 * np.cos(y / 13)
    for across, down, wide in SPOTS.values():
        grey -= 80 * np.exp(-((x - across) ** 2 + (y - down) ** 2) / (2 * wide**2))
    mouth = 1 / (1 + np.exp(np.abs(x - MOUTH[0]) / 4 - 8))
    grey -= 70 * mouth * np.exp(-((y - LINE[0]) ** 2) / (2 * LINE[1] ** 2))
    across, down, wide = TEETH
    glow = np.exp(-((x - across) ** 2 + (y - down) ** 2) / (2 * wide**2))
    grey = grey + 70 * jaw * glow
    return np.stack([grey, 0.9 * grey, 0.8 * grey], -1).clip(0, 255)


def truth(face, box=(0, 0, WIDTH, HEIGHT)):
    """RGB ``[h, w, 3]`` uint8 of a face ``[U]`` on a head held still."""
    left, top, right, bottom = box
    x, y = np.arange(left, right) + 0.5, np.arange(top, bottom) + 0.5
    at = np.stack(np.meshgrid(x, y), -1)
    jaw = face[UNITS.index("jawOpen")]
    return np.round(_paint(origin(at, face), jaw)).astype(np.uint8)


def _grid(left, top, right, bottom, step):
    x = np.arange(left, right, step) + step / 2
    y = np.arange(top, bottom, step) + step / 2
    return np.stack(np.meshgrid(x, y), -1)


def _world(at):
    x, z = (at[..., 0] - WIDTH / 2) / SCALE, -(at[..., 1] - HEIGHT / 2) / SCALE
    return np.stack([x, np.zeros_like(x), z], -1)


def camera():
    cx, cy = WIDTH / 2, HEIGHT / 2
    return np.array(
        [[FOCAL, cx, 0, cx * DISTANCE], [0, cy, -FOCAL, cy * DISTANCE],
         [0, 1, 0, DISTANCE]]
    )  # fmt: skip


def turned(at, turn):
    """Where the head's places are when it is turned by a matrix ``[3, 3]``."""
    point = PIVOT + turn @ (_world(np.array(at, float)) - PIVOT)
    x, y, depth = camera() @ np.append(point, 1)
    return x / depth, y / depth


def _stuck(at):
    """Places as three corners of the vertices' grid, and what each has of them."""
    columns, rows = WIDTH // 8, HEIGHT // 8
    u = (at[..., 0] / 8 - 0.5).clip(0, columns - 1.001)
    v = (at[..., 1] / 8 - 0.5).clip(0, rows - 1.001)
    i, j = v.astype(int), u.astype(int)
    u, v = u - j, v - i
    here = i * columns + j
    lower = u + v > 1
    first = np.where(lower, here + columns + 1, here)
    corners = np.stack([first, here + 1, here + columns], -1)
    a, b = np.where(lower, 1 - v, u), np.where(lower, 1 - u, v)
    shares = np.round(255 * np.stack([1 - a - b, a], -1)).astype(np.uint8)
    return corners.astype(np.uint16), shares


def arrays():
    """Of ``surface.npz``."""
    at = _grid(0, 0, WIDTH, HEIGHT, 8).reshape(-1, 2)
    flat = np.stack([shift(unit, at) for unit in UNITS]) / SCALE
    shapes = np.stack([flat[..., 0], np.zeros(flat.shape[:2]), -flat[..., 1]], -1)
    sizes = np.abs(shapes).max((1, 2)) / 32767
    far = np.hypot((at[:, 0] - WIDTH / 2) / 130, (at[:, 1] - HEIGHT / 2) / 118)
    head = ((1 - far) / 0.15).clip(0, 1)
    corners, shares = _stuck(_grid(0, 0, WIDTH, HEIGHT, 8))
    made = {
        "neutral": _world(at).astype(np.float32),
        "shapes": np.round(shapes / np.maximum(sizes, 1e-12)[:, None, None]).astype(
            np.int16
        ),
        "shape_sizes": sizes.astype(np.float32),
        "skull": np.round(255 * head).astype(np.uint8),
        "rise": np.round(255 * RISE * head).astype(np.uint8),
        "camera": camera().astype(np.float32),
        "pivot": np.array(PIVOT, np.float32),
        "breath": np.array(BREATH, np.float32),
        "plate_corners": corners,
        "plate_shares": shares,
    }
    for name, box in BOXES.items():
        faces = keys(name)
        bound = [_stuck(origin(_grid(*box, 4), face)) for face in faces]
        middle = np.array([[(box[0] + box[2]) / 2, (box[1] + box[3]) / 2]])
        made |= {
            f"{name}_box": np.array(box, np.int32),
            f"{name}_faces": faces.astype(np.float32),
            f"{name}_measure": _measure(name, middle).astype(np.float32),
            f"{name}_corners": np.stack([corners for corners, _ in bound]),
            f"{name}_shares": np.stack([shares for _, shares in bound]),
        }
    return made


def _measure(name, middle):
    """Pixels that a place moves; a blink is a third direction."""
    rows = [shift(unit, middle)[0] for unit in UNITS]
    lids = [10.0 * (unit == "eyeBlink" + name.removeprefix("eye")) for unit in UNITS]
    return np.concatenate([np.array(rows), np.array(lids)[:, None]], 1)


def pictures():
    """Each file's RGB."""
    return {
        "plate": truth(weights()),
        **{
            name: np.concatenate([truth(face, box) for face in keys(name)])
            for name, box in BOXES.items()
        },
    }


MANIFEST = {
    "schema": 1,
    "rig": "portrait",
    "title": "Flat",
    "licence": "CC0-1.0",
    "author": "a test",
    "background": {"centre": "#93a8b0", "edge": "#26333c"},
}


def save(rgb, path):
    Image.fromarray(rgb).save(path, lossless=True, quality=0, method=0)


def build(folder, manifest=MANIFEST):
    """The package, whole and right."""
    folder.mkdir(parents=True)
    (folder / "avatar.json").write_text(json.dumps(manifest))
    np.savez(folder / "surface.npz", **arrays())
    for name, rgb in pictures().items():
        save(rgb, folder / f"{name}.webp")
    return folder
