"""Shader graphs written as expressions, over Blender's node trees."""

from pathlib import Path
from typing import Any

import bpy

# Blender's nodes and sockets are untyped; a value is a number, a colour or a socket.
Node = Any
Value = Any
Inputs = dict[str | int, Value]
Colour = tuple[float, float, float, float]


def colour(code: str) -> Colour:
    """Return an sRGB hex code as linear RGBA."""
    parts = [int(code[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    r, g, b = (
        p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts
    )
    return r, g, b, 1.0


class Graph:
    """Node tree of a new material. Methods add a node and return its output."""

    def __init__(self, name: str) -> None:
        self.material = bpy.data.materials.new(name)
        self.material.use_nodes = True
        self._tree = self.material.node_tree
        self._tree.nodes.clear()

    def node(self, kind: str, inputs: Inputs, **options: Any) -> Node:
        """Add a node of type ``ShaderNode`` + ``kind`` and return the node."""
        node = self._tree.nodes.new(f"ShaderNode{kind}")
        for name, option in options.items():
            setattr(node, name, option)
        for key, value in inputs.items():
            self.set_input(node, key, value)
        return node

    def set_input(self, node: Node, key: str | int, value: Value) -> None:
        """Link an input to an output socket, or set it to a constant."""
        if hasattr(value, "is_output"):
            self._tree.links.new(value, node.inputs[key])
        else:
            node.inputs[key].default_value = value

    def surface(self, shader: Node) -> "bpy.types.Material":
        """Use ``shader`` for the surface and return the finished material."""
        self.node("OutputMaterial", {0: shader.outputs[0]})
        return self.material

    def mix(self, factor: Value, a: Value, b: Value) -> Value:
        """Mix two colours: ``a`` at factor 0, ``b`` at 1."""
        mixed = self.node("Mix", {0: factor, 6: a, 7: b}, data_type="RGBA")
        return mixed.outputs[2]

    def tint(self, mask: Value, strength: float, base: Value, over: str) -> Value:
        """Mix the hex colour ``over`` into ``base`` where ``mask`` is set."""
        return self.mix(self.multiply(mask, strength), base, colour(over))

    def multiply(self, a: Value, b: Value) -> Value:
        """Return the product, clamped to 0..1."""
        return self.math("MULTIPLY", a, b)

    def math(self, operation: str, a: Value, b: Value = 0.0) -> Value:
        """Return the result of an operation, clamped to 0..1 for masks and factors."""
        node = self.node("Math", {0: a, 1: b}, operation=operation, use_clamp=True)
        return node.outputs[0]

    def unclamped_math(self, operation: str, a: Value, b: Value = 0.0) -> Value:
        """Return the result of an operation as it is."""
        return self.node("Math", {0: a, 1: b}, operation=operation).outputs[0]

    def ramp(self, value: Value, low: float, high: float, *to: float) -> Value:
        """Map ``value`` from low..high to 0..1, or to the range ``to``."""
        a, b = to or (0.0, 1.0)
        node = self.node("MapRange", {0: value, 1: low, 2: high, 3: a, 4: b})
        return node.outputs[0]

    def noise(self, position: Value, scale: float, detail: float = 3.0) -> Value:
        """Return noise 0..1; ``scale`` is its frequency per metre."""
        settings: Inputs = {"Vector": position, "Scale": scale}
        settings |= {"Detail": detail, "Roughness": 0.58}
        return self.node("TexNoise", settings).outputs[0]

    def voronoi(self, position: Value, scale: float) -> Value:
        """Return the distance to the centre of the nearest Voronoi cell."""
        return self.node("TexVoronoi", {"Vector": position, "Scale": scale}).outputs[0]

    def attribute(self, name: str) -> Value:
        """Return a value that is stored at the vertices."""
        return self.node("Attribute", {}, attribute_name=name).outputs["Fac"]

    def rest(self) -> Value:
        """Return the rest position in metres: textures on it follow a moving face."""
        return self.node("Attribute", {}, attribute_name="rest").outputs["Vector"]

    def image(self, path: Path, space: str = "Non-Color") -> Value:
        """Return the colour of an image file at the UV coordinates."""
        image = bpy.data.images.load(str(path), check_existing=True)
        image.colorspace_settings.name = space
        node = self.node("TexImage", {}, image=image, interpolation="Cubic")
        return node.outputs[0]

    def bump(self, height: Value, strength: float, distance_m: float) -> Value:
        """Return the normal of a surface with small bumps."""
        settings: Inputs = {"Strength": strength, "Distance": distance_m}
        return self.node("Bump", settings | {"Height": height}).outputs[0]

    def principled(self, **inputs: Value) -> Node:
        """Add a Principled BSDF; inputs are named in snake case, such as base_color."""
        named = {k.replace("_", " ").title(): v for k, v in inputs.items()}
        return self.node(
            "BsdfPrincipled", {_SPELLING.get(k, k): v for k, v in named.items()}
        )


# Names of inputs that `str.title` does not give.
_SPELLING = {"Specular Ior Level": "Specular IOR Level", "Ior": "IOR"}
