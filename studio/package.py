"""Build of a package: renders missing images, binds them and writes the folder."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from renderer.portrait.lattice import Lattice
from renderer.portrait.layout import BASE_CELL_PX, CLOSEUP_CELL_PX, CLOSEUPS
from renderer.portrait.packing import BoundCells, PackedCloseup
from studio import closeups
from studio.binding import bind_base_image, bind_keyframe
from studio.closeups import Expression
from studio.geometry import Geometry, measure_geometry
from studio.people import Person
from studio.scene import Scene
from studio.surface import packed_surface

WIDTH, HEIGHT = 1920, 1080  # of the base image
_QUALITY = 93  # of WebP
_LICENCE = "CC0-1.0"
_AUTHOR = "the lite-gateway project"

Report = Callable[[str], None]  # receives the name of each step when it begins


@dataclass(frozen=True, slots=True)
class RenderSamples:
    """Samples per pixel: more take longer and give less noise."""

    base_image: int = 48
    closeup: int = 14


def build(
    scene: Scene,
    person: Person,
    work: Path,
    out: Path,
    samples: RenderSamples,
    report: Report,
) -> None:
    """
    Write the package of one person to ``out``.

    Rendered images are kept in ``work``. An image that is there is not rendered again.
    """
    work.mkdir(parents=True, exist_ok=True)
    out.mkdir(parents=True, exist_ok=True)
    report("measuring the surface")
    geometry = measure_geometry(scene)
    base_image = work / f"plate-{_hash([repr(person), samples.base_image])}.png"
    if not base_image.exists():
        report("base image")
        scene.pose({})
        _write_atomically(partial(scene.render, samples=samples.base_image), base_image)
    Image.open(base_image).save(
        out / "plate.webp", quality=_QUALITY, alpha_quality=100, method=6
    )
    alpha = np.asarray(Image.open(base_image))[:, :, 3] / 255
    binding, fill, breath_weight = bind_base_image(geometry, alpha, BASE_CELL_PX)
    parts = _closeups(scene, person, geometry, work, out, samples, report)
    surface = packed_surface(geometry, fill, breath_weight, binding, parts)
    np.savez_compressed(out / "surface.npz", **surface.arrays())
    _write_manifest(out, person)


def _closeups(
    scene: Scene,
    person: Person,
    geometry: Geometry,
    work: Path,
    out: Path,
    samples: RenderSamples,
    report: Report,
) -> dict[str, PackedCloseup]:
    eyes, mouths = closeups.eye_expressions(), closeups.mouth_expressions()
    boxes = {
        name: closeups.closeup_box(geometry, name, WIDTH, HEIGHT) for name in CLOSEUPS
    }
    both = _union(boxes["eyeLeft"], boxes["eyeRight"])
    arrays = {}
    for part, box, expressions in (
        ("mouth", boxes["mouth"], mouths),
        ("eyes", both, eyes),
    ):
        paths = []
        for number, expression in enumerate(expressions):
            path = work / f"{part}-{_image_hash(person, expression, box, samples)}.png"
            if not path.exists():
                report(f"{part} {number + 1} of {len(expressions)}")
                scene.pose(expression.weights, gaze=expression.gaze)
                _write_atomically(
                    partial(scene.render, samples=samples.closeup, box=box), path
                )
            paths.append(path)
        for name in [n for n in CLOSEUPS if n.startswith(part[:3])]:
            report(f"binding {name}")
            arrays[name] = _write_closeup(
                geometry, name, boxes[name], box, paths, expressions, out
            )
    return arrays


def _write_closeup(
    geometry: Geometry, name: str, box: closeups.Box, rendered: closeups.Box,
    paths: list[Path], expressions: list[Expression], out: Path,
) -> PackedCloseup:  # fmt: skip
    """Cut ``box`` out of images of the box ``rendered``, write and bind it."""
    left, top = box[0] - rendered[0], box[1] - rendered[1]
    area = (left, top, left + box[2] - box[0], top + box[3] - box[1])
    keyframes = [
        np.asarray(Image.open(path).convert("RGBA").crop(area)) for path in paths
    ]
    strip = np.concatenate(keyframes)
    Image.fromarray(strip).save(
        out / f"{name}.webp", quality=_QUALITY, alpha_quality=100, method=6
    )
    weights = np.stack([expression.units() for expression in expressions])
    lattice = Lattice(HEIGHT // BASE_CELL_PX, WIDTH // BASE_CELL_PX, BASE_CELL_PX)
    bindings = [
        bind_keyframe(geometry, row, box, CLOSEUP_CELL_PX, lattice) for row in weights
    ]
    return PackedCloseup(
        box, weights, closeups.feature_matrix(geometry, name),
        BoundCells(
            np.stack([b.triangles for b in bindings]),
            np.stack([b.barycentric for b in bindings]),
        ),
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


def _union(a: closeups.Box, b: closeups.Box) -> closeups.Box:
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


def _image_hash(
    person: Person, expression: Expression, box: closeups.Box, samples: RenderSamples
) -> str:
    return _hash(
        [
            repr(person),
            dict(expression.weights),
            expression.gaze,
            box,
            samples.closeup,
        ]
    )


def _hash(inputs: object) -> str:
    """Return a name for an image from all inputs of its rendering except the code."""
    text = json.dumps(inputs, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _write_atomically(render: Callable[[Path], None], path: Path) -> None:
    """Render to a temporary file and rename it, so that ``path`` is never partial."""
    part = path.with_name("part-" + path.name)
    render(part)
    part.rename(path)
