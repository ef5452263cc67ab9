"""
The still parts behind the head: background, neck, shoulders and clothes.

Units are 1/512 of the picture's height, from the middle between the ears; y down.
"""

import torch
from torch import Tensor

from renderer.cartoon.look import Style
from renderer.cartoon.shapes import Layer, Point, mirrored, mix, smoothstep

SHADE = "#451c30"  # what shadows are tinted with

_NECK: list[Point] = [
    (0, 40), (34, 44), (37, 80), (37, 118), (41, 142), (52, 162), (66, 184), (0, 236),
]  # fmt: skip
_TORSO: list[Point] = [
    (0, 300), (0, 160), (40, 150), (62, 156), (98, 172), (132, 186), (160, 206),
    (180, 244), (196, 300), (206, 380), (120, 420), (0, 420),
]  # fmt: skip


def paint_background(sheet: Layer, look: Style) -> None:
    """Fill the whole sheet: a wall with soft light behind the head."""
    everywhere = torch.ones_like(sheet.alpha)
    sheet.fill(everywhere, look.background)
    sheet.fill(sheet.glow(0, -20, 560, 430), look.background_glow, 0.75)
    disc = sheet.ellipse(0, 6, 206, 206)
    sheet.fill(disc, look.background_glow, 0.55)
    sheet.fill(sheet.ellipse(0, 6, 172, 172), "#ffffff", 0.10)
    floor = smoothstep(60, 420, sheet.y) * everywhere
    sheet.fill(floor, mix(look.background, SHADE, 0.5), 0.30)


def paint_body(sheet: Layer, look: Style) -> None:
    """Neck, shoulders and clothes on a clear sheet."""
    if look.hair_style == "bob":
        behind = sheet.path(
            mirrored([(0, -60), (84, -40), (92, 60), (80, 138), (0, 150)])
        )
        sheet.fill(behind, mix(look.hair, "#000000", 0.38))
    if look.clothes == "hoodie":
        hood = mirrored([(0, 92), (48, 100), (64, 130), (54, 176), (0, 196)])
        sheet.fill(sheet.path(hood), mix(look.clothing, SHADE, 0.72))
    _paint_neck(sheet, look)
    match look.clothes:
        case "blazer":
            _paint_blazer(sheet, look)
        case "hoodie":
            _paint_hoodie(sheet, look)
        case _:
            _paint_crew(sheet, look)


def _paint_neck(sheet: Layer, look: Style) -> None:
    neck = sheet.path(mirrored(_NECK))
    sheet.fill(neck, look.skin)
    shadow = sheet.soft(sheet.ellipse(4, 86, 66, 48), 14)
    dark = mix(look.skin, SHADE, 0.55)
    sheet.fill(neck * shadow, dark, 0.55)
    for side in (-1, 1):  # collar bones
        bone = sheet.soft(_stroke(sheet, (10 * side, 170), (52 * side, 162), 2.2), 3)
        sheet.fill(bone * neck, dark, 0.35)


def _torso(sheet: Layer) -> Tensor:
    return sheet.path(mirrored(_TORSO)[1:])


def _shade_cloth(sheet: Layer, cloth: Tensor, colour: str) -> None:
    """Light from the upper left, and folds where the arms begin."""
    dark, light = mix(colour, SHADE, 0.6), mix(colour, "#ffffff", 0.5)
    inner = sheet.soft(cloth, 34)
    rim = cloth * (1 - sheet.moved(inner, -18, 14))
    sheet.fill(rim.clamp(0, 1), dark, 0.5)
    sheet.fill(cloth * sheet.glow(-110, 190, 80, 60), light, 0.28)
    for side in (-1, 1):
        fold = _stroke(sheet, (150 * side, 262), (141 * side, 330), 2.0)
        sheet.fill(sheet.soft(fold, 3) * cloth, dark, 0.5)


def _neckline(sheet: Layer, grow: float) -> Tensor:
    return sheet.ellipse(0, 138, 55 + grow, 40 + grow)


