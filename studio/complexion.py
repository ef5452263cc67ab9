"""Soft masks over the skin, computed from landmarks of the rest pose."""

import numpy as np
from PIL import Image
from scipy.spatial import cKDTree

from studio.human import LEFT_EYE, RIGHT_EYE, Human
from studio.mesh import Floats

# Hairline: height above the brows (decimetres) by the angle from the nose.
_HAIRLINE_DEG = (0, 6, 25, 45, 60, 72, 85, 110, 140, 180)
_HAIRLINE = (0.46, 0.50, 0.51, 0.37, 0.10, -0.15, -0.30, -0.30, -0.60, -1.0)


def masks(human: Human, lash_roots: Floats) -> dict[str, Floats]:
    """Return masks 0..1 over the base vertices, by their names in the skin shader."""
    at = human.rest
    eyes = [human.eye_centre(side) for side in (LEFT_EYE, RIGHT_EYE)]
    nose, chin = human.nose(), human.chin()
    blush = 0.55 * _spot(at, nose, (0.2, 0.16, 0.25))
    blush += 0.35 * _spot(at, np.add(chin, (0, 0.1, 0)), (0.25, 0.15, 0.4))
    lid = under = np.zeros(len(at))
    for eye in eyes:
        side = np.sign(eye[0])
        cheek = np.array([eye[0] + side * 0.12, eye[1] - 0.42, nose[2] - 0.5])
        blush = blush + _spot(at, cheek, (0.26, 0.2, 0.5))
        lid = lid + _spot(at, np.add(eye, (0, 0.09, 0.2)), (0.22, 0.11, 0.35))
        bag = np.add(eye, (-side * 0.02, -0.17, 0.2))
        under = under + _spot(at, bag, (0.17, 0.08, 0.35))
    liner = np.exp(-((cKDTree(lash_roots).query(at)[0] / 0.028) ** 2))
    return {
        "blush": blush.clip(0, 1),
        "lid": lid.clip(0, 1),
        "under": under.clip(0, 1),
        "liner": liner,
        "scalp": scalp(human),
        "stubble": beard(human),
        "head": human.head,
    }


def image_mask(human: Human, name: str) -> Floats:
    """Return a mask 0..1 over the base vertices, read from the image ``name``."""
    with Image.open(human.assets.mask(name)) as image:
        pixels = np.asarray(image.convert("L")) / 255.0
    mesh = human.base
    uv = np.zeros((len(mesh.vertices), 2))
    for face, corners in zip(mesh.faces, mesh.uv_faces, strict=True):
        uv[face] = mesh.uvs[corners]
    height, width = pixels.shape
    column = (uv[:, 0] * width).astype(int).clip(0, width - 1)
    row = ((1 - uv[:, 1]) * height).astype(int).clip(0, height - 1)
    mask: Floats = pixels[row, column]
    return mask


def scalp(human: Human, edge: float = 0.07) -> Floats:
    """
    Return the mask of the scalp: 1 on base vertices where hair grows.

    ``edge`` is the width in decimetres over which the hairline thins out.
    """
    mask = (height_over_hairline(human) / edge + 0.5).clip(0, 1)
    at = human.rest
    eye = human.eye_centre(LEFT_EYE)
    ears = (np.abs(at[:, 0]) > 0.70) & (at[:, 1] < eye[1] + 0.22)
    mask[ears] = 0
    mask[at[:, 1] < human.chin()[1]] = 0
    return mask


def height_over_hairline(human: Human) -> Floats:
    """Return the height of every base vertex above the hairline, in decimetres."""
    at, skull = human.rest, human.skull()
    angle = np.degrees(np.arctan2(at[:, 0], at[:, 2] - skull[2]))
    line = human.brow_height() + np.interp(np.abs(angle), _HAIRLINE_DEG, _HAIRLINE)
    height: Floats = at[:, 1] - line
    return height


def beard(human: Human) -> Floats:
    """Return the mask of a beard. It covers the lips, which have their own mask."""
    at, chin, nose = human.rest, human.chin(), human.nose()
    mouth = np.array([0, nose[1] - 0.42, nose[2] - 0.2])
    lip = _spot(at, np.add(mouth, (0, 0.16, 0)), (0.3, 0.1, 0.4))
    jaw = _spot(at, np.add(chin, (0, 0.1, -0.1)), (0.55, 0.32, 0.7))
    sides = sum(
        _spot(at, np.array([s * 0.55, chin[1] + 0.5, chin[2] - 0.7]), (0.2, 0.5, 0.5))
        for s in (-1, 1)
    )
    return np.clip(lip + jaw + sides, 0, 1)


def _spot(at: Floats, centre: Floats, radius: tuple[float, float, float]) -> Floats:
    """Return a Gaussian spot, 1 at ``centre``; decimetres."""
    spot: Floats = np.exp(-(((at - centre) / np.array(radius)) ** 2).sum(1))
    return spot
