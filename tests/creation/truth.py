"""
Keyframes made from a photo, compared with those that the studio rendered.

``python -m tests.creation.truth [--out FOLDER] [--all]`` takes the base image of a
shipped portrait as a photo, lends the other portrait's inside and moves to it, and
compares the keyframes with the portrait's own. It prints the peak signal-to-noise
ratio of each, and writes pages with the truth above.
"""

import argparse
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from creation.arrays import Picture
from creation.donor.loader import load_donor
from creation.fit.face import fit_face
from creation.images import sample
from creation.keys.closeups import closeup_box, make_painter
from creation.keys.donor_pictures import DonorPictures
from creation.keys.head import Head
from creation.keys.keyframe import Painter
from creation.keys.view import Box
from creation.plate import Plate, frame_plate
from creation.vision.faces import find_faces, landmarks

ASSETS = Path(__file__).resolve().parents[2] / "assets" / "avatars"
KEYS = {
    "mouth": (0, 4, 10, 12, 28, 16, 5, 11, 43, 39),
    "eyeRight": (1, 3, 5, 12, 14, 15),
}
# Goals of the mean peak signal-to-noise ratio, dB: of mouths, eyes, and of the mouth at
# rest.
GOALS = {"mouth": 30.0, "eyeRight": 27.0, "rest": 38.0}


@dataclass(frozen=True)
class Subject:
    """Portrait of the studio as the person of a photo."""

    pictures: DonorPictures
    plate: Plate
    head: Head
    painter: Painter

    def true(self, name: str, number: int, box: Box) -> Picture:
        """Return the studio's keyframe in a box of the plate."""
        whole = self.pictures.base_image.copy()
        left, top, right, bottom = self.pictures.box(name)
        whole[top:bottom, left:right] = self.pictures.keyframe(name, number)
        x = np.arange(box[0], box[2]) + 0.5
        y = np.arange(box[1], box[3]) + 0.5
        at = np.stack(np.meshgrid(x, y), -1) / self.plate.scale
        return sample(whole, at + self.plate.corner)

    def made(self, name: str, number: int, box: Box) -> Picture:
        return self.painter.paint(name, number, box).picture


@cache
def subject(person: str, donor: str) -> Subject:
    """Return a portrait that is made anew, with the geometry of ``donor``."""
    own = load_donor(person, ASSETS)
    pictures = DonorPictures.of(own)
    photo = pictures.base_image
    [face, *_] = find_faces(photo)
    plate = frame_plate(photo, landmarks(photo, face).points)
    lender = load_donor(donor, ASSETS)
    fitted = fit_face(plate.in_square(), lender, plate.height)
    head = Head.of(plate, fitted)
    painter = make_painter(head, DonorPictures.of(lender))
    return Subject(pictures, plate, head, painter)


def psnr(one: Picture, other: Picture) -> float:
    """Return the ratio in the middle of two close-ups, dB."""
    height, width = one.shape[:2]
    rows = slice(height // 5, 4 * height // 5)
    columns = slice(width // 6, 5 * width // 6)
    error = float(((one[rows, columns] - other[rows, columns]) ** 2).mean())
    return -10 * np.log10(max(error, 1e-10))


def compare(
    who: Subject, name: str, numbers: tuple[int, ...]
) -> tuple[list[float], list[tuple[Picture, Picture]]]:
    """Return ratios of keyframes, and the pairs of truth and what was made."""
    box = closeup_box(who.head, name)
    pairs = [(who.true(name, n, box), who.made(name, n, box)) for n in numbers]
    return [psnr(*pair) for pair in pairs], pairs


def page(pairs: list[tuple[Picture, Picture]], across: int = 5) -> Image.Image:
    """Return pairs in rows, the truth above."""
    rows, columns = pairs[0][0].shape[:2]
    lines = -(-len(pairs) // across)
    out = Image.new("RGB", (across * columns, 2 * lines * rows))
    for number, pair in enumerate(pairs):
        for below, picture in enumerate(pair):
            pixels = np.round(picture.clip(0, 1) * 255).astype(np.uint8)
            corner = number % across * columns, (2 * (number // across) + below) * rows
            out.paste(Image.fromarray(pixels), corner)
    return out


def main() -> None:
    """Print the ratios of both portraits, and write the pages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--person", choices=("theo", "mira"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    for person, donor in (("theo", "mira"), ("mira", "theo")):
        if args.person not in (None, person):
            continue
        who = subject(person, donor)
        for name, numbers in KEYS.items():
            ratios, pairs = compare(who, name, numbers)
            print(person, name, " ".join(f"{ratio:.1f}" for ratio in ratios), end="; ")
            print(f"mean {np.mean(ratios):.1f}, goal {GOALS[name]:g} dB")
            if args.out is not None:
                page(pairs).save(args.out / f"truth-{person}-{name}.png")


if __name__ == "__main__":
    main()
