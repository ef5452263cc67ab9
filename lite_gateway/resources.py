"""Folders of data files that the gateway ships: web page, avatars, LiveKit pin."""

from importlib.resources import files
from pathlib import Path


def data_path(name: str) -> Path:
    """
    Return a file or folder of data by its path in the repository, such as ``web``.

    A wheel contains these folders in ``lite_gateway/data``, as ``setup.py`` maps them.
    A checkout has them at its root. pip unpacks wheels, so the paths are real.
    """
    package = Path(str(files("lite_gateway")))
    installed = package / "data"
    return (installed if installed.is_dir() else package.parent) / name
