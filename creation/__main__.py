"""
Program that makes an avatar package from a photo: ``python -m creation``.

``lite-gateway avatars create`` starts it, and `creation.job` for a gateway. With
``--json`` it prints one JSON object a line: ``progress``, ``face``, ``warning``,
``done`` or ``refused``. It exits with 2 for a photo that does not do, and for a folder
that cannot be written. A signal that ends it leaves no file behind, either. With ``-``
as its only argument, it reads its arguments from stdin (`creation.arguments`).
"""

import argparse
import dataclasses
import datetime
import json
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import torch

from creation.arguments import read_arguments
from creation.backgrounds import PHOTO, PlateBackground
from creation.donor.loader import NAMES, BrokenDonor
from creation.fit.face import SMILE
from creation.maker import Made, Wishes, make_package, preview_of
from creation.picture import MAX_BYTES, read_picture
from creation.refusals import RefusedPhoto
from creation.subject import FaceOfPhoto
from creation.vision.crop import Points
from creation.vision.weights import WeightsMissing
from creation.writer import CONFIRMED, Manifest
from renderer.hidden import hidden_character
from renderer.manifest import JsonObject
from renderer.package import BrokenAvatar, Package
from renderer.portrait.background import is_colour

_SMILE, _JAW = (0.0, 1.0), (0.5, 1.5)
_REFUSED, _FAILED = 2, 1  # exit statuses
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_KINDS = ("keep", "blur", "transparent", "any")


