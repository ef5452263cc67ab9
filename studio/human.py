"""Base mesh of a person, shaped by modelling targets and posed by face units."""

import json
from collections.abc import Mapping

import numpy as np

from studio.assets import Assets
from studio.mesh import Floats, Ints, Morph, Proxy, read_obj, read_proxy, read_target
from studio.people import Person

BODY = slice(0, 13380)  # the other vertices are helpers that proxies are fitted to
LEFT_EYE = slice(14598, 14668)
RIGHT_EYE = slice(14670, 14740)

_ARM_DROP_DEG = 46.0  # from the base mesh's pose to hanging arms
_SHOULDER_DROP_DEG = 10.0
_ARM_BONES = ("upperarm", "lowerarm", "wrist", "finger", "metacarpal")
_SHOULDER_BONES = (
    *("spine", "clavicle", "shoulder", "breast", "pelvis", "root"),
    *("upperleg", "lowerleg", "foot", "toe", *_ARM_BONES),
)
# Fraction of a neck bone's weight that turns with the head.
_NECK_SHARE = {"neck01": 0.15, "neck02": 0.5, "neck03": 0.85}


class Human:
    """
    Vertices of one person [19158, 3] for any weights of the face units.

    Units are added to the person's own neutral expression.
    """

    def __init__(self, person: Person, assets: Assets) -> None:
        self.assets = assets
        self.person = person
        self.base = read_obj(assets.base_mesh())
        self._units: dict[str, Morph] = {}
        self._weights = _rig(assets)
        self._shape = self.base.vertices.copy()
        for name, weight in person.targets():
            morph = read_target(assets.target(name))
            self._shape[morph.index] += weight * morph.delta
        self._arms = [self._arm("L", -1.0), self._arm("R", 1.0)]
        self.rest = self._arms_down(self._shape.copy())
        self.head = self._head_weights()

    def posed(self, units: Mapping[str, float]) -> Floats:
        """Return the vertices with ``units`` added to the neutral expression."""
        vertices = self._shape.copy()
        for name in {**self.person.neutral, **units}:
            weight = self.person.neutral.get(name, 0.0) + units.get(name, 0.0)
            if weight:
                morph = self._unit(name)
                vertices[morph.index] += weight * morph.delta
        return self._arms_down(vertices)

    def add(self, morph: Morph, weight: float) -> None:
        """Add a modelling target to the shape in all poses; ``rest`` stays."""
        self._shape[morph.index] += weight * morph.delta

    def joint(self, name: str) -> Floats:
        """Return a joint's centre at rest; ``head`` and ``l-shoulder`` are names."""
        centre: Floats = self.rest[self._joint_vertices(name)].mean(0)
        return centre

    def proxy(self, kind: str, name: str) -> Proxy:
        """Read a part that is fitted to the base mesh."""
        return read_proxy(self.assets.proxy(kind, name))

    def eye_centre(self, side: slice) -> Floats:
        """Return the centre of an eye; ``side`` is LEFT_EYE or RIGHT_EYE."""
        helper = self.rest[side]
        centre: Floats = (helper.max(0) + helper.min(0)) / 2
        return centre

    def chin(self) -> Floats:
        """Return the lowest point of the front of the face."""
        head = self.rest[BODY][self.head[BODY] > 0.95]
        front = head[(np.abs(head[:, 0]) < 0.05) & (head[:, 2] > self.skull()[2] + 0.5)]
        lowest: Floats = front[front[:, 1].argmin()]
        return lowest

    def nose(self) -> Floats:
        """Return the tip of the nose."""
        eye = self.eye_centre(LEFT_EYE)[1]
        at = self.rest[BODY]
        near = at[(np.abs(at[:, 0]) < 0.03) & (at[:, 1] < eye) & (at[:, 1] > eye - 0.8)]
        tip: Floats = near[near[:, 2].argmax()]
        return tip

    def skull(self) -> Floats:
        """Return the middle of the head, at eye height, slightly towards the back."""
        eye = self.eye_centre(LEFT_EYE)[1]
        head = self.rest[BODY][self.rest[BODY][:, 1] > eye - 0.3]
        depth = (head[:, 2].min() + head[:, 2].max()) / 2
        return np.array([0.0, eye, depth - 0.15])

    def brow_height(self) -> float:
        """Return the mean height of the eyebrow card, decimetres."""
        card = self.proxy("eyebrows", self.person.brows.style).fit(self.rest)
        return float(card[:, 1].mean())

    def _joint_vertices(self, name: str) -> Ints:
        groups = zip(self.base.faces, self.base.groups, strict=True)
        return np.unique([i for f, g in groups if g == f"joint-{name}" for i in f])

    def _unit(self, name: str) -> Morph:
        if name not in self._units:
            self._units[name] = read_target(self.assets.unit(name))
        return self._units[name]

    def share(self, *bones: str, side: str = "") -> Floats:
        """
        Return how much each vertex follows some bones, 0..1.

        Their names start with one of ``bones`` and end with ``side``.
        """
        share = np.zeros(len(self._shape))
        for bone, pairs in self._weights.items():
            if bone.startswith(bones) and bone.endswith(side):
                for index, weight in pairs:
                    share[index] += weight
        return share.clip(0, 1)

    def _head_weights(self) -> Floats:
        shoulders = self.share(*_SHOULDER_BONES)
        weights = 1 - shoulders
        for bone, share in _NECK_SHARE.items():
            weights -= (1 - share) * self.share(bone)
        return weights.clip(0, 1)

    def _arm(self, side: str, sign: float) -> tuple[Floats, Floats]:
        """Return the shoulder joint, and each vertex's angle about it in radians."""
        turn = _ARM_DROP_DEG * self.share(*_ARM_BONES, side=side)
        turn += _SHOULDER_DROP_DEG * self.share("shoulder01", side=side)
        joint = self._joint_vertices(f"{side.lower()}-shoulder")
        return self._shape[joint].mean(0), np.radians(sign * turn)

    def _arms_down(self, vertices: Floats) -> Floats:
        for centre, angle in self._arms:
            x, y = (vertices - centre)[:, :2].T
            vertices[:, 0] = centre[0] + x * np.cos(angle) - y * np.sin(angle)
            vertices[:, 1] = centre[1] + x * np.sin(angle) + y * np.cos(angle)
        return vertices


def _rig(assets: Assets) -> dict[str, list[tuple[int, float]]]:
    rig: dict[str, list[tuple[int, float]]] = json.loads(
        assets.rig_weights().read_text(encoding="utf-8")
    )["weights"]
    return rig
