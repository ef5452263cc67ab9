"""
Layer of the head: ears, face, nose and hair, without eyes and mouth.

Units are 1/512 of the frame's shorter side. The origin is the middle between the ears;
y points down.
"""

from collections.abc import Sequence

from torch import Tensor

from renderer.cartoon.body import SHADE
from renderer.cartoon.shapes import Layer, Point, mirrored, mix
from renderer.cartoon.style import Style

BOUNDS = (-150.0, -172.0, 300.0, 360.0)  # left, top, width, height of the layer


def paint_head(layer: Layer, style: Style) -> None:
    """Paint the parts of the head that do not change with the expression."""
    face = layer.path(_outline(style.jaw))
    if style.hair_style == "bob":
        _paint_bob_back(layer, style)
    if style.hair_style == "bun":
        _paint_bun_back(layer, style)
    if style.hair_style != "bob":
        _paint_ears(layer, style)
    layer.fill(face, style.skin)
    _shade_face(layer, style, face)
    if style.stubble > 0:
        _paint_stubble(layer, style, face)
    _paint_nose(layer, style)
    match style.hair_style:
        case "bob":
            _paint_bob_front(layer, style, face)
        case "bun":
            _paint_bun_front(layer, style, face)
        case "quiff":
            _paint_quiff(layer, style, face)
        case _:
            _paint_crop(layer, style, face)


def _outline(jaw: float) -> list[Point]:
    return mirrored(
        [
            (0, -122), (44, -116), (74, -88), (86, -48), (88, -10), (85, 26),
            (77 + 3 * jaw, 58), (59 + 8 * jaw, 86), (36 + 8 * jaw, 106),
            (14 + 6 * jaw, 115), (0, 116),
        ]
    )  # fmt: skip


def _paint_ears(layer: Layer, style: Style) -> None:
    dark = mix(style.skin, SHADE, 0.45)
    for side in (-1, 1):
        ear = layer.path(
            [(side * x, y) for x, y in
             ((82, -16), (93, -22), (101, -14), (100, 6), (94, 24), (85, 30), (80, 10))]
        )  # fmt: skip
        layer.fill(ear, mix(style.skin, SHADE, 0.08))
        layer.fill(
            layer.blurred(layer.ellipse(side * 91, 2, 4.5, 12), 3) * ear, dark, 0.5
        )


def _shade_face(layer: Layer, style: Style, face: Tensor) -> None:
    dark, light = mix(style.skin, SHADE, 0.5), mix(style.skin, "#fff1df", 0.6)
    warm = mix(style.skin, "#e8505a", 0.5)
    inner = layer.blurred(face, 26)
    layer.fill((face * (1 - layer.shifted(inner, -12, -5))).clamp(0, 1), dark, 0.42)
    layer.fill(face * layer.radial_gradient(-22, -62, 62, 44), light, 0.40)
    layer.fill(face * layer.radial_gradient(0, 100, 26, 13), light, 0.30)
    for side in (-1, 1):
        layer.fill(face * layer.radial_gradient(side * 52, 38, 34, 25), warm, 0.32)
        layer.fill(face * layer.radial_gradient(side * 46, 22, 26, 14), light, 0.30)
        layer.fill(face * layer.radial_gradient(side * 37, -10, 36, 24), dark, 0.20)


def _paint_nose(layer: Layer, style: Style) -> None:
    dark, light = mix(style.skin, SHADE, 0.5), mix(style.skin, "#fff1df", 0.75)
    bridge = layer.path(
        [(7, -16), (11, 6), (16, 24), (17, 34), (11, 38), (8, 24), (5, 0)]
    )
    layer.fill(layer.blurred(bridge, 6), dark, 0.42)
    base = layer.path(
        [(-15, 36), (-9, 42), (0, 45), (9, 42), (15, 36), (8, 41), (0, 41), (-8, 41)]
    )
    layer.fill(layer.blurred(base, 2.2), mix(style.skin, SHADE, 0.62), 0.75)
    layer.fill(layer.radial_gradient(1, 52, 17, 10), dark, 0.35)
    for side in (-1, 1):
        nostril = layer.path(
            [(side * x, y) for x, y in ((4.5, 39.5), (8, 37.6), (11.5, 39), (8, 41.6))]
        )
        layer.fill(layer.blurred(nostril, 1.2), mix(style.skin, SHADE, 0.85), 0.6)
    layer.fill(layer.radial_gradient(-2, 28, 10, 9), light, 0.55)
    layer.fill(layer.radial_gradient(-3, 2, 5, 26), light, 0.35)


