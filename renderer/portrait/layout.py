"""
Constants of the portrait package format, shared by the loader and the studio.

This module imports nothing, so that the studio can use it without torch.
"""

CLOSEUPS = ("mouth", "eyeLeft", "eyeRight")
BASE_CELL_PX = 8  # side of a cell of the base image, base-image pixels
CLOSEUP_CELL_PX = 4  # side of a cell of a close-up, base-image pixels
FEATHER_PX = 22  # width of the border in which a close-up fades into the base image
