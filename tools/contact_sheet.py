"""
Contact sheets of the drawn avatars: visemes, poses and a blink, one PNG each.

``python tools/contact_sheet.py --out FOLDER [--avatars assets/avatars]``; needs Pillow.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageDraw

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from renderer.avatar import Avatar, load_all, make_rig
from renderer.face import INDEX, face
from renderer.frames import Cue
from renderer.idle import Life

SIZE = 512
CROP = (86, 52, 426, 432)  # left, top, right, bottom
CELL = (187, 209)
_QUIET = "idle"

Weights = Mapping[str, float]


def both(**weights: float) -> dict[str, float]:
    """``both(mouthSmile=0.4)``: names without a side get both."""
    sided = {}
    for name, weight in weights.items():
        ends = ("",) if name in INDEX else ("Left", "Right")
        sided.update({name + end: weight for end in ends})
    return sided


VISEMES: dict[str, Weights] = {
    "sil": {},
    "AA": both(jawOpen=0.7, mouthLowerDown=0.3, mouthUpperUp=0.2),
    "EE": both(
        jawOpen=0.15, mouthSmile=0.45, mouthStretch=0.5, mouthUpperUp=0.3,
        mouthLowerDown=0.35,
    ),
    "OH": both(jawOpen=0.5, mouthFunnel=0.7, mouthPucker=0.2),
    "OO": both(jawOpen=0.25, mouthPucker=0.7, mouthFunnel=0.45),
    "MM": both(
        jawOpen=0.05, mouthClose=0.05, mouthPress=0.6, mouthRollLower=0.4,
        mouthRollUpper=0.4,
    ),
    "FF": both(jawOpen=0.08, mouthRollLower=0.8, mouthUpperUp=0.3),
    "SS": both(jawOpen=0.06, mouthStretch=0.35, mouthUpperUp=0.4, mouthLowerDown=0.5),
    "TH": both(jawOpen=0.2, tongueOut=0.5, mouthLowerDown=0.2, mouthUpperUp=0.2),
    "SH": both(jawOpen=0.12, mouthFunnel=0.8, mouthUpperUp=0.2, mouthLowerDown=0.2),
}  # fmt: skip
POSES: dict[str, Weights] = {
    "left": {"headYaw": -0.3},
    "right": {"headYaw": 0.3},
    "up": {"headPitch": 0.2},
    "down": {"headPitch": -0.2},
    "roll": {"headRoll": 0.15},
    "gaze": {"gazeX": 0.8, "gazeY": 0.4},
    "smile": both(mouthSmile=0.9, cheekSquint=0.5),
    "brows up": both(browInnerUp=1.0, browOuterUp=0.8, eyeWide=0.8),
    "brows down": both(browDown=1.0, mouthFrown=0.6),
    "jaw": {"jawOpen": 1.0},
}
BLINK: dict[str, Weights] = {
    f"blink {amount:.2f}": both(eyeBlink=amount) for amount in (0, 0.25, 0.5, 0.75, 1)
}


def pictures(avatar: Avatar, faces: Sequence[Weights]) -> list[Image.Image]:
    """One cropped picture for each face."""
    rig = make_rig(avatar, SIZE, SIZE, torch.device("cpu"))
    rest = Life(0).face(0.9, _QUIET)
    for still in ("gazeX", "gazeY", "eyeBlinkLeft", "eyeBlinkRight"):
        rest[INDEX[still]] = 0.0
    rows = torch.stack([rest + face(**weights) for weights in faces])
    cues = [Cue(index=0, turn=0, at_s=0.0, level=0.0)] * len(rows)
    frames = rig.draw(rows, cues).numpy()
    return [Image.fromarray(to_rgb(f, SIZE, SIZE)).crop(CROP) for f in frames]


def to_rgb(
    i420: npt.NDArray[np.uint8], width: int, height: int
) -> npt.NDArray[np.uint8]:
    """I420 in BT.601, limited range -> RGB ``[H, W, 3]``."""
    luma = width * height
    y = (i420[:luma].reshape(height, width) - 16.0) * (255 / 219)
    halves = i420[luma:].reshape(2, height // 2, width // 2) - 128.0
    u, v = halves.repeat(2, 1).repeat(2, 2) * (255 / 224)
    rgb = np.stack([y + 1.402 * v, y - 0.344136 * u - 0.714136 * v, y + 1.772 * u], -1)
    return (rgb + 0.5).clip(0, 255).astype(np.uint8)


def sheet(rows: Sequence[Mapping[str, Image.Image]], columns: int) -> Image.Image:
    """Named pictures in a grid, each row of avatars below the other."""
    cells = [item for row in rows for item in row.items()]
    lines = -(-len(cells) // columns)
    page = Image.new("RGB", (columns * CELL[0], lines * CELL[1]), "white")
    draw = ImageDraw.Draw(page)
    for i, (name, picture) in enumerate(cells):
        at = (i % columns * CELL[0], i // columns * CELL[1])
        page.paste(picture.resize(CELL, Image.Resampling.LANCZOS), at)
        draw.text((at[0] + 8, at[1] + 6), name, fill="white", font_size=18)
    return page


def main() -> None:
    """Write the sheets of every drawn avatar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--avatars", type=Path, default=Path("assets/avatars"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    drawn = [a for a in load_all(options.avatars).avatars.values() if a.look]
    kinds = {"visemes": VISEMES, "poses": POSES, "blink": BLINK}
    for kind, faces in kinds.items():
        rows = [
            dict(zip(faces, pictures(avatar, list(faces.values())), strict=True))
            for avatar in drawn
        ]
        path = options.out / f"{kind}.png"
        page = sheet(rows, columns=5)
        page.save(path, optimize=True)


if __name__ == "__main__":
    main()