def _paint_stubble(layer: Layer, style: Style, face: Tensor) -> None:
    beard = layer.path(
        mirrored(
            [(0, 49), (20, 50), (38, 58), (50, 66), (68, 42), (80, 14), (96, 10),
             (96, 90), (50, 132), (0, 134)]
        )
    )  # fmt: skip
    around = layer.path(mirrored([(0, 57), (26, 58), (36, 68), (30, 82), (0, 86)]))
    shape = layer.blurred(beard, 10) * (1 - 0.75 * layer.blurred(around, 7))
    layer.fill(shape * face, mix(style.hair, style.skin, 0.25), 0.55 * style.stubble)


def _shadow_on_face(layer: Layer, style: Style, hair: Tensor, face: Tensor) -> None:
    cast = layer.shifted(layer.blurred(hair, 9), 3, 9) * face
    layer.fill(cast, mix(style.skin, SHADE, 0.7), 0.42)


def _paint_hair(layer: Layer, style: Style, hair: Tensor, shine: Tensor) -> None:
    """Paint hair: one colour, darker to the lower right, and a soft shine."""
    layer.fill(hair, style.hair)
    inner = layer.blurred(hair, 16)
    rim = (hair * (1 - layer.shifted(inner, -9, -9))).clamp(0, 1)
    layer.fill(rim, mix(style.hair, "#000000", 0.55), 0.55)
    layer.fill(layer.blurred(shine, 7) * hair, mix(style.hair, "#ffe9d0", 0.42), 0.55)


def _strand(
    layer: Layer, points: Sequence[Point], hair: Tensor, style: Style, light: bool
) -> None:
    colour = (
        mix(style.hair, "#ffe9d0", 0.35) if light else mix(style.hair, "#000000", 0.5)
    )
    layer.fill(layer.blurred(layer.path(points), 1.2) * hair, colour, 0.5)


def _paint_bob_back(layer: Layer, style: Style) -> None:
    mass = layer.path(
        [(-2, -150), (52, -144), (92, -112), (110, -62), (114, 0), (118, 60),
         (124, 112),
         (112, 146), (84, 156), (60, 150), (52, 120), (50, 60), (-50, 60), (-52, 120),
         (-60, 150), (-86, 155), (-112, 144), (-123, 110), (-117, 60), (-113, 0),
         (-109, -62), (-92, -112), (-54, -143)]
    )  # fmt: skip
    layer.fill(mass, mix(style.hair, "#000000", 0.22))
    inner = layer.blurred(mass, 14)
    light_side = (mass * (1 - layer.shifted(inner, 9, 4))).clamp(0, 1)
    layer.fill(light_side, style.hair, 0.9)


