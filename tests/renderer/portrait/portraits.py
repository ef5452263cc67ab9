"""
Portrait package with known pixels: a flat face, painted and warped by formulas.

`truth` is the image that a rig should draw for a face on a head held still.  `build`
writes a package of such images and their cells, as an exporter would.
"""

import json

import numpy as np
from PIL import Image

from renderer.arkit import UNITS

WIDTH, HEIGHT = 320, 240
DISTANCE, FOCAL = 4.0, 1600.0  # world units, base-image pixels
SCALE = FOCAL / DISTANCE  # base-image pixels per world unit, in the plane of the face
PIVOT = (0.0, 0.2, 0.0)  # behind the face
BREATH = (0.0, 0.0, 0.01)
BREATH_WEIGHT = 0.6

MOUTH, EYE_LEFT, EYE_RIGHT, BROW = (160, 164), (222, 64), (98, 64), (160, 42)
BOXES = {
    "mouth": (80, 108, 240, 220),
    "eyeLeft": (178, 28, 266, 100),
    "eyeRight": (54, 28, 142, 100),
}
# Displacement by each unit at weight 1: base-image pixels across and down, its centre
# (None stands for both eyes), and the radius at which it fades to 0.
MOVES = {
    "jawOpen": ((0, 12), MOUTH, 100),
    "mouthLeft": ((9, 0), MOUTH, 100),
    "gazeRight": ((6, 0), None, 55),
    "gazeLeft": ((-6, 0), None, 55),
    "gazeUp": ((0, -5), None, 55),
    "gazeDown": ((0, 5), None, 55),
    "eyeBlinkLeft": ((0, 7), EYE_LEFT, 55),
    "eyeBlinkRight": ((0, 7), EYE_RIGHT, 55),
    "browInnerUp": ((0, -6), BROW, 45),
}
JAWS, SIDEWAYS = (0.0, 0.35, 0.7, 1.0), (0.0, 0.5, 1.0)
# Dark spots: position and width. All but the last turn with the head.
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
LINE = (180, 1.5)  # y and width of a thin dark line across the mouth
# A bright spot that only an open jaw shows; the base image has none.
TEETH = (160, 192, 6.0)


def weights(**units):
    row = np.zeros(len(UNITS))
    for name, weight in units.items():
        row[UNITS.index(name)] = weight
    return row


def keyframe_weights(name):
    """Return the expressions of a close-up's keyframes, ``[K, U]``."""
    if name == "mouth":
        return np.stack(
            [weights(jawOpen=j, mouthLeft=s) for j in JAWS for s in SIDEWAYS]
        )
    blink = "eyeBlink" + name.removeprefix("eye")
    gazes = ("gazeRight", "gazeLeft", "gazeUp", "gazeDown")
    looks = [{}, *({gaze: 1.0} for gaze in gazes), *({gaze: 0.5} for gaze in gazes)]
    return np.stack([weights(**w) for w in (*looks, {blink: 0.5}, {blink: 1.0})])


def _bump(points, centre, radius):
    distance = np.hypot(points[..., 0] - centre[0], points[..., 1] - centre[1]) / radius
    return np.cos(np.pi / 2 * distance.clip(0, 1))[..., None] ** 2


def shift(unit, points):
    """Return the displacement by ``unit`` of base-image ``points`` ``[..., 2]``."""
    if unit not in MOVES:
        return np.zeros_like(points)
    step, centre, radius = MOVES[unit]
    centres = [centre] if centre else [EYE_LEFT, EYE_RIGHT]
    return sum(_bump(points, c, radius) for c in centres) * np.array(step, float)


def moved(points, face):
    """Return where base-image ``points`` are in a face ``[U]``."""
    out = points.astype(float)
    for unit, weight in zip(UNITS, face, strict=True):
        if weight:
            out = out + weight * shift(unit, points)
    return out


def origin(points, face):
    """Return the base-image positions that a face ``[U]`` moves to ``points``."""
    positions = points.astype(float)
    for _ in range(14):
        positions = positions + points - moved(positions, face)
    return positions


def _paint(points, jaw):
    """Return the RGB codes of base-image ``points``."""
    x, y = points[..., 0], points[..., 1]
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
    """Return RGB ``[h, w, 3]`` uint8 of a face ``[U]`` on a head held still."""
    left, top, right, bottom = box
    x, y = np.arange(left, right) + 0.5, np.arange(top, bottom) + 0.5
    points = np.stack(np.meshgrid(x, y), -1)
    jaw = face[UNITS.index("jawOpen")]
    return np.round(_paint(origin(points, face), jaw)).astype(np.uint8)


def _grid(left, top, right, bottom, step):
    x = np.arange(left, right, step) + step / 2
    y = np.arange(top, bottom, step) + step / 2
    return np.stack(np.meshgrid(x, y), -1)


