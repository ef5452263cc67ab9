"""
Contact sheet of avatars from a photo: some faces of each preview, one row a person.

``python -m tests.creation.sheet PREVIEW.png... -o docs/photo-avatars.webp``, with the
previews that ``lite-gateway avatars create`` writes beside its packages.
"""

import argparse
from pathlib import Path

from PIL import Image

from creation.preview import CELL_PX, FACES

_SHOWN = ("rest", "AA", "EE", "OH", "blink", "to the right")
_SIDE = 180
_QUALITY = 82


def sheet(previews: list[Image.Image]) -> Image.Image:
    """Return the faces `_SHOWN` of pages as `draw_preview` returns them."""
    page = Image.new("RGB", (len(_SHOWN) * _SIDE, len(previews) * _SIDE))
    names = list(FACES)
    for row, preview in enumerate(previews):
        across = preview.width // CELL_PX
        for column, name in enumerate(_SHOWN):
            down, right = divmod(names.index(name), across)
            corner = right * CELL_PX, down * CELL_PX
            cell = preview.crop((*corner, corner[0] + CELL_PX, corner[1] + CELL_PX))
            face = cell.resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
            page.paste(face, (column * _SIDE, row * _SIDE))
    return page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("previews", nargs="+", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()
    pages = [Image.open(path).convert("RGB") for path in args.previews]
    sheet(pages).save(args.output, quality=_QUALITY, method=6)


if __name__ == "__main__":
    main()
