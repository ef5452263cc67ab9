"""Writer of a package: manifest, surface and images."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from creation.arrays import Picture
from creation.binding import PlateBinding, bind_cells
from creation.keys.closeups import CloseupKeys, tiled, with_alpha
from creation.keys.head import Head
from renderer.portrait.packing import (
    BoundCells,
    PackedCloseup,
    PackedSurface,
    breath_offset,
    breath_weight,
)

_QUALITY = 93  # of WebP
_METHOD = 4  # of WebP: 6 is smaller by some per cent, and takes three times as long
BACKGROUNDS = "backgrounds"  # folder of a package, as docs/avatars.md says
_MAX_SIDE = 16383  # pixels of a WebP image
CONSENT = "This is me, or I have this person's consent to make them speak."
CONFIRMED = {  # part of the sentence -> what the manifest says
    "either": CONSENT,
    "me": "This is me.",
    "consent": "I have this person's consent to make them speak.",
}


@dataclass(frozen=True, slots=True)
class Manifest:
    """Texts of a package's manifest."""

    title: str
    by: str  # who confirmed `consent`
    date: str  # ISO 8601
    consent: str = CONSENT
    donor: str = ""  # name of the portrait that lent what the photo does not show
    centre: str = "#93a8b0"  # colours of the wall behind a person without background
    edge: str = "#26333c"
    picture: str = ""  # name of the picture that is there instead of the wall
    licence: str = "LicenseRef-AllRightsReserved"

    def text(self) -> str:
        """Return the content of ``avatar.json``."""
        wall = {"centre": self.centre, "edge": self.edge}
        donor = {"donor": self.donor} if self.donor else {}
        return json.dumps(
            {
                "schema": 1,
                "rig": "portrait",
                "title": self.title,
                "licence": self.licence,
                "author": self.by,
                "background": {"picture": self.picture} if self.picture else wall,
                "likeness": {
                    "source": "photo",
                    "consent": self.consent,
                    "by": self.by,
                    "date": self.date,
                    **donor,
                },
            },
            indent=2,
        )


def write_package(
    folder: Path,
    manifest: Manifest,
    head: Head,
    binding: PlateBinding,
    closeups: list[CloseupKeys],
    alpha: Picture | None = None,
) -> None:
    """
    Write a package into ``folder``, which exists.

    ``alpha`` ``[H, W]`` 0..1 makes the plate transparent where there is no person.
    """
    if alpha is not None:
        closeups = [with_alpha(keys, alpha) for keys in closeups]
    packed = {keys.name: _packed(head, binding, keys) for keys in closeups}
    fitted, fill = head.fitted, binding.fill
    skull = head.donor.skull
    surface = PackedSurface(
        neutral=np.concatenate([fitted.rest, fill.neutral]),
        blendshapes=np.concatenate([fitted.shapes, fill.shapes], 1),
        head_weight=np.concatenate([skull, fill.head_weight]),
        breath_weight=np.concatenate([breath_weight(skull), fill.breath_weight]),
        camera=fitted.camera,
        pivot=fitted.pivot,
        breath_offset=breath_offset(),
        base_image=BoundCells(binding.triangles, binding.shares),
        closeups=packed,
    )
    np.savez_compressed(folder / "surface.npz", **surface.arrays())  # type: ignore[arg-type]
    for keys in closeups:
        picture = keys.keyframes[0].picture
        down = _MAX_SIDE // len(picture)
        across = -(-len(keys.keyframes) // down)
        _save(tiled(keys, across), folder / f"{keys.name}.webp")
    plate = head.plate.picture
    if alpha is not None:
        plate = np.concatenate([plate, alpha[..., None]], -1)
    _save(plate, folder / "plate.webp")
    (folder / "avatar.json").write_text(manifest.text() + "\n", encoding="utf-8")


def write_backgrounds(folder: Path, pictures: dict[str, Picture]) -> None:
    """Write pictures for the background of a package into its folder."""
    backgrounds = folder / BACKGROUNDS
    backgrounds.mkdir()
    for name, picture in pictures.items():
        _save(picture, backgrounds / f"{name}.webp")


def _packed(head: Head, binding: PlateBinding, keys: CloseupKeys) -> PackedCloseup:
    bound = [
        bind_cells(
            *(head, binding.fill.lattice, frame.triangle, frame.shares),
            frame.plate_at.reshape(-1, 2),
        )
        for frame in keys.keyframes
    ]
    cells = BoundCells(
        np.stack([triangles for triangles, _ in bound]),
        np.stack([shares for _, shares in bound]),
    )
    return PackedCloseup(keys.box, keys.weights, keys.features, cells)


def _save(picture: Picture, path: Path) -> None:
    pixels = np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8)
    Image.fromarray(pixels).save(path, quality=_QUALITY, method=_METHOD)
