"""
Packages of the wheel, and its platform.

`pyproject.toml` has the rest of the project's metadata. A wheel contains the native
builds of one platform, by default this machine's if they are built and up to date.
`--plat-name` names another one of PLATFORMS, or `any` for a wheel without native builds
(pip: `--config-settings=--build-option=--plat-name=NAME`).
"""

import platform
import sys
from pathlib import Path

from setuptools import find_namespace_packages, setup
from setuptools.command.bdist_wheel import bdist_wheel

sys.path.insert(0, str(Path(__file__).parent))

from renderer.native.library import build_names
from tools.build_native import is_current

# Package in the wheel -> folder of the checkout. `lite_gateway.resources` relies on it:
# below `lite_gateway.data`, folders are named as from the root of the checkout.
DATA = {
    "lite_gateway.data.assets.avatars": "assets/avatars",
    "lite_gateway.data.tools.livekit": "tools/livekit",
    "lite_gateway.data.web": "web",
}
CODE = [
    pattern
    for package in ("protocol", "renderer", "lite_gateway", "conversation", "creation")
    for pattern in (package, f"{package}.*")
]
# Platform of the wheel -> system and processor, as Python names them.
PLATFORMS = {
    "manylinux_2_17_x86_64": ("linux", "x86_64"),
    "manylinux_2_17_aarch64": ("linux", "aarch64"),
    "macosx_11_0_arm64": ("darwin", "arm64"),
}


class PlatformWheel(bdist_wheel):
    """Wheel for one platform and any Python: ctypes loads the builds, not Python."""

    def finalize_options(self) -> None:
        chosen = self.plat_name
        super().finalize_options()
        self.platform = self._own() if chosen is None else chosen
        # pip then puts all files into the folder for platform-specific packages.
        self.root_is_pure = self.platform == "any"
        self.distribution.has_ext_modules = lambda: not self.root_is_pure
        names = self._builds(self.platform)
        if old := [name for name in names if not is_current(name)]:
            raise SystemExit(f"not built: {', '.join(old)}; run `make wheels`")
        data = self.distribution.package_data
        data["renderer.native"] = [
            *data.get("renderer.native", []),
            *(f"builds/{name}.so" for name in names),
        ]

    def get_tag(self) -> tuple[str, str, str]:
        return "py3", "none", self.platform

    def _builds(self, name: str) -> tuple[str, ...]:
        if name == "any":
            return ()
        if name not in PLATFORMS:
            raise SystemExit(f"no platform {name!r}; there are any, {[*PLATFORMS]}")
        return build_names(*PLATFORMS[name])

    def _own(self) -> str:
        """Return the platform of this machine, or `any` without builds for it."""
        own = build_names(sys.platform, platform.machine())
        for name in PLATFORMS:
            if self._builds(name) == own and all(map(is_current, own)):
                return name
        return "any"


setup(
    packages=[*find_namespace_packages(include=CODE, exclude=["*.__pycache__"]), *DATA],
    package_dir=DATA,
    cmdclass={"bdist_wheel": PlatformWheel},
)
