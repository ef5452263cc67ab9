"""Fixtures of the renderer's tests, on both of its paths: torch and native code."""

from pathlib import Path

import pytest

from renderer.avatar import Avatar, load
from renderer.native.library import open_best, open_build
from tests.renderer.native.test_library import OWN, require_builds


@pytest.fixture(scope="session")
def avatar(portrait: Path) -> Avatar:
    return load(portrait)


@pytest.fixture(scope="session", params=[False, True], ids=["torch", "native"])
def native(request):
    """Tell whether native code does the work; tests with it run on both paths."""
    if request.param:
        require_builds()
    return request.param


@pytest.fixture(scope="session")
def libraries():
    """Return the builds of this machine that its processor can run, by name."""
    require_builds()
    best = OWN.index(Path(open_best()._name).stem)
    return {name: open_build(name) for name in OWN[: best + 1]}
