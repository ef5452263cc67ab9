"""Portrait camera and Blender's render settings."""

from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix

from studio.mesh import Floats

_TOP, _CHIN = 0.06, 0.66  # of the head, as fractions of the image's height
_SENSOR_MM = 36.0


@dataclass(frozen=True, slots=True)
class View:
    """Position of the camera, which turns about the middle of the face."""

    distance_m: float = 1.35
    yaw_deg: float = 0.0  # to the person's left
    pitch_deg: float = 0.0  # up


class Camera:
    """Pinhole camera that frames a head from the top of its hair to the chin."""

    def __init__(
        self,
        top: Floats,
        chin: Floats,
        width: int,
        height: int,
        view: View = View(),
    ) -> None:
        """Place the camera; ``top`` and ``chin`` are world positions in metres."""
        head = top[2] - chin[2]
        frame = head / (_CHIN - _TOP)
        middle = top[2] - (0.5 - _TOP) * frame
        lens = bpy.data.cameras.new("camera")
        lens.sensor_fit, lens.sensor_height = "VERTICAL", _SENSOR_MM * height / width
        lens.lens = lens.sensor_height * view.distance_m / frame
        self.object = bpy.data.objects.new("camera", lens)
        # The camera looks level from the height of the eyes. The lens is shifted down
        # instead of tilting the camera, so that vertical lines stay vertical.
        eyes = top[2] - 0.5 * head
        lens.shift_y = (middle - eyes) / frame  # unit: the height of the sensor
        axes = _axes(view)
        face = np.array([0.0, chin[1], eyes])
        position = face - view.distance_m * axes[2]
        pose = np.eye(4)
        # Blender's cameras look along -z, with y up.
        pose[:3] = np.column_stack([axes[0], -axes[1], -axes[2], position])
        self.object.matrix_world = Matrix(pose.tolist())
        bpy.context.scene.collection.objects.link(self.object)
        bpy.context.scene.camera = self.object
        self._matrix = _projection(axes, position, lens, width, height)

    def matrix(self) -> Floats:
        """Return the projection [3, 4] from world to homogeneous pixels."""
        return self._matrix.copy()


def _axes(view: View) -> Floats:
    """Return the directions [3, 3] of image right, image down and depth."""
    yaw, pitch = np.radians([view.yaw_deg, view.pitch_deg])
    right = np.array([np.cos(yaw), np.sin(yaw), 0.0])
    depth = np.array(
        [-np.sin(yaw) * np.cos(pitch), np.cos(yaw) * np.cos(pitch), -np.sin(pitch)]
    )
    return np.stack([right, np.cross(depth, right), depth])


def _projection(
    axes: Floats, position: Floats, lens: Any, width: int, height: int
) -> Floats:
    focal = lens.lens / lens.sensor_height * height
    centre_y = height / 2 + lens.shift_y * height
    pose = np.concatenate([axes, -(axes @ position)[:, None]], 1)
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
