"""Portrait camera and Blender's render settings."""

from typing import Any

import bpy
import numpy as np
from mathutils import Vector

from studio.mesh import Floats

_DISTANCE_M = 1.35
_TOP, _CHIN = 0.06, 0.66  # of the head, as fractions of the image's height
_SENSOR_MM = 36.0


class Camera:
    """Pinhole camera that frames a head from the top of its hair to the chin."""

    def __init__(self, top: Floats, chin: Floats, width: int, height: int) -> None:
        """Place the camera; ``top`` and ``chin`` are world positions in metres."""
        head = top[2] - chin[2]
        frame = head / (_CHIN - _TOP)
        middle = np.array([0.0, chin[1], top[2] - (0.5 - _TOP) * frame])
        lens = bpy.data.cameras.new("camera")
        lens.sensor_fit, lens.sensor_height = "VERTICAL", _SENSOR_MM * height / width
        lens.lens = lens.sensor_height * _DISTANCE_M / frame
        self.object = bpy.data.objects.new("camera", lens)
        # The camera looks level from the height of the eyes. The lens is shifted down
        # instead of tilting the camera, so that vertical lines stay vertical.
        eyes = top[2] - 0.5 * head
        self.object.location = Vector((0.0, chin[1] - _DISTANCE_M, eyes))
        self.object.rotation_euler = (np.pi / 2, 0.0, 0.0)
        lens.shift_y = (middle[2] - eyes) / frame  # unit: the height of the sensor
        bpy.context.scene.collection.objects.link(self.object)
        bpy.context.scene.camera = self.object
        self._matrix = _projection(self.object, lens, width, height)

    def matrix(self) -> Floats:
        """Return the projection [3, 4] from world to homogeneous pixels."""
        return self._matrix.copy()


def _projection(camera: Any, lens: Any, width: int, height: int) -> Floats:
    focal = lens.lens / lens.sensor_height * height
    centre_y = height / 2 + lens.shift_y * height
    x, y, z = camera.location
    # Rows of the rotation: image right, image down, depth.
    turn = np.array([[1.0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]])
    pose = np.concatenate([turn, -turn @ np.array([[x], [y], [z]])], 1)
    inner = np.array([[focal, 0, width / 2], [0, focal, centre_y], [0, 0, 1.0]])
    matrix: Floats = inner @ pose
    return matrix


def configure_renderer(width: int, height: int, threads: int) -> None:
    """Set up Cycles on the CPU, for images with transparent background."""
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.render.resolution_x, scene.render.resolution_y = width, height
    scene.render.film_transparent = True
    scene.render.use_persistent_data = True
    scene.render.threads_mode, scene.render.threads = "FIXED", threads
    scene.render.image_settings.file_format = "PNG"
    scene.render.image_settings.color_mode = "RGBA"
    scene.render.image_settings.color_depth = "8"
    scene.view_settings.view_transform = "AgX"
    scene.view_settings.look = "AgX - Punchy"
    scene.view_settings.exposure = 1.0
    scene.cycles_curves.shape = "RIBBONS"
    scene.cycles_curves.subdivisions = 2
    cycles = scene.cycles
    cycles.device, cycles.use_denoising = "CPU", True
    cycles.denoiser = "OPENIMAGEDENOISE"
    cycles.use_adaptive_sampling, cycles.adaptive_threshold = True, 0.02
    cycles.max_bounces, cycles.diffuse_bounces, cycles.glossy_bounces = 5, 2, 2
    cycles.transparent_max_bounces = 8
    cycles.sample_clamp_indirect = 3.0
    cycles.caustics_reflective = cycles.caustics_refractive = False
