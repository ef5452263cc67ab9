"""Rendered people: photos, pictures that creation refuses, and truth of keyframes."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

PEOPLE = ("ana", "ben", "cho", "dan", "eva")
# Pictures by what creation makes of them; README.md describes each.
REFUSED = {
    "turned": "not_frontal",
    "nodded": "not_frontal",
    "two_faces": "many_faces",
    "sunglasses": "eyes_hidden",
    "mask": "mouth_hidden",
    "hand": "mouth_hidden",
    "face_90px": "too_small",
    "face_cut": "face_cut",
}
ACCEPTED = (  # some of them with a warning
    *("bystander", "laugh", "teeth", "glasses", "hair_cut", "face_150px"),
    *("upside_down", "quarter_turned"),
)
_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Truth:
    """
    Keyframes of a person as they were rendered; pixels are those of the photo.

    K is the number of keyframes. Row 0 of each line is the photo, at rest.
    """

    names: tuple[str, ...]  # [K]
    numbers: np.ndarray  # [K]: among the studio's keyframes of the mouth or of the eyes
    weights: np.ndarray  # [K, 56]: in the order of UNITS
    boxes: np.ndarray  # [K, 4]: left, top, right, bottom
    pictures: dict[str, np.ndarray]  # by name: [h, w, 3] float32, sRGB 0..1
    outer_lips: np.ndarray  # [1 + K, n, 2]
    inner_lips: np.ndarray  # [1 + K, 2, 25, 2]: upper and lower lip
    lids: tuple[np.ndarray, ...]  # four of [1 + K, m, 2]
    camera: np.ndarray  # [3, 4]


def path(name: str) -> Path:
    """Return the file of a person's photo, or of another picture."""
    return _FOLDER / "pictures" / f"{name}.jpg"


def photo(name: str) -> np.ndarray:
    """Return a picture [H, W, 3] float32, sRGB 0..1."""
    return _pixels(path(name).read_bytes())


def truth(name: str) -> Truth:
    """Return the keyframes of one of PEOPLE."""
    with np.load(_FOLDER / "truth" / f"{name}.npz") as file:
        names = tuple(file["names"].tolist())
        return Truth(
            names,
            file["numbers"],
            file["weights"],
            file["boxes"],
            {n: _pixels(file[f"picture_{n}"].tobytes()) for n in names},
            file["outer_lips"],
            file["inner_lips"],
            tuple(file[f"lid_{k}"] for k in range(4)),
            file["camera"],
        )


def _pixels(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"), np.float32) / 255
