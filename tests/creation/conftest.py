"""Fixtures of creation's tests: pictures of rendered people, and the networks."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from creation.arrays import Picture
from creation.vision.weights import WEIGHTS
from lite_gateway.config import shipped_avatars


@pytest.fixture(scope="session")
def networks() -> Path:
    """Path of the weights, without which most of creation does nothing."""
    if not WEIGHTS.exists():
        assert not os.environ.get("CI"), "`make setup` has converted no weights"
        pytest.skip("no weights: run `make setup`")
    torch.set_num_threads(1)
    return WEIGHTS


@pytest.fixture(scope="session")
def plates() -> dict[str, Picture]:
    """Plates of the shipped avatars, ``[1080, 1920, 3]``, by name."""
    return {
        name: np.asarray(
            Image.open(shipped_avatars() / name / "plate.webp").convert("RGB"),
            np.float32,
        )
        / 255
        for name in ("mira", "theo")
    }
