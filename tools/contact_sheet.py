"""
Contact sheets of portraits: one image each of visemes, poses and a blink.

``python tools/contact_sheet.py --out FOLDER [--avatars assets/avatars] [NAME …]``
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lite_gateway.offline.expressions import BLINK, POSES, VISEMES, Weights
from renderer.avatar import Avatar, load_all, make_rig
from renderer.face import INDEX, face_array
from renderer.life.life import Life
from renderer.rig import RigInput
from renderer.yuv import i420_to_rgb, to_codes

SIZE = 512
CROP = (114, 32, 398, 349)  # left, top, right, bottom of a portrait's head
CELL = (187, 209)


def draw_faces(avatar: Avatar, faces: Sequence[Weights]) -> list[Image.Image]:
    """Return one cropped image for each face."""
    rig = make_rig(avatar, SIZE, SIZE, "cpu")
    rest = Life(0).face(0.9, "idle")
    for name in ("gazeX", "gazeY", "eyeBlinkLeft", "eyeBlinkRight"):
        rest[INDEX[name]] = 0.0
    rows = np.stack([rest + face_array(**weights) for weights in faces])
    rig_inputs = [RigInput(index=0, turn=0, at_s=0.0, level=0.0)] * len(rows)
    frames = rig.draw(rows, rig_inputs)
    return [Image.fromarray(to_rgb(f, SIZE, SIZE)).crop(CROP) for f in frames]


def to_rgb(
    i420: npt.NDArray[np.uint8], width: int, height: int
) -> npt.NDArray[np.uint8]:
    """Convert I420 to RGB ``[H, W, 3]`` uint8."""
    return to_codes(255 * i420_to_rgb(i420, width, height))


def contact_sheet(
    rows: Sequence[Mapping[str, Image.Image]], columns: int
) -> Image.Image:
    """Return named images in a grid; the rows of avatars are below each other."""
    cells = [item for row in rows for item in row.items()]
    lines = -(-len(cells) // columns)
    page = Image.new("RGB", (columns * CELL[0], lines * CELL[1]), "white")
    draw = ImageDraw.Draw(page)
    for i, (name, image) in enumerate(cells):
        corner = (i % columns * CELL[0], i // columns * CELL[1])
        page.paste(image.resize(CELL, Image.Resampling.LANCZOS), corner)
        draw.text((corner[0] + 8, corner[1] + 6), name, fill="white", font_size=18)
    return page


def main() -> None:
    """Write the contact sheets of the named portraits, or of all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--avatars", type=Path, default=Path("assets/avatars"))
    parser.add_argument("names", nargs="*", metavar="NAME")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    catalog = load_all(args.avatars).avatars
    avatars = [catalog[name] for name in args.names or catalog]
    avatars = [avatar for avatar in avatars if avatar.rig == "portrait"]
    kinds = {"visemes": VISEMES, "poses": POSES, "blink": BLINK}
    for kind, faces in kinds.items():
        rows = [
            dict(zip(faces, draw_faces(avatar, list(faces.values())), strict=True))
            for avatar in avatars
        ]
        path = args.out / f"{kind}.webp"
        contact_sheet(rows, columns=5).save(path, quality=88, method=6)


if __name__ == "__main__":
    main()