def main(arguments: Sequence[str] | None = None) -> int:
    """Make one package and return the exit status."""
    args = _parser().parse_args(arguments)
    say = _Sayer(args.json)
    try:
        made = _make(args, say)
    except RefusedPhoto as refused:
        say.refused(refused.code, str(refused))
        return _REFUSED
    except (WeightsMissing, BrokenDonor) as error:
        say.refused("not_installed", f"No avatar can be made here: {error}.")
        return _REFUSED
    except OSError as error:
        problem = f"{error.filename or args.output}: {error.strerror or error}"
        say.refused("not_written", f"The package cannot be written: {problem}.")
        return _REFUSED
    except Exception:  # boundary: a fault of the fit or of the keyframes
        sys.stderr.write("ERROR the avatar could not be made\n")
        traceback.print_exc()
        say.refused(
            "internal",
            "The avatar could not be made because of a fault of this program: try "
            "another photo, and report the traceback in the log.",
        )
        return _FAILED
    say.done(made)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m creation", description=__doc__)
    parser.add_argument("photo", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--title", required=True)
    parser.add_argument("--by", required=True, help="name of who gave the consent")
    parser.add_argument(
        "--confirmed",
        choices=CONFIRMED,
        default="either",
        help="part of the sentence of consent that was confirmed",
    )
    parser.add_argument("--avatars", type=Path, required=True, metavar="FOLDER",
                        help="folder of the shipped packages")  # fmt: skip
    parser.add_argument("--background", default="keep")
    parser.add_argument("--smile", type=float, default=SMILE)
    parser.add_argument("--jaw", type=float, default=1.0)
    parser.add_argument("--donor", choices=NAMES, default=None)
    parser.add_argument("--json", action="store_true")
    return parser


def _make(args: argparse.Namespace, say: "_Sayer") -> Made:
    background = _background(args.background)
    out: Path = args.output
    for path in (out, preview_of(out)):
        if path.exists():
            raise RefusedPhoto(
                "exists", f"{path} exists: remove it, or name another folder."
            )
    manifest = Manifest(
        title=args.title,
        by=args.by,
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        consent=CONFIRMED[args.confirmed],
    )
    _check_texts(out, manifest)
    if background.kind == "colour":
        colour = background.colour
        manifest = dataclasses.replace(manifest, centre=colour, edge=colour)
    if background.kind == "any":
        manifest = dataclasses.replace(manifest, picture=PHOTO)
    wishes = Wishes(
        manifest, background,
        smile=_within("smile", args.smile, _SMILE),
        jaw=_within("jaw", args.jaw, _JAW),
        donor=args.donor,
    )  # fmt: skip
    photo = _content(args.photo)
    return make_package(photo, wishes, out, args.avatars, say)


def _check_texts(out: Path, manifest: Manifest) -> None:
    """Raise `RefusedPhoto` for a name or a text that no package can have."""
    if out.suffix == ".zip":
        raise RefusedPhoto(
            "wrong_option", f"{out} has the name of a zip file: name a folder."
        )
    texts = JsonObject({"title": manifest.title, "by": manifest.by})
    try:
        Package.at(out)
        texts.text("title")
        texts.text("by")
    except BrokenAvatar as error:
        raise RefusedPhoto("wrong_option", f"{error}.") from error
    for name, text in (("title", manifest.title), ("by", manifest.by)):
        if hidden := hidden_character(text):
            raise RefusedPhoto(
                "wrong_option",
                f"{name} has the character {hidden}, which nobody sees: remove it.",
            )


def _within(option: str, value: float, limits: tuple[float, float]) -> float:
    low, high = limits
    if not low <= value <= high:  # NaN is not, either
        raise RefusedPhoto(
            "wrong_option", f"--{option} {value:g} is not within {low:g} and {high:g}."
        )
    return value


def _content(path: Path) -> bytes:
    """Return the bytes of a file, and at most one more than a photo may have."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise RefusedPhoto(
            "not_read", f"The photo cannot be read: {path}: {error.strerror}."
        ) from error


def _background(text: str) -> PlateBackground:
    """Return the background that ``--background`` names. Raises `RefusedPhoto`."""
    if text in _KINDS:
        return PlateBackground(text)
    if is_colour(text):
        return PlateBackground("colour", colour=text)
    try:
        return PlateBackground("picture", picture=read_picture(_content(Path(text))))
    except RefusedPhoto as error:
        raise RefusedPhoto(
            "background",
            f"--background {text!r} is neither {', '.join(_KINDS)}, a colour such as "
            "#93a8b0, nor a picture that can be read.",
        ) from error


class _Sayer:
    """Output of the program: sentences, or lines of JSON."""

    def __init__(self, as_json: bool) -> None:
        self._json = as_json
        self._last = ""

    def progress(self, step: str, share: float) -> None:
        if self._json:
            self._line(type="progress", step=step, share=round(share, 3))
        elif step != self._last:
            _print(f"{share:4.0%}  {step}")
            self._last = step

    def face(self, face: FaceOfPhoto) -> None:
        if self._json:
            points = face.landmarks.points[:, :2]
            low, high = points.min(0), points.max(0)
            self._line(
                type="face",
                width=face.width,
                height=face.height,
                turned=90 * face.quarters,
                box=[*_rounded(low), *_rounded(high - low)],
                landmarks=[_rounded(point) for point in points],
            )

    def warning(self, code: str, text: str) -> None:
        if self._json:
            self._line(type="warning", code=code, text=text)
        else:
            _print(f"warning: {text}")

    def refused(self, code: str, text: str) -> None:
        if self._json:
            self._line(type="refused", code=code, text=text)
        else:
            sys.stderr.write(f"{code}: {text}\n")

    def done(self, made: Made) -> None:
        package, preview = str(made.package), str(made.preview)
        if self._json:
            self._line(type="done", package=package, preview=preview, donor=made.donor)
        else:
            _print(f"donor: {made.donor}")
            _print(f"{package}\n{preview}")

    def _line(self, **fields: object) -> None:
        _print(json.dumps(fields))


def _rounded(point: Points) -> list[float]:
    return [round(value, 1) for value in point.tolist()]


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _end(number: int, _: FrameType | None) -> None:
    """End by an exception, so that unfinished files are removed."""
    # A second signal, as the command sends one after Ctrl-C, must not stop that.
    for ending in _ENDING:
        signal.signal(ending, lambda *_: None)
    sys.exit(128 + number)


def run(arguments: Sequence[str] | None = None) -> int:
    """Make one package in this process, with one thread, and return the status."""
    for ending in _ENDING:
        signal.signal(ending, _end)
    torch.set_num_threads(1)
    if arguments is None and sys.argv[1:] == ["-"]:
        arguments = read_arguments()
    return main(arguments)


if __name__ == "__main__":
    sys.exit(run())
