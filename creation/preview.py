"""Preview of a package: one page of faces, as the renderer draws them."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from creation.arrays import Picture
from renderer.avatar import load, make_rig
from renderer.face import face_array
from renderer.rig import RigInput
from renderer.yuv import i420_to_rgb

CELL_PX = 320
# The whole frame, and where the part that is shown begins: the head has 60 % of it.
_FRAME_PX, _TOP = 480, 0.03
_COLUMNS = 4
_FONT_PX = 18
_BOTH = ("Left", "Right")


def _sides(**weights: float) -> dict[str, float]:
    return {name + side: value for name, value in weights.items() for side in _BOTH}


FACES: Mapping[str, Mapping[str, float]] = {
    "rest": {},
    "AA": {"jawOpen": 0.6, **_sides(mouthLowerDown=0.2)},
    "EE": {"jawOpen": 0.12, **_sides(mouthSmile=0.4, mouthUpperUp=0.3,
                                     mouthLowerDown=0.4)},
    "OH": {"jawOpen": 0.35, "mouthFunnel": 0.6, "mouthPucker": 0.2},
    "PP": {"mouthRollLower": 0.3, "mouthRollUpper": 0.25, **_sides(mouthPress=0.5)},
    "FF": {"jawOpen": 0.05, "mouthRollLower": 0.6, **_sides(mouthUpperUp=0.15)},
    "smile": _sides(mouthSmile=0.7, cheekSquint=0.4),
    "blink": _sides(eyeBlink=1.0),
    "half a blink": _sides(eyeBlink=0.5),
    "brows": {"browInnerUp": 0.8, **_sides(browOuterUp=0.7)},
    "to the left": {"headYaw": -0.2, "gazeX": -0.6},
    "to the right": {"headYaw": 0.2, "gazeX": 0.6},
}  # fmt: skip


def draw_faces(
    package: Path, size: tuple[int, int], faces: Mapping[str, Mapping[str, float]]
) -> list[Picture]:
    """
    Return ``[h, w, 3]`` sRGB 0..1 of each face; ``size`` is width and height.

    Raises `BrokenAvatar`.
    """
    width, height = size
    rig = make_rig(load(package), width, height, "cpu")
    rig_input = RigInput(index=0, turn=0, at_s=0.0, level=0.0)
    frames = [
        rig.draw(face_array(**weights)[None], [rig_input])[0]
        for weights in faces.values()
    ]
    return [i420_to_rgb(frame, width, height) for frame in frames]


def draw_preview(package: Path) -> Image.Image:
    """Return a page of `FACES`, each with its name. Raises `BrokenAvatar`."""
    drawn = draw_faces(package, (_FRAME_PX, _FRAME_PX), FACES)
    left, top = (_FRAME_PX - CELL_PX) // 2, round(_TOP * _FRAME_PX)
    pictures = [
        picture[top : top + CELL_PX, left : left + CELL_PX] for picture in drawn
    ]
    rows = -(-len(pictures) // _COLUMNS)
    page = Image.new("RGB", (_COLUMNS * CELL_PX, rows * CELL_PX))
    pen = ImageDraw.Draw(page)
    for number, (name, picture) in enumerate(zip(FACES, pictures, strict=True)):
        corner = (number % _COLUMNS * CELL_PX, number // _COLUMNS * CELL_PX)
        page.paste(Image.fromarray(np.round(picture * 255).astype(np.uint8)), corner)
        pen.text(
            (corner[0] + 8, corner[1] + 6), name, "white", font_size=_FONT_PX,
            stroke_width=2, stroke_fill="black",
        )  # fmt: skip
    return page
