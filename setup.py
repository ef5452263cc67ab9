"""Packages of the wheel; `pyproject.toml` has the rest of the project's metadata."""

from setuptools import find_namespace_packages, setup

# Package in the wheel -> folder of the checkout. `lite_gateway.resources` relies on it:
# below `lite_gateway.data`, folders are named as from the root of the checkout.
DATA = {
    "lite_gateway.data.assets.avatars": "assets/avatars",
    "lite_gateway.data.tools.livekit": "tools/livekit",
    "lite_gateway.data.web": "web",
}
CODE = [
    pattern
    for package in ("protocol", "renderer", "lite_gateway")
    for pattern in (package, f"{package}.*")
]

setup(
    packages=[*find_namespace_packages(include=CODE, exclude=["*.__pycache__"]), *DATA],
    package_dir=DATA,
)