def _world(points):
    x, z = (points[..., 0] - WIDTH / 2) / SCALE, -(points[..., 1] - HEIGHT / 2) / SCALE
    return np.stack([x, np.zeros_like(x), z], -1)


def camera():
    cx, cy = WIDTH / 2, HEIGHT / 2
    return np.array(
        [[FOCAL, cx, 0, cx * DISTANCE], [0, cy, -FOCAL, cy * DISTANCE],
         [0, 1, 0, DISTANCE]]
    )  # fmt: skip


def turned(point, rotation):
    """Return where a base-image point of the head is after a rotation ``[3, 3]``."""
    world = PIVOT + rotation @ (_world(np.array(point, float)) - PIVOT)
    x, y, depth = camera() @ np.append(world, 1)
    return x / depth, y / depth


def _bind(points):
    """Return the three vertices of the grid around each point, and their shares."""
    columns, rows = WIDTH // 8, HEIGHT // 8
    u = (points[..., 0] / 8 - 0.5).clip(0, columns - 1.001)
    v = (points[..., 1] / 8 - 0.5).clip(0, rows - 1.001)
    i, j = v.astype(int), u.astype(int)
    u, v = u - j, v - i
    corner = i * columns + j
    lower = u + v > 1
    first = np.where(lower, corner + columns + 1, corner)
    corners = np.stack([first, corner + 1, corner + columns], -1)
    a, b = np.where(lower, 1 - v, u), np.where(lower, 1 - u, v)
    shares = np.round(255 * np.stack([1 - a - b, a], -1)).astype(np.uint8)
    return corners.astype(np.uint16), shares


def arrays():
    """Return the arrays of ``surface.npz`` by name."""
    points = _grid(0, 0, WIDTH, HEIGHT, 8).reshape(-1, 2)
    flat = np.stack([shift(unit, points) for unit in UNITS]) / SCALE
    shapes = np.stack([flat[..., 0], np.zeros(flat.shape[:2]), -flat[..., 1]], -1)
    sizes = np.abs(shapes).max((1, 2)) / 32767
    distance = np.hypot(
        (points[:, 0] - WIDTH / 2) / 130, (points[:, 1] - HEIGHT / 2) / 118
    )
    head = ((1 - distance) / 0.15).clip(0, 1)
    corners, shares = _bind(_grid(0, 0, WIDTH, HEIGHT, 8))
    members = {
        "neutral": _world(points).astype(np.float32),
        "shapes": np.round(shapes / np.maximum(sizes, 1e-12)[:, None, None]).astype(
            np.int16
        ),
        "shape_sizes": sizes.astype(np.float32),
        "skull": np.round(255 * head).astype(np.uint8),
        "rise": np.round(255 * BREATH_WEIGHT * head).astype(np.uint8),
        "camera": camera().astype(np.float32),
        "pivot": np.array(PIVOT, np.float32),
        "breath": np.array(BREATH, np.float32),
        "plate_corners": corners,
        "plate_shares": shares,
    }
    for name, box in BOXES.items():
        faces = keyframe_weights(name)
        bindings = [_bind(origin(_grid(*box, 4), face)) for face in faces]
        middle = np.array([[(box[0] + box[2]) / 2, (box[1] + box[3]) / 2]])
        members |= {
            f"{name}_box": np.array(box, np.int32),
            f"{name}_faces": faces.astype(np.float32),
            f"{name}_measure": _features(name, middle).astype(np.float32),
            f"{name}_corners": np.stack([corners for corners, _ in bindings]),
            f"{name}_shares": np.stack([shares for _, shares in bindings]),
        }
    return members


def _features(name, middle):
    """Return a feature matrix: the move of the box's middle, and the blink."""
    rows = [shift(unit, middle)[0] for unit in UNITS]
    lids = [10.0 * (unit == "eyeBlink" + name.removeprefix("eye")) for unit in UNITS]
    return np.concatenate([np.array(rows), np.array(lids)[:, None]], 1)


def images():
    """Return the RGB of each WebP file by its name without ending."""
    return {
        "plate": truth(weights()),
        **{
            name: np.concatenate([truth(face, box) for face in keyframe_weights(name)])
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
    """Write a complete and valid package to ``folder``."""
    folder.mkdir(parents=True)
    (folder / "avatar.json").write_text(json.dumps(manifest))
    np.savez(folder / "surface.npz", **arrays())
    for name, rgb in images().items():
        save(rgb, folder / f"{name}.webp")
    return folder


def spot(luma, x, y, reach=8):
    """Return the centre of the dark spot around a pixel, in pixels."""
    left, top = round(x - reach), round(y - reach)
    part = luma[top : top + 2 * reach, left : left + 2 * reach]
    dark = (np.median(part) - 12 - part).clip(0)
    rows, columns = np.mgrid[: 2 * reach, : 2 * reach] + 0.5
    total = dark.sum()
    return left + (dark * columns).sum() / total, top + (dark * rows).sum() / total
