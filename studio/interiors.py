"""Pictures of teeth, gums and tongue alone, in even light."""

from pathlib import Path

import bpy

from studio.scene import Box, Scene

PARTS = ("teeth", "gum", "tongue")
JAWS = (0.0, 0.3, 0.7)  # weights of jawOpen
SCALE = 2  # pixels of the picture per pixel of the base image
_AMBIENT = (1.0, 1.0, 1.0, 1.0)
_STRENGTH = 0.55


def render_interiors(scene: Scene, box: Box, folder: Path, samples: int) -> list[Path]:
    """
    Render the inside of the mouth at each of JAWS, and return the PNG files.

    The scene cannot render anything else afterwards: all other objects are hidden, and
    the light comes from all sides.
    """
    for thing in bpy.context.scene.objects:
        thing.hide_render = thing.type != "CAMERA" and thing.name not in PARTS
    background = bpy.context.scene.world.node_tree.nodes["Background"]
    background.inputs[0].default_value = _AMBIENT
    background.inputs[1].default_value = _STRENGTH
    paths = []
    for number, jaw in enumerate(JAWS):
        path = folder / f"interior-{number}.png"
        scene.pose({"jawOpen": jaw})
        scene.render(path, samples, box, SCALE)
        paths.append(path)
    return paths
