"""Portrait lighting: key, fill, two rim lights and a top light."""

from dataclasses import dataclass

import bpy
import numpy as np
from mathutils import Vector

from studio.mesh import Floats
from studio.objects import to_world

Colour = tuple[float, float, float]  # linear


@dataclass(frozen=True, slots=True)
class Lamp:
    """Rectangular lamp that is aimed at the face."""

    position: tuple[float, float, float]  # from the eyes, decimetres
    size_m: tuple[float, float]
    power_w: float
    colour: Colour


STUDIO_LAMPS = {
    "key": Lamp((-8.0, 4.0, 9.2), (0.55, 0.7), 38.0, (1.0, 0.955, 0.90)),
    "fill": Lamp((10.0, -0.5, 10.2), (1.6, 1.6), 9.0, (0.97, 0.98, 1.0)),
    "left rim": Lamp((-8.0, 2.5, -6.8), (0.7, 1.2), 17.0, (1.0, 0.93, 0.86)),
    "right rim": Lamp((8.0, 2.5, -7.8), (0.6, 1.2), 14.0, (0.85, 0.93, 1.0)),
    "top": Lamp((0.0, 7.0, -1.8), (0.8, 0.8), 8.0, (1.0, 1.0, 1.0)),
}


@dataclass(frozen=True, slots=True)
class Ambient:
    """Light that comes from everywhere."""

    colour: Colour = (0.66, 0.67, 0.70)
    strength: float = 0.11


def studio_light(eyes: Floats, rim: float) -> None:
    """
    Add the lamps and the ambient light to the scene.

    ``eyes`` is the point between the eyes in decimetres; ``rim`` scales the power of
    the rim lights.
    """
    for name, lamp in STUDIO_LAMPS.items():
        # Without reflections of the fill light each eye has one catchlight.
        power = rim if name.endswith("rim") else 1.0
        add_lamp(eyes, lamp, power, glossy=name != "fill")
    set_ambient(Ambient())


def clear_lamps() -> None:
    """Remove all lamps from the scene."""
    for lamp in list(bpy.data.lights):
        bpy.data.lights.remove(lamp)


def add_lamp(eyes: Floats, lamp: Lamp, power: float = 1.0, glossy: bool = True) -> None:
    """
    Add one lamp.

    ``eyes`` is the point between the eyes in decimetres, ``power`` scales the lamp's,
    and ``glossy`` says whether surfaces reflect it.
    """
    light = bpy.data.lights.new("lamp", "AREA")
    light.energy, light.color, light.shape = (
        lamp.power_w * power,
        lamp.colour,
        "RECTANGLE",
    )
    light.size, light.size_y = lamp.size_m
    shown = bpy.data.objects.new("lamp", light)
    shown.visible_glossy = glossy
    shown.location = Vector(to_world(eyes + np.array(lamp.position)))
    aim = Vector(to_world(eyes - [0, 0.42, 0])) - shown.location
    shown.rotation_euler = aim.to_track_quat("-Z", "Y").to_euler()
    bpy.context.scene.collection.objects.link(shown)


def set_ambient(ambient: Ambient) -> None:
    """Replace the ambient light."""
    world = bpy.data.worlds.new("room")
    bpy.context.scene.world = world
    world.use_nodes = True
    inputs = world.node_tree.nodes["Background"].inputs
    inputs[0].default_value = (*ambient.colour, 1.0)
    inputs[1].default_value = ambient.strength
