"""From a scene to a package: renders what is missing, binds it, writes the folder."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from renderer.portrait.layout import BASE_CELL_PX, CLOSEUP_CELL_PX, CLOSEUPS
from studio import closeups
from studio.binding import Lattice, bind_closeup, bind_plate
from studio.closeups import Expression
from studio.geometry import Geometry, survey
from studio.people import Person
from studio.scene import Scene
from studio.surface import Closeup, Surface

WIDTH, HEIGHT = 1920, 1080
_QUALITY = 93  # of WebP
_LICENCE = "CC0-1.0"
_AUTHOR = "the lite-gateway project"

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Effort:
    """Samples a pixel: what a picture costs and how clean it is."""

    plate: int = 48
    closeup: int = 14


def build(
    scene: Scene, person: Person, work: Path, out: Path, effort: Effort, tell: Tell
) -> None:
    """Everything for one person; what ``work`` holds already is not rendered again."""
    work.mkdir(parents=True, exist_ok=True)
    out.mkdir(parents=True, exist_ok=True)
    tell("measuring the surface")
    geometry = survey(scene)
    plate = work / f"plate-{_hash([repr(person), effort.plate])}.png"
    if not plate.exists():
        tell("plate")
        scene.pose({})
        _whole(partial(scene.render, samples=effort.plate), plate)
    Image.open(plate).save(
        out / "plate.webp", quality=_QUALITY, alpha_quality=100, method=6
    )
    alpha = np.asarray(Image.open(plate))[:, :, 3] / 255
    bound, field, rise = bind_plate(geometry, alpha, BASE_CELL_PX)
    parts = _closeups(scene, person, geometry, work, out, effort, tell)
    surface = Surface(geometry, field, rise, bound, parts)
    np.savez_compressed(out / "surface.npz", **surface.arrays())
    _write_manifest(out, person)


def _closeups(
    scene: Scene,
    person: Person,
    geometry: Geometry,
    work: Path,
    out: Path,
    effort: Effort,
    tell: Tell,
) -> dict[str, Closeup]:
    eyes, mouths = closeups.eyes(), closeups.mouths()
    boxes = {name: closeups.box_of(geometry, name, WIDTH, HEIGHT) for name in CLOSEUPS}
    both = _around(boxes["eyeLeft"], boxes["eyeRight"])
    made = {}
    for part, box, keys in (("mouth", boxes["mouth"], mouths), ("eyes", both, eyes)):
        paths = []
        for number, key in enumerate(keys):
            path = work / f"{part}-{_mark(person, key, box, effort)}.png"
            if not path.exists():
                tell(f"{part} {number + 1} of {len(keys)}")
                scene.pose(key.weights, gaze=key.gaze)
                _whole(partial(scene.render, samples=effort.closeup, box=box), path)
            paths.append(path)
        for name in [n for n in CLOSEUPS if n.startswith(part[:3])]:
            tell(f"binding {name}")
            made[name] = _cut(geometry, name, boxes[name], box, paths, keys, out)
    return made


def _cut(
    geometry: Geometry, name: str, box: closeups.Box, rendered: closeups.Box,
    paths: list[Path], keys: list[Expression], out: Path,
) -> Closeup:  # fmt: skip
    left, top = box[0] - rendered[0], box[1] - rendered[1]
    area = (left, top, left + box[2] - box[0], top + box[3] - box[1])
    pictures = [
        np.asarray(Image.open(path).convert("RGBA").crop(area)) for path in paths
    ]
    stack = np.concatenate(pictures)
    Image.fromarray(stack).save(
        out / f"{name}.webp", quality=_QUALITY, alpha_quality=100, method=6
    )
    faces = np.stack([key.units() for key in keys])
    lattice = Lattice(HEIGHT // BASE_CELL_PX, WIDTH // BASE_CELL_PX, BASE_CELL_PX)
    cells = [
        bind_closeup(geometry, face, box, CLOSEUP_CELL_PX, lattice) for face in faces
    ]
    return Closeup(
        box, faces, closeups.measure(geometry, name),
        np.stack([c.corners for c in cells]), np.stack([c.shares for c in cells]),
    )  # fmt: skip


def _write_manifest(out: Path, person: Person) -> None:
    centre, edge = person.backdrop
    manifest = {
        "schema": 1,
        "rig": "portrait",
        "title": person.title,
        "licence": _LICENCE,
        "author": _AUTHOR,
        "background": {"centre": centre, "edge": edge},
    }
    (out / "avatar.json").write_text(json.dumps(manifest, indent=2) + "\n")


def _around(a: closeups.Box, b: closeups.Box) -> closeups.Box:
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


def _mark(person: Person, key: Expression, box: closeups.Box, effort: Effort) -> str:
    return _hash([repr(person), dict(key.weights), key.gaze, box, effort.closeup])


def _hash(said: object) -> str:
    """Names a picture by all that it was made from, but for the code."""
    text = json.dumps(said, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _whole(render: Callable[[Path], None], path: Path) -> None:
    """A picture is there whole or not at all."""
    part = path.with_name("part-" + path.name)
    render(part)
    part.rename(path)
