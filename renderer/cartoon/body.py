"""
Static layers behind the head: background, neck, shoulders and clothes.

Units are 1/512 of the frame's shorter side. The origin is the middle between the ears;
y points down.
"""

import torch
from torch import Tensor

from renderer.cartoon.shapes import Layer, Point, mirrored, mix, smoothstep
from renderer.cartoon.style import Style

SHADE = "#451c30"  # shadows are mixed with this colour

_NECK: list[Point] = [
    (0, 40), (34, 44), (37, 80), (37, 118), (41, 142), (52, 162), (66, 184), (0, 236),
]  # fmt: skip
_TORSO: list[Point] = [
    (0, 300), (0, 160), (40, 150), (62, 156), (98, 172), (132, 186), (160, 206),
    (180, 244), (196, 300), (206, 380), (120, 420), (0, 420),
]  # fmt: skip


def paint_background(layer: Layer, style: Style) -> None:
    """Fill ``layer`` with a wall and soft light behind the head."""
    whole_layer = torch.ones_like(layer.alpha)
    layer.fill(whole_layer, style.background)
    layer.fill(layer.radial_gradient(0, -20, 560, 430), style.background_glow, 0.75)
    disc = layer.ellipse(0, 6, 206, 206)
    layer.fill(disc, style.background_glow, 0.55)
    layer.fill(layer.ellipse(0, 6, 172, 172), "#ffffff", 0.10)
    floor = smoothstep(60, 420, layer.y) * whole_layer
    layer.fill(floor, mix(style.background, SHADE, 0.5), 0.30)


def paint_body(layer: Layer, style: Style) -> None:
    """Paint neck, shoulders and clothes on a transparent ``layer``."""
    if style.hair_style == "bob":
        behind = layer.path(
            mirrored([(0, -60), (84, -40), (92, 60), (80, 138), (0, 150)])
        )
        layer.fill(behind, mix(style.hair, "#000000", 0.38))
    if style.clothes == "hoodie":
        hood = mirrored([(0, 92), (48, 100), (64, 130), (54, 176), (0, 196)])
        layer.fill(layer.path(hood), mix(style.clothing, SHADE, 0.72))
    _paint_neck(layer, style)
    match style.clothes:
        case "blazer":
            _paint_blazer(layer, style)
        case "hoodie":
            _paint_hoodie(layer, style)
        case _:
            _paint_crew(layer, style)


def _paint_neck(layer: Layer, style: Style) -> None:
    neck = layer.path(mirrored(_NECK))
    layer.fill(neck, style.skin)
    shadow = layer.blurred(layer.ellipse(4, 86, 66, 48), 14)
    dark = mix(style.skin, SHADE, 0.55)
    layer.fill(neck * shadow, dark, 0.55)
    for side in (-1, 1):  # collar bones
        bone = layer.blurred(_stroke(layer, (10 * side, 170), (52 * side, 162), 2.2), 3)
        layer.fill(bone * neck, dark, 0.35)


def _torso(layer: Layer) -> Tensor:
    return layer.path(mirrored(_TORSO)[1:])


def _shade_cloth(layer: Layer, cloth: Tensor, colour: str) -> None:
    """Shade cloth: light from the upper left, and folds where the arms begin."""
    dark, light = mix(colour, SHADE, 0.6), mix(colour, "#ffffff", 0.5)
    inner = layer.blurred(cloth, 34)
    rim = cloth * (1 - layer.shifted(inner, -18, 14))
    layer.fill(rim.clamp(0, 1), dark, 0.5)
    layer.fill(cloth * layer.radial_gradient(-110, 190, 80, 60), light, 0.28)
    for side in (-1, 1):
        fold = _stroke(layer, (150 * side, 262), (141 * side, 330), 2.0)
        layer.fill(layer.blurred(fold, 3) * cloth, dark, 0.5)


def _neckline(layer: Layer, grow: float) -> Tensor:
    return layer.ellipse(0, 138, 55 + grow, 40 + grow)


