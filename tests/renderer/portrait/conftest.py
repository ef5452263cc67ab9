"""Rigs of the flat face, drawn by torch and by native code."""

import pytest
import torch

from renderer.avatar import make_rig
from tests.renderer.portrait import portraits
from tests.renderer.portrait.faces import spoken_and_idle

CPU = torch.device("cpu")


@pytest.fixture(scope="session")
def rig(avatar, native):
    """Return a rig at the size of the base image."""
    return make_rig(avatar, portraits.WIDTH, portraits.HEIGHT, CPU, native)


@pytest.fixture(scope="session")
def small(avatar, native):
    return make_rig(avatar, portraits.WIDTH // 2, portraits.HEIGHT // 2, CPU, native)


@pytest.fixture(scope="session")
def stretch():
    """Return the faces of a spoken and an idle stretch, ``[75, 57]``."""
    return spoken_and_idle()
