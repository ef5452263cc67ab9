"""Rotations in the donor's world: x right in the picture, y away, z up."""

import numpy as np

from creation.arrays import Floats


def rotation(vector: Floats) -> Floats:
    """Return the matrix ``[3, 3]`` of a turn about ``vector``, by its length."""
    angle = float(np.linalg.norm(vector))
    if angle < 1e-12:
        return np.eye(3)
    x, y, z = vector / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    turned: Floats = (
        np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    )
    return turned


def yaw_pitch_roll(matrix: Floats) -> tuple[float, float, float]:
    """
    Return the angles of a turn, in degrees.

    Yaw is positive if the face looks to the right of the picture, pitch if it looks
    down, roll if its top leans to the right. The turn is roll, then pitch, then yaw.
    """
    yaw = np.arctan2(-matrix[0, 1], matrix[1, 1])
    pitch = np.arcsin(np.clip(matrix[2, 1], -1, 1))
    roll = np.arctan2(-matrix[2, 0], matrix[2, 2])
    return float(np.degrees(yaw)), float(np.degrees(pitch)), float(np.degrees(roll))
