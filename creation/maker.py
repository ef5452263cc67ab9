"""Making of an avatar package: from the bytes of a photo to a folder."""

import contextlib
import dataclasses
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from creation.backgrounds import PlateBackground, pictures_of, with_background
from creation.binding import bind_plate
from creation.donor.loader import load_donor
from creation.fit.donor_choice import likest_donor
from creation.fit.face import SMILE, fit_face
from creation.keys.closeups import paint_closeups
from creation.keys.head import Head
from creation.picture import read_picture
from creation.plate import Plate, frame_plate
from creation.preview import draw_preview
from creation.subject import FaceOfPhoto, find_subject
from creation.vision.person_mask import person_mask
from creation.writer import Manifest, write_backgrounds, write_package
from renderer.avatar import load

# Share of the time that each step takes, in order; the rest is writing.
_STEPS = {"face": 0.08, "fit": 0.12, "keyframes": 0.65}


class Report(Protocol):
    """Receiver of what is known before the package is made."""

    def progress(self, step: str, share: float) -> None:
        """Take the name of the step that begins, and the share that is done."""

    def face(self, face: FaceOfPhoto) -> None:
        """Take the face, also one that is refused after that."""

    def warning(self, code: str, text: str) -> None:
        """Take something that could be better about the photo."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """Choices of who makes an avatar."""

    manifest: Manifest
    background: PlateBackground
    smile: float = SMILE  # of a smile in the photo that stays at rest, 0..1
    jaw: float = 1.0  # size of the moves of jaw and mouth
    donor: str | None = None  # name; None: the one whose face is most alike


@dataclass(frozen=True, slots=True)
class Made:
    """Result of a creation."""

    package: Path
    preview: Path
    donor: str  # name of the portrait that lent what the photo does not show


def make_package(photo: bytes, wishes: Wishes, out: Path, avatars: Path,
                 report: Report) -> Made:  # fmt: skip
    """
    Make the package ``out``, and beside it the page `preview_of` it.

    ``avatars`` is the folder of the shipped packages, of which one is the donor.
    Raises `RefusedPhoto` for a photo that does not do, and `OSError`. Nothing is left
    behind then.
    """
    report.progress("face", 0.0)
    plate = read_face(photo, report)
    with _made(out.parent), _work_folder(out.parent) as work:
        package = work / out.name
        package.mkdir()
        preview = preview_of(out)
        page = work / preview.name
        donor = _write(plate, wishes, package, avatars, report)
        load(package)
        draw_preview(package).save(page)
        page.rename(preview)
        try:
            package.rename(out)
        except OSError:
            preview.unlink()
            raise
    report.progress("done", 1.0)
    return Made(out, preview, donor)


@contextlib.contextmanager
def _made(folder: Path) -> Iterator[None]:
    """Make a folder and its parents; if the block fails, remove those that were new."""
    made: list[Path] = []
    try:
        for path in (*reversed(folder.parents), folder):
            if path.is_dir():
                continue
            with contextlib.suppress(FileExistsError):  # somebody else was faster
                path.mkdir()
                made.append(path)
        yield
    except BaseException:
        for path in reversed(made):
            with contextlib.suppress(OSError):  # somebody else has put a file there
                path.rmdir()
        raise


@contextlib.contextmanager
def _work_folder(parent: Path) -> Iterator[Path]:
    """Yield a new folder in ``parent`` for unfinished files; remove it at the end."""
    work = Path(tempfile.mkdtemp(prefix=".creating-", dir=parent))
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def preview_of(out: Path) -> Path:
    """Return the path of the preview of a package."""
    return out.with_name(f"{out.name}.png")


def _write(plate: Plate, wishes: Wishes, package: Path, avatars: Path,
           report: Report) -> str:  # fmt: skip
    """Write a package, and return the name of its donor."""
    begin = _STEPS["face"]
    report.progress("fit", begin)
    head = make_head(plate, wishes, avatars)
    person = person_mask(head.plate.picture)
    photographed = head.plate
    plate, alpha = with_background(photographed, person, wishes.background)
    if wishes.background.kind == "any" and alpha is not None:
        write_backgrounds(package, pictures_of(photographed, plate, alpha))
    head = dataclasses.replace(head, plate=plate)
    begin += _STEPS["fit"]
    closeups = paint_closeups(
        head,
        lambda done, total: report.progress(
            "keyframes", begin + _STEPS["keyframes"] * done / total
        ),
    )
    report.progress("writing", begin + _STEPS["keyframes"])
    binding = bind_plate(head, person)
    manifest = dataclasses.replace(wishes.manifest, donor=head.donor.name)
    write_package(package, manifest, head, binding, closeups, alpha)
    return manifest.donor


def make_head(plate: Plate, wishes: Wishes, avatars: Path) -> Head:
    """Return the fitted head of a plate."""
    donor = (
        load_donor(wishes.donor, avatars)
        if wishes.donor
        else likest_donor(plate.landmarks, avatars)
    )
    fitted = fit_face(plate.in_square(), donor, plate.height, wishes.smile, wishes.jaw)
    return Head.of(plate, fitted)


def read_face(photo: bytes, report: Report) -> Plate:
    """Return the plate with the face of a photo. Raises `RefusedPhoto`."""
    subject = find_subject(read_picture(photo), report.face)
    for warning in subject.warnings:
        report.warning(warning.code, warning.text)
    return frame_plate(subject.picture, subject.landmarks.points)