def _paint_crew(layer: Layer, style: Style) -> None:
    cloth = _torso(layer) * (1 - _neckline(layer, 0))
    layer.fill(cloth, style.clothing)
    _shade_cloth(layer, cloth, style.clothing)
    ribbing = cloth * _neckline(layer, 11)
    layer.fill(ribbing, mix(style.clothing, SHADE, 0.22))
    seam = _neckline(layer, 12.2) * (1 - _neckline(layer, 10.8)) * cloth
    layer.fill(seam, mix(style.clothing, SHADE, 0.5), 0.8)
    _shadow_inside(layer, style, cloth)


def _shadow_inside(layer: Layer, style: Style, cloth: Tensor) -> None:
    """Paint the collar's shadow on the skin inside of it."""
    rim = layer.blurred(cloth, 5) * (1 - cloth) * _neckline(layer, 0)
    layer.tint(rim, mix(style.skin, SHADE, 0.6), 0.5)


def _paint_blazer(layer: Layer, style: Style) -> None:
    torso = _torso(layer)
    shirt = torso * (1 - _neckline(layer, 4))
    layer.fill(shirt, style.clothing_under)
    _shadow_inside(layer, style, shirt)
    opening = layer.polygon(
        [(-58, 120), (58, 120), (60, 160), (7, 330), (-7, 330), (-60, 160)]
    )
    jacket = torso * (1 - opening)
    fall = layer.blurred(jacket, 9) * shirt * (1 - jacket)
    layer.fill(fall, mix(style.clothing_under, SHADE, 0.5), 0.5)
    layer.fill(jacket, style.clothing)
    _shade_cloth(layer, jacket, style.clothing)
    for side in (-1, 1):
        lapel = layer.polygon(
            [(side * x, y) for x, y in
             ((54, 146), (66, 152), (99, 208), (80, 222),
              (88, 234), (7, 335), (59, 162))]
        )  # fmt: skip
        layer.fill(layer.blurred(layer.shifted(lapel, 3 * side, 4), 6) * jacket,
                   mix(style.clothing, SHADE, 0.7), 0.55)  # fmt: skip
        layer.fill(
            lapel * torso, mix(style.clothing, "#ffffff", 0.10 if side < 0 else 0.03)
        )


def _paint_hoodie(layer: Layer, style: Style) -> None:
    hood = layer.path(
        mirrored([(0, 120), (58, 112), (88, 140), (92, 174), (50, 216), (0, 226)])
    )
    cloth = _torso(layer) * (1 - _neckline(layer, 6))
    layer.fill(cloth, style.clothing)
    _shade_cloth(layer, cloth, style.clothing)
    inner = _neckline(layer, 3)
    collar = hood * (1 - inner)
    layer.fill(
        layer.blurred(layer.shifted(hood, 2, 7), 10) * cloth,
        mix(style.clothing, SHADE, 0.7),
        0.6,
    )
    layer.fill(collar, mix(style.clothing, "#ffffff", 0.06))
    lining = collar * _neckline(layer, 14)
    layer.fill(lining, mix(style.clothing, SHADE, 0.4))
    under = layer.path(
        [(-40, 163), (0, 176), (40, 163), (34, 190), (0, 200), (-34, 190)]
    )
    layer.fill(under * inner, style.clothing_under)
    for side in (-1, 1):
        cord = _stroke(layer, (26 * side, 200), (28 * side, 262), 2.4)
        layer.fill(
            layer.blurred(layer.shifted(cord, 3, 2), 3),
            mix(style.clothing, SHADE, 0.7),
            0.5,
        )
        layer.fill(cord, mix(style.clothing_under, "#ffffff", 0.2))


def _stroke(layer: Layer, start: Point, end: Point, half: float) -> Tensor:
    """Return the mask of a straight line with round ends."""
    (x0, y0), (x1, y1) = start, end
    dx, dy = x1 - x0, y1 - y0
    along = ((layer.x - x0) * dx + (layer.y - y0) * dy) / (dx * dx + dy * dy)
    along = along.clamp(0, 1)
    distance = torch.hypot(layer.x - x0 - along * dx, layer.y - y0 - along * dy)
    return ((half - distance) * layer.scale + 0.5).clamp(0, 1)