def _paint_crew(sheet: Layer, look: Style) -> None:
    cloth = _torso(sheet) * (1 - _neckline(sheet, 0))
    sheet.fill(cloth, look.clothing)
    _shade_cloth(sheet, cloth, look.clothing)
    ribbing = cloth * _neckline(sheet, 11)
    sheet.fill(ribbing, mix(look.clothing, SHADE, 0.22))
    seam = _neckline(sheet, 12.2) * (1 - _neckline(sheet, 10.8)) * cloth
    sheet.fill(seam, mix(look.clothing, SHADE, 0.5), 0.8)
    _shadow_inside(sheet, look, cloth)


def _shadow_inside(sheet: Layer, look: Style, cloth: Tensor) -> None:
    """The collar stands off the skin a little."""
    rim = sheet.soft(cloth, 5) * (1 - cloth) * _neckline(sheet, 0)
    sheet.tint(rim, mix(look.skin, SHADE, 0.6), 0.5)


def _paint_blazer(sheet: Layer, look: Style) -> None:
    torso = _torso(sheet)
    shirt = torso * (1 - _neckline(sheet, 4))
    sheet.fill(shirt, look.clothing_under)
    _shadow_inside(sheet, look, shirt)
    opening = sheet.polygon(
        [(-58, 120), (58, 120), (60, 160), (7, 330), (-7, 330), (-60, 160)]
    )
    jacket = torso * (1 - opening)
    fall = sheet.soft(jacket, 9) * shirt * (1 - jacket)
    sheet.fill(fall, mix(look.clothing_under, SHADE, 0.5), 0.5)
    sheet.fill(jacket, look.clothing)
    _shade_cloth(sheet, jacket, look.clothing)
    for side in (-1, 1):
        lapel = sheet.polygon(
            [(side * x, y) for x, y in
             ((54, 146), (66, 152), (99, 208), (80, 222),
              (88, 234), (7, 335), (59, 162))]
        )  # fmt: skip
        sheet.fill(sheet.soft(sheet.moved(lapel, 3 * side, 4), 6) * jacket,
                   mix(look.clothing, SHADE, 0.7), 0.55)  # fmt: skip
        sheet.fill(
            lapel * torso, mix(look.clothing, "#ffffff", 0.10 if side < 0 else 0.03)
        )


def _paint_hoodie(sheet: Layer, look: Style) -> None:
    hood = sheet.path(
        mirrored([(0, 120), (58, 112), (88, 140), (92, 174), (50, 216), (0, 226)])
    )
    cloth = _torso(sheet) * (1 - _neckline(sheet, 6))
    sheet.fill(cloth, look.clothing)
    _shade_cloth(sheet, cloth, look.clothing)
    inner = _neckline(sheet, 3)
    collar = hood * (1 - inner)
    sheet.fill(
        sheet.soft(sheet.moved(hood, 2, 7), 10) * cloth,
        mix(look.clothing, SHADE, 0.7),
        0.6,
    )
    sheet.fill(collar, mix(look.clothing, "#ffffff", 0.06))
    lining = collar * _neckline(sheet, 14)
    sheet.fill(lining, mix(look.clothing, SHADE, 0.4))
    under = sheet.path(
        [(-40, 163), (0, 176), (40, 163), (34, 190), (0, 200), (-34, 190)]
    )
    sheet.fill(under * inner, look.clothing_under)
    for side in (-1, 1):
        cord = _stroke(sheet, (26 * side, 200), (28 * side, 262), 2.4)
        sheet.fill(
            sheet.soft(sheet.moved(cord, 3, 2), 3), mix(look.clothing, SHADE, 0.7), 0.5
        )
        sheet.fill(cord, mix(look.clothing_under, "#ffffff", 0.2))


def _stroke(sheet: Layer, start: Point, end: Point, half: float) -> Tensor:
    """A straight line with round ends."""
    (x0, y0), (x1, y1) = start, end
    dx, dy = x1 - x0, y1 - y0
    along = ((sheet.x - x0) * dx + (sheet.y - y0) * dy) / (dx * dx + dy * dy)
    along = along.clamp(0, 1)
    far = torch.hypot(sheet.x - x0 - along * dx, sheet.y - y0 - along * dy)
    return ((half - far) * sheet.scale + 0.5).clamp(0, 1)