def _paint_bob_front(layer: Layer, style: Style, face: Tensor) -> None:
    left = layer.path(
        [(30, -146), (-20, -152), (-64, -138), (-98, -104), (-113, -54), (-117, 6),
         (-119, 66), (-122, 112), (-110, 144), (-92, 148), (-84, 120), (-84, 70),
         (-87, 20), (-84, -22), (-70, -52), (-34, -76), (10, -98), (32, -118)]
    )  # fmt: skip
    right = layer.path(
        [(22, -148), (62, -139), (96, -108), (112, -58), (116, 4), (119, 64),
         (124, 110),
         (112, 146), (92, 150), (84, 122), (84, 70), (87, 18), (86, -24), (76, -58),
         (52, -88), (28, -116)]
    )  # fmt: skip
    hair = (left + right).clamp(max=1)
    _shadow_on_face(layer, style, hair, face)
    shine = layer.path(
        [(-92, -84), (-60, -116), (-16, -132), (-20, -122), (-58, -100), (-86, -66)]
    )
    _paint_hair(layer, style, hair, shine)
    for points, light in (
        ([(24, -146), (30, -124), (26, -112), (22, -124)], False),
        (
            [(10, -126), (-40, -104), (-82, -56), (-86, -54), (-48, -108), (8, -132)],
            True,
        ),
        (
            [(-96, -40), (-104, 30), (-102, 110), (-99, 110), (-100, 30), (-93, -40)],
            True,
        ),
        ([(40, -126), (80, -90), (98, -30), (101, -30), (86, -94), (42, -132)], True),
        ([(96, 0), (104, 60), (104, 118), (107, 118), (107, 60), (99, 0)], False),
    ):
        _strand(layer, points, hair, style, light)


def _paint_bun_back(layer: Layer, style: Style) -> None:
    knot = layer.path(
        [
            (0, -172),
            (32, -164),
            (44, -142),
            (30, -120),
            (0, -114),
            (-30, -120),
            (-44, -142),
            (-32, -164),
        ]
    )
    _paint_hair(layer, style, knot, layer.ellipse(-16, -150, 12, 8))


def _paint_bun_front(layer: Layer, style: Style, face: Tensor) -> None:
    hair = layer.path(
        [(0, -138), (50, -130), (84, -100), (97, -54), (95, -14), (88, 0), (84, -26),
         (72, -62), (40, -84), (0, -92), (-40, -84), (-72, -62), (-84, -26), (-88, 0),
         (-95, -14), (-97, -54), (-84, -100), (-50, -130)]
    )  # fmt: skip
    _shadow_on_face(layer, style, hair, face)
    shine = layer.path(
        [(-76, -84), (-44, -116), (0, -124), (0, -114), (-40, -102), (-70, -72)]
    )
    _paint_hair(layer, style, hair, shine)


def _paint_quiff(layer: Layer, style: Style, face: Tensor) -> None:
    hair = layer.path(
        [(-40, -142), (0, -156), (46, -152), (82, -130), (99, -92), (99, -48),
         (94, -12),
         (88, -10), (85, -36), (78, -62), (62, -82), (30, -84), (-4, -80), (-34, -84),
         (-60, -84), (-76, -66), (-84, -38), (-87, -10), (-93, -12), (-99, -50),
         (-97, -96), (-76, -124)]
    )  # fmt: skip
    _shadow_on_face(layer, style, hair, face)
    shine = layer.path(
        [(-66, -108), (-30, -134), (16, -144), (20, -134), (-24, -122), (-58, -96)]
    )
    _paint_hair(layer, style, hair, shine)
    for points, light in (
        (
            [(-50, -92), (-20, -118), (30, -140), (31, -137), (-14, -112), (-44, -90)],
            True,
        ),
        (
            [(-10, -86), (24, -112), (66, -124), (66, -121), (28, -106), (-2, -85)],
            False,
        ),
        ([(34, -88), (60, -102), (86, -100), (86, -97), (62, -97), (40, -86)], True),
        (
            [(-90, -70), (-94, -40), (-91, -18), (-89, -18), (-90, -40), (-87, -70)],
            False,
        ),
    ):
        _strand(layer, points, hair, style, light)


def _paint_crop(layer: Layer, style: Style, face: Tensor) -> None:
    hair = layer.path(
        [(0, -136), (48, -129), (82, -100), (95, -56), (94, -14), (89, -4), (86, -34),
         (78, -64), (46, -82), (0, -86), (-46, -82), (-78, -64), (-86, -34), (-89, -4),
         (-94, -14), (-95, -56), (-82, -100), (-48, -129)]
    )  # fmt: skip
    _shadow_on_face(layer, style, hair, face)
    _paint_hair(layer, style, hair, layer.ellipse(-36, -108, 28, 9))
