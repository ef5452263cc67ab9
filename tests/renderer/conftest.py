"""Fixtures of the renderer's tests."""

from pathlib import Path

import pytest

from renderer.avatar import Avatar, load


@pytest.fixture(scope="session")
def avatar(portrait: Path) -> Avatar:
    return load(portrait)
