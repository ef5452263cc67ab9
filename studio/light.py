"""Portrait lighting: key, fill, two rim lights and a top light."""

import bpy
import numpy as np
from mathutils import Vector

from studio.mesh import Floats
from studio.objects import to_world

# Name: position from the eyes (decimetres), size (m), power (W), colour.
_LAMPS = {
    "key": ((-8.0, 4.0, 9.2), (0.55, 0.7), 38.0, (1.0, 0.955, 0.90)),
    "fill": ((10.0, -0.5, 10.2), (1.6, 1.6), 9.0, (0.97, 0.98, 1.0)),
    "left rim": ((-8.0, 2.5, -6.8), (0.7, 1.2), 17.0, (1.0, 0.93, 0.86)),
    "right rim": ((8.0, 2.5, -7.8), (0.6, 1.2), 14.0, (0.85, 0.93, 1.0)),
    "top": ((0.0, 7.0, -1.8), (0.8, 0.8), 8.0, (1.0, 1.0, 1.0)),
}
_AMBIENT = ((0.66, 0.67, 0.70, 1.0), 0.11)


def studio_light(eyes: Floats, rim: float) -> None:
    """
    Add the lamps and the ambient light to the scene.

    ``eyes`` is the point between the eyes in decimetres; ``rim`` scales the power of
    the rim lights.
    """
    target = Vector(to_world(eyes - [0, 0.42, 0]))
    for name, (position, size, power, tint) in _LAMPS.items():
        lamp = bpy.data.lights.new(name, "AREA")
        lamp.energy = power * rim if name.endswith("rim") else power
        lamp.color, lamp.shape = tint, "RECTANGLE"
        lamp.size, lamp.size_y = size
        lamp_object = bpy.data.objects.new(name, lamp)
        # Without reflections of the fill light each eye has one catchlight.
        lamp_object.visible_glossy = name != "fill"
        lamp_object.location = Vector(to_world(eyes + np.array(position)))
        aim = target - lamp_object.location
        lamp_object.rotation_euler = aim.to_track_quat("-Z", "Y").to_euler()
        bpy.context.scene.collection.objects.link(lamp_object)
    world = bpy.data.worlds.new("room")
    bpy.context.scene.world = world
    world.use_nodes = True
    background = world.node_tree.nodes["Background"]
    background.inputs[0].default_value, background.inputs[1].default_value = _AMBIENT
