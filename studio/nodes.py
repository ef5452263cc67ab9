"""Shader graphs written as expressions: a wrapper of Blender's node trees."""

from pathlib import Path
from typing import Any

import bpy

# Blender's nodes and sockets are untyped; a value is a number, a colour or a socket.
Node = Any
Value = Any
Inputs = dict[str | int, Value]
Colour = tuple[float, float, float, float]


def colour(code: str) -> Colour:
    """Linear RGBA of an sRGB hex code."""
    parts = [int(code[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    r, g, b = (
        p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts
    )
    return r, g, b, 1.0


class Graph:
    """The nodes of one new material; every method adds a node, answers its output."""

    def __init__(self, name: str) -> None:
        self.material = bpy.data.materials.new(name)
        self.material.use_nodes = True
        self._tree = self.material.node_tree
        self._tree.nodes.clear()

    def node(self, kind: str, inputs: Inputs, **options: Any) -> Node:
        node = self._tree.nodes.new(f"ShaderNode{kind}")
        for name, option in options.items():
            setattr(node, name, option)
        for key, value in inputs.items():
            self.put(node, key, value)
        return node

    def put(self, node: Node, key: str | int, value: Value) -> None:
        if hasattr(value, "is_output"):
            self._tree.links.new(value, node.inputs[key])
        else:
            node.inputs[key].default_value = value

    def surface(self, shader: Node) -> "bpy.types.Material":
        self.node("OutputMaterial", {0: shader.outputs[0]})
        return self.material

    def mix(self, share: Value, a: Value, b: Value) -> Value:
        mixed = self.node("Mix", {0: share, 6: a, 7: b}, data_type="RGBA")
        return mixed.outputs[2]

    def tint(self, share: Value, strength: float, base: Value, over: str) -> Value:
        return self.mix(self.times(share, strength), base, colour(over))

    def times(self, a: Value, b: Value) -> Value:
        return self.math("MULTIPLY", a, b)

    def math(self, operation: str, a: Value, b: Value = 0.0) -> Value:
        """Clamped to 0..1, as shares and masks are."""
        node = self.node("Math", {0: a, 1: b}, operation=operation, use_clamp=True)
        return node.outputs[0]

    def raw(self, operation: str, a: Value, b: Value = 0.0) -> Value:
        return self.node("Math", {0: a, 1: b}, operation=operation).outputs[0]

    def ramp(self, value: Value, low: float, high: float, *to: float) -> Value:
        """``value`` from low..high to 0..1, or to the two numbers given."""
        a, b = to or (0.0, 1.0)
        node = self.node("MapRange", {0: value, 1: low, 2: high, 3: a, 4: b})
        return node.outputs[0]

    def noise(self, where: Value, scale: float, detail: float = 3.0) -> Value:
        settings: Inputs = {"Vector": where, "Scale": scale}
        settings |= {"Detail": detail, "Roughness": 0.58}
        return self.node("TexNoise", settings).outputs[0]

    def cells(self, where: Value, scale: float) -> Value:
        return self.node("TexVoronoi", {"Vector": where, "Scale": scale}).outputs[0]

    def attribute(self, name: str) -> Value:
        return self.node("Attribute", {}, attribute_name=name).outputs["Fac"]

    def rest(self) -> Value:
        """Rest position, metres: textures on it stick to a moving face."""
        return self.node("Attribute", {}, attribute_name="rest").outputs["Vector"]

    def picture(self, path: Path, space: str = "Non-Color") -> Value:
        image = bpy.data.images.load(str(path), check_existing=True)
        image.colorspace_settings.name = space
        node = self.node("TexImage", {}, image=image, interpolation="Cubic")
        return node.outputs[0]

    def bump(self, height: Value, strength: float, distance_m: float) -> Value:
        settings: Inputs = {"Strength": strength, "Distance": distance_m}
        return self.node("Bump", settings | {"Height": height}).outputs[0]

    def principled(self, **inputs: Value) -> Node:
        """Names of inputs in snake case: ``base_color``."""
        named = {k.replace("_", " ").title(): v for k, v in inputs.items()}
        return self.node(
            "BsdfPrincipled", {_SPELL.get(k, k): v for k, v in named.items()}
        )


_SPELL = {"Specular Ior Level": "Specular IOR Level", "Ior": "IOR"}
